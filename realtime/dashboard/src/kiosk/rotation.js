/** Pages that take turns. */

/**
 * Show each page for so many seconds, one after the other; a single one for ever.
 * @param {string[]} pages @param {number} seconds @param {(page: string) => void} show called at once for the first
 * @param {{ setTimeout: typeof globalThis.setTimeout }} [env]
 */
export function rotate(pages, seconds, show, { setTimeout } = globalThis) {
  let turn = 0;
  (function next() {
    show(pages[turn % pages.length]);
    turn += 1;
    if (pages.length > 1) setTimeout(next, 1000 * seconds);
  })();
}
