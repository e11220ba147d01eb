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
 * Log in with a token, however often the server must be asked.
 * @param {string} token
 * @param {object} env
 * @param {(token: string) => Promise<import("../session.js").Answer>} env.logIn
 * @param {(problem: string | undefined, done: boolean) => void} env.answered told of every answer; `done` if it is the last
 */
export async function enter(token, { logIn, answered, random = Math.random, setTimeout = globalThis.setTimeout }) {
  const { problem, away } = await logIn(token);
  answered(problem, !away);
  if (away) setTimeout(() => enter(token, { logIn, answered, random, setTimeout }), AGAIN_MS * (0.5 + random() / 2));
}

/**
 * What somebody must do so that this screen is let in, for whoever passes: in place of what freshness.js says.
 * @param {object} told
 * @param {boolean} told.none whether there never were numbers
 * @param {string} told.how how old they are
 * @param {string} [told.refusal] why the token in the address was refused
 * @param {boolean} [told.lost] whether it was taken, and the browser has not kept the login
 * @param {string} told.address where the page is
 */
export function plea({ none, how, refusal, lost, address }) {
  const why = refusal
    ? "The token in the address is refused"
    : lost
      ? "This browser keeps no cookies of this site; let it, and then"
      : none
        ? "This screen is not logged in"
        : "The login of this screen has ended";
  return {
    what: `${why}${lost ? "" : ":"} open this page once with #token=… of a kiosk token at the end of its address.`,
    since: "",
    how: [refusal && asSentence(refusal), `${address}#token=…`, how].filter(Boolean).join("\n"),
  };
}
