/**
 * Logging in and out: a token becomes a cookie that no script can see, and is kept, logged and put into an address by nobody here. What is
 * asked for is below the page's own path, which a proxy may have moved.
 */

const PLACE = "api/session";
/** A server that has not answered by then is away. */
const PATIENCE_MS = 10_000;
/** A reason that is longer is cut: something on the way may answer in the server's place. */
const LONGEST = 160;
/** These are answers to this moment, not to this token. */
const LATER = [408, 425, 429];

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

/** Whether it is a cookie that lets this page in; to be asked once it is let in. @param {typeof globalThis.fetch} [fetch] */
export async function isByCookie(fetch = globalThis.fetch) {
  try {
    const response = await fetch(PLACE, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    return response.ok && (await response.json()).cookie === true;
  } catch {
    return false;
  }
}

async function ask(request, fetch = globalThis.fetch) {
  try {
    const response = await fetch(PLACE, { ...request, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) return {};
    const { status } = response;
    const { detail, code } = await response.json();
    // Who is asked for nothing is in, and out.
    if (code === "no_login") return {};
    return { problem: String(detail || `the server answered ${status}`).slice(0, LONGEST), away: status >= 500 || LATER.includes(status) };
  } catch {
    return { problem: "the server cannot be reached", away: true };
  }
}
