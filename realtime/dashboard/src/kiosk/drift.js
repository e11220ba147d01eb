/**
 * A slow drift of the whole picture against burn-in: each minute the edges of what stands still fall on other pixels. A step is wider than
 * such an edge is sharp, and less than anybody sees.
 */

const EVERY_MS = 60_000;
const STEP_PX = 2;

/** How far the picture is from its middle at most, in CSS pixels. The page's margin is wider. */
export const FARTHEST_PX = 4;

const STEPS = (2 * FARTHEST_PX) / STEP_PX;

/** Where the picture is after so many minutes: a walk around a square, as whole pixels, so that nothing is blurred. @returns {[number, number]} */
export function place(minute) {
  const side = Math.floor(minute / STEPS) % 4;
  const along = STEP_PX * (minute % STEPS) - FARTHEST_PX;
  return [
    [along, -FARTHEST_PX],
    [FARTHEST_PX, along],
    [-along, FARTHEST_PX],
    [-FARTHEST_PX, -along],
  ][side];
}

/**
 * @param {(x: number, y: number) => void} move
 * @param {{ setTimeout: typeof globalThis.setTimeout }} [env]
 */
export function drift(move, { setTimeout } = globalThis) {
  let minute = 0;
  (function next() {
    move(...place(minute));
    minute += 1;
    setTimeout(next, EVERY_MS);
  })();
}
