/**
 * What to make of the numbers on screen: one word, and one sentence that says what is wrong and since when. Pure.
 *
 * Numbers whose age is doubtful are never called live: a link that is lost outranks what the server said last.
 */

import { age, clock, asSentence } from "./format.js";
import { LOGINS } from "./realtime-client.js";

/**
 * The word that each kind is called on screen, and whether its numbers are old (colour drains out of them) or there are none, and
 * whether a login is wanted.
 * @type {Record<string, { word: string, old?: boolean, none?: boolean, login?: boolean }>}
 */
export const KINDS = {
  live: { word: "live" },
  fault: { word: "live, with a fault" },
  partial: { word: "partial" },
  stale: { word: "stale", old: true },
  down: { word: "source down", old: true },
  reconnecting: { word: "reconnecting", old: true },
  closed: { word: "refused", old: true },
  locked: { word: "logged out", old: true, login: true },
  asking: { word: "not logged in", none: true, login: true },
  starting: { word: "starting", none: true },
  connecting: { word: "connecting", none: true },
};

/** A link that comes back within so long was a hiccup, or a server that took a second to restart: no reason to drain a wall. */
export const HICCUP_MS = 2500;

/**
 * @param {object} told
 * @param {{ link: string, quality?: string, reason?: string, code?: number }} told.status `feed.status`
 * @param {Record<string, { faults?: { code: string, detail: string }[] }>} [told.source] the `source` topic
 * @param {Record<string, { at: number, kind: string, key: string, to?: string }>} [told.events] the `events` topic
 * @param {boolean} told.known whether there is any state to show
 * @param {number | undefined} told.ageMs how old the data is
 * @param {number | undefined} told.lostAt when the link was lost (epoch ms), or the page opened; undefined while it is open
 * @param {boolean} [told.seen] whether the login ended at that moment, and not some time while nobody was told
 * @param {number} told.now epoch ms
 * @returns {{ kind: string, word: string, old: boolean, none: boolean, login: boolean, what: string, since: string, how: string }} `what` is the sentence; `since`
 * the moment, `how` the age, that belong to it. `what` and `since` stand still while the age moves, so that a screen reader says them once.
 */
export function freshness({ status, source = {}, events = {}, known, ageMs, lostAt, seen, now }) {
  const kind = kindOf(status, source, known, lostAt, now);
  const { word, old = false, none = false, login = false } = KINDS[kind];
  const sampledAt = ageMs === undefined ? undefined : now - ageMs;
  const since = clock(sampledAt, now);
  const numbers = known && ageMs !== undefined ? `The numbers are ${age(ageMs)} old.` : "";
  const why = ["stale", "down"].includes(kind) ? faultOf(source, events, now) : {};
  const found = { kind, word, old: old && known, none: none || !known, login, what: "", since: "", how: "" };
  switch (kind) {
    case "fault":
      return { ...found, ...faultOf(source, events, now) };
    case "partial": {
      const fault = faultOf(source, events, now);
      const what = fault.what || "A part of the data is missing in its source. What is missing is shown as it last was.";
      return { ...found, ...fault, what };
    }
    case "stale":
      return { ...found, what: "The source answers, but it has had no new sample", since: `since ${since}`, how: joined(why.what, numbers) };
    case "down":
      return known
        ? { ...found, what: "The source does not answer", since: `(last sign of life: ${since})`, how: joined(why.what, numbers) }
        : { ...found, what: "The source does not answer, and nothing is known yet." };
    case "reconnecting":
      return { ...found, what: "The server has been away", since: lostAt ? `since ${clock(lostAt, now)}` : "", how: numbers };
    case "closed":
      return { ...found, what: `The server refuses this page${status.reason ? `: ${status.reason}` : ""}`, since: lostAt ? `(since ${clock(lostAt, now)})` : "", how: numbers };
    case "locked":
      return { ...found, what: seen ? "The login ended" : "The login has ended; the server was last heard", since: lostAt ? `at ${clock(lostAt, now)}` : "", how: numbers };
    case "asking":
      return { ...found, what: "This server asks for a token." };
    case "starting":
      return { ...found, what: "The server has started, and its source has told it nothing yet." };
    case "connecting":
      // Mostly it is there at once, and a sentence for an instant would only make everything jump.
      return lostAt && now - lostAt < HICCUP_MS ? found : { ...found, what: "No answer from the server", since: lostAt ? `since ${clock(lostAt, now)}` : "" };
    default:
      return found;
  }
}

function kindOf(status, source, known, lostAt, now) {
  if (LOGINS.includes(status.code)) return known ? "locked" : "asking";
  if (status.link === "closed") return "closed";
  if (!known) {
    if (status.link !== "open") return status.link === "reconnecting" ? "reconnecting" : "connecting";
    return status.quality === "down" ? "down" : "starting";
  }
  if (status.link !== "open" && !(status.quality === "live" && lostAt && now - lostAt < HICCUP_MS)) return "reconnecting";
  if (status.quality === "live" && faultsOf(source).length) return "fault";
  return status.quality in KINDS ? status.quality : "reconnecting";
}

/** Faults that say that something on screen is not as it should be; those of the others are the operator's alone. */
const LOUD = new Set(["PBSNODES_FAILED", "QSTAT_FAILED", "FROZEN", "EXPORTER_DOWN", "CLOCK_SKEW", "SHIFTED_COLUMNS", "COUNT_MISMATCH", "OTHER_NODES", "MIXED_CLUSTERS"]);

/** The loud faults of every exporter. @returns {{ key: string, code: string, detail: string }[]} */
export function faultsOf(source) {
  return Object.entries(source).flatMap(([key, { faults = [] }]) =>
    faults.filter(({ code }) => LOUD.has(code)).map((fault) => ({ key, ...fault })),
  );
}

function faultOf(source, events, now) {
  const [first, ...more] = faultsOf(source);
  if (!first) return {};
  const noted = Object.values(events).findLast(
    ({ kind, key, to }) => kind === "source.fault" && key === first.key && to === first.code,
  );
  return {
    what: asSentence(first.detail) + (more.length ? ` (and ${more.length} more)` : ""),
    since: noted ? `Since ${clock(noted.at, now)}.` : "",
  };
}

const joined = (...sentences) => sentences.filter(Boolean).join(" ");
