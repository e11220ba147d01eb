/**
 * What to make of the numbers on a page, from one moment to the next: freshness.js, and a memory for what a server does not know that has come
 * back without data. What is held is then not its word, but the last one of its former life, and as old as that.
 */

import { freshness } from "./freshness.js";

/** Close code: the server ended the login, and said so on the link that it ended. */
const ENDED = 4002;

/**
 * @param {number} openedAt when the page was opened, epoch ms
 * @returns {(feed: import("./realtime-client.js").Feed, now: number) => { freshness: ReturnType<typeof freshness>, ageMs: number | undefined }}
 */
export function judgement(openedAt) {
  let lostAt = openedAt;
  let seen = false; // whether the login was seen to end, and not found to have ended
  let aged; // the last age that was told: { ms, at }

  return (feed, now) => {
    const { state, status } = feed;
    // A first snapshot comes without a word on its quality; that is right behind it.
    const known = Object.keys(state).length > 0 && status.quality !== undefined;
    const answered = status.link === "open" && status.quality !== undefined && status.quality !== "starting";
    if (lostAt === undefined || answered) seen = status.code === ENDED;
    lostAt = answered ? undefined : (lostAt ?? now);

    const told = feed.dataAgeMs();
    if (told !== undefined) aged = { ms: told, at: now };
    const ageMs = told ?? (known && aged ? aged.ms + Math.max(0, now - aged.at) : undefined);

    let { link } = status;
    if (link === "open" && !answered && (known || status.quality === undefined)) link = known ? "reconnecting" : "connecting";
    const { source, events } = state;
    return { freshness: freshness({ status: { ...status, link }, source, events, known, ageMs, lostAt, seen, now }), ageMs };
  };
}
