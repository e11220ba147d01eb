/**
 * How a wall display, which has no keyboard, logs in: somebody opens its page once with `#token=…` of a kiosk token. What stands behind the `#` is
 * never sent to a server; it becomes a cookie, which the browser keeps, and leaves the address before anything else is done.
 */

import { asSentence } from "../format.js";

/** A server that could not say is asked again after a random time up to this: walls of a site come back together after a power cut. */
const AGAIN_MS = 10_000;

/**
 * The token in the address, which is taken out of it.
 * @param {{ location: Location, history: History }} [env] for tests
 */
export function takeToken({ location, history } = globalThis) {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return undefined;
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(null, "", `${location.pathname}${location.search}${rest && `#${rest}`}`);
  return token.trim() || undefined;
}

/**
 * Take a token out of the query, where it is sent to the server and whatever logs addresses on the way: it is not used.
 * @param {{ location: Location, history: History }} [env] for tests
 * @returns {boolean} whether there was one
 */
export function dropToken({ location, history } = globalThis) {
  const all = location.search.slice(1).split("&");
  const kept = all.filter((each) => !new URLSearchParams(each).has("token"));
  if (kept.length === all.length) return false;
  const search = kept.join("&");
  history.replaceState(null, "", `${location.pathname}${search && `?${search}`}${location.hash}`);
  return true;
}

/**
 * What logs in with a token, however often the server must be asked, until it is given another: somebody has corrected themselves.
 * @param {object} env
 * @param {(token: string) => Promise<import("../session.js").Answer>} env.logIn
 * @param {(problem: string | undefined, done: boolean) => void} env.answered told of every answer about the newest token; `done` if it is the last
 * @returns {(token: string) => Promise<void>}
 */
export function entrance({ logIn, answered, random = Math.random, setTimeout = globalThis.setTimeout }) {
  let newest;
  let asked = Promise.resolve();

  async function enter(token, showing) {
    // One after the other: the cookie is that of the answer which comes last.
    asked = asked.then(() => showing === newest && logIn(token));
    const answer = await asked;
    if (showing !== newest) return;
    answered(answer.problem, !answer.away);
    if (answer.away) setTimeout(() => enter(token, showing), AGAIN_MS * (0.5 + random() / 2));
  }
  return (token) => enter(token, (newest = {}));
}

/** Said of a token in the query, and what to do about it. */
export const EXPOSED = "A token belongs behind #, not behind ?, where it may have been logged; make a new one";

/**
 * What somebody must do so that this screen is let in, for whoever passes: in place of what freshness.js says.
 * @param {object} told
 * @param {boolean} told.none whether there never were numbers
 * @param {string} told.how how old they are
 * @param {string} [told.refusal] why the token in the address was refused
 * @param {boolean} [told.lost] whether it was taken, and the browser has not kept the login
 * @param {boolean} [told.exposed] whether it stood in the query
 * @param {string} told.address where the page is, as far as it was meant
 */
export function plea({ none, how, refusal, lost, exposed, address }) {
  const why = refusal
    ? "The token in the address is refused"
    : lost
      ? "This browser keeps no cookies of this site; let it, and then"
      : exposed
        ? EXPOSED
        : none
          ? "This screen is not logged in"
          : "The login of this screen has ended";
  return {
    what: `${why}${lost ? "" : ":"} open this page once with #token=… of a kiosk token at the end of its address.`,
    since: "",
    how: [refusal && asSentence(refusal), `${address}#token=…`, how].filter(Boolean).join("\n"),
  };
}
