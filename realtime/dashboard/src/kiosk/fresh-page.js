/**
 * Loads the page anew, for the three reasons that there are: another build of the server brings another page; something in this one has
 * failed, and what it shows may have stopped changing; a browser that shows one page for months loses memory of its own, and over long-poll
 * a page does not hear of builds, so once a day it begins anew whether or not it must.
 *
 * A page that leaves before the next can come leaves an error page on the wall, and one that comes before there is anything to show
 * has thrown away the last numbers. So it waits until the server answers with a page, and the link is open and brings numbers.
 */

/** All walls of a site would come at once else. */
const BUILD_MS = [0, 300_000];
/** Not at once, lest a page that fails at its start loads without end. */
const FAILED_MS = [30_000, 60_000];
const DAILY_MS = [20 * 3_600_000, 28 * 3_600_000];
/** The way is tried again after so long while it is not clear. */
const AGAIN_MS = 15_000;

const { setTimeout, clearTimeout } = globalThis;
const BROWSER = { random: Math.random, now: () => performance.now(), setTimeout, clearTimeout };

/**
 * @param {object} env
 * @param {() => import("../realtime-client.js").Status} env.status of the feed
 * @param {() => Promise<boolean>} env.reachable whether the server answers with a page
 * @param {() => void} env.reload
 * and, for tests, `random`, `now` (monotonic ms), `setTimeout`, `clearTimeout`
 * @returns {{ built: () => void, failed: () => void }} to be called when the server has become another build, and when something in the page has failed
 */
export function freshPage(env) {
  const { status, reachable, reload, random, now, setTimeout, clearTimeout } = { ...BROWSER, ...env };
  let timer;
  let dueAt = Infinity;

  function plan([least, most]) {
    const ms = least + random() * (most - least);
    if (now() + ms >= dueAt) return;
    clearTimeout(timer);
    dueAt = now() + ms;
    timer = setTimeout(attempt, ms);
  }

  async function attempt() {
    timer = setTimeout(attempt, AGAIN_MS);
    if (isClear(status()) && (await reachable()) && isClear(status())) reload();
  }

  plan(DAILY_MS);
  return { built: () => plan(BUILD_MS), failed: () => plan(FAILED_MS) };
}

/** Whether a new page would show what this one does. A partial state may last for days and is whole again after a reload. */
function isClear({ link, quality }) {
  return link === "open" && (quality === "live" || quality === "partial");
}

/** Whether the server answers with this page. @param {typeof globalThis.fetch} [fetch] */
export async function pageAnswers(fetch = globalThis.fetch) {
  try {
    const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    return response.ok && (response.headers.get("Content-Type") ?? "").startsWith("text/html");
  } catch {
    return false;
  }
}
