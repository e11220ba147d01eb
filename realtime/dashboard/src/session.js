/**
 * Logging in and out: a token becomes a cookie that no script can see, and is kept, logged and put into an address by nobody here. What is
 * asked for is below the page's own path, which a proxy may have moved.
 */

import { isForNow } from "./realtime-client.js";

const PLACE = "api/session";
/** A server that has not answered by then is away. */
const PATIENCE_MS = 10_000;
/** A reason that is longer is cut: something on the way may answer in the server's place. */
const LONGEST = 160;
const AWAY = "the server cannot be reached";

/** What one tab tells the others of this origin, which all have the same cookie: that it is another, or gone. */
export const [IN, OUT] = ["in", "out"];

/**
 * What the other tabs say, and a way to tell them: `postMessage(IN)`, `close()`.
 * @param {(word: string) => void} heard
 * @param {typeof globalThis.BroadcastChannel} [Channel] for tests
 */
export function tabs(heard, Channel = globalThis.BroadcastChannel) {
  const channel = new Channel("realtime-session");
  channel.onmessage = ({ data }) => heard(data);
  return channel;
}

/**
 * @typedef {{ problem?: string, away?: boolean }} Answer without a `problem` it is done; else that is why not, in words that continue a
 * sentence, and `away` whether the same may succeed another time
 */

/** @param {string} token @param {typeof globalThis.fetch} [fetch] @returns {Promise<Answer>} */
export function logIn(token, fetch) {
  return ask({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) }, fetch);
}

/** @param {typeof globalThis.fetch} [fetch] @returns {Promise<Answer>} */
export function logOut(fetch) {
  return ask({ method: "DELETE" }, fetch);
}

/**
 * Whether it is a cookie that lets this page in, to be asked once it is let in; undefined if the server did not say.
 * @param {typeof globalThis.fetch} [fetch] @returns {Promise<boolean | undefined>}
 */
export async function isByCookie(fetch = globalThis.fetch) {
  try {
    const response = await fetch(PLACE, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    const { cookie } = response.ok ? await response.json() : {};
    return typeof cookie === "boolean" ? cookie : undefined;
  } catch {
    return undefined;
  }
}

async function ask(request, fetch = globalThis.fetch) {
  try {
    const response = await fetch(PLACE, { ...request, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) return {};
    const { status } = response;
    const away = isForNow(status);
    // Something on the way may refuse in words of its own; that is a refusal all the same.
    const { detail, code } = (await response.json().catch(() => undefined)) ?? {};
    // Who is asked for nothing is in, and out.
    if (code === "no_login") return {};
    return { problem: String(detail || (away ? AWAY : `the server answered ${status}`)).slice(0, LONGEST), away };
  } catch {
    return { problem: AWAY, away: true };
  }
}
