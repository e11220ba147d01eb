import assert from "node:assert/strict";
import { test } from "node:test";

import { HICCUP_MS, KINDS, freshness } from "../src/freshness.js";

const NOW = new Date(2026, 10, 22, 14, 2, 11).getTime();
const open = (quality) => ({ link: "open", quality });
const judged = (told) => freshness({ status: open("live"), known: true, ageMs: 4000, lostAt: undefined, now: NOW, ...told });
const source = { "pbs|host": { faults: [{ code: "PBSNODES_FAILED", detail: "it lists none; the nodes are shown as they last were" }] } };

test("live data is quiet", () => {
  const { kind, what, old, none } = judged({});
  assert.deepEqual([kind, what, old, none], ["live", "", false, false]);
});

test("old data says since when, and how old it is", () => {
  const { kind, what, since, how, old } = judged({ status: open("stale"), ageMs: 375_000 });
  assert.deepEqual([kind, old], ["stale", true]);
  assert.equal(`${what} ${since}.`, "The source answers, but it has had no new sample since 13:55:56.");
  assert.equal(how, "The numbers are 6 min old.");
});

test("what is known of the reason is told beside it", () => {
  const told = judged({ status: open("stale"), ageMs: 375_000, source });
  assert.equal(told.kind, "stale");
  assert.equal(told.how, "It lists none; the nodes are shown as they last were. The numbers are 6 min old.");
});

test("a source that does not answer is told from one that has nothing new", () => {
  const told = judged({ status: open("down"), ageMs: 375_000 });
  assert.equal(told.what, "The source does not answer");
  assert.match(told.since, /13:55:56/);
  const nothing = judged({ status: open("down"), known: false, ageMs: undefined });
  assert.deepEqual([nothing.kind, nothing.none, nothing.how], ["down", true, ""]);
});

test("a link that is lost outranks what the server said last", () => {
  for (const quality of ["live", "stale", "partial", "down"]) {
    const told = judged({ status: { link: "reconnecting", quality }, lostAt: NOW - HICCUP_MS });
    assert.deepEqual([told.kind, told.old], ["reconnecting", true]);
  }
});

test("a hiccup of the link does not drain a page whose data is live", () => {
  assert.equal(judged({ status: { link: "reconnecting", quality: "live" }, lostAt: NOW - HICCUP_MS + 1 }).kind, "live");
  assert.equal(judged({ status: { link: "reconnecting", quality: "stale" }, lostAt: NOW - 1 }).kind, "reconnecting");
});

test("a page that opens says nothing for a moment, and then that no answer comes", () => {
  const opening = (ms) => judged({ status: { link: "connecting" }, known: false, ageMs: undefined, lostAt: NOW - ms });
  assert.equal(opening(100).what, "");
  assert.equal(opening(HICCUP_MS).what, "No answer from the server");
});

test("a server that knows nothing yet is starting, and shows no numbers", () => {
  const told = judged({ status: open("starting"), known: false, ageMs: undefined });
  assert.deepEqual([told.kind, told.none, told.how], ["starting", true, ""]);
});

test("a fault that makes numbers doubtful is told while the data is live, with the moment at which it was seen", () => {
  const events = { 7: { at: NOW - 60_000, kind: "source.fault", key: "pbs|host", to: "PBSNODES_FAILED" } };
  const told = judged({ source, events });
  assert.deepEqual([told.kind, told.old], ["fault", false]);
  assert.equal(`${told.what} ${told.since}`, "It lists none; the nodes are shown as they last were. Since 14:01:11.");
  assert.equal(judged({ source, status: open("partial") }).what, told.what);
  assert.match(judged({ status: open("partial") }).what, /missing/);
});

test("a fault that makes no number wrong is left to the operator", () => {
  assert.equal(judged({ source: { x: { faults: [{ code: "TRUNCATED_NAMES", detail: "names are cut" }] } } }).kind, "live");
});

for (const [link, code] of [["reconnecting", 4002], ["closed", 4500], ["reconnecting", 4500], ["connecting", 4500]])
  test(`what a login mends is told from a refusal that nothing mends: ${link}, ${code}`, () => {
    const lost = { status: { link, code, quality: "live" }, ageMs: 375_000, lostAt: NOW };
    for (const [seen, words] of [[true, "The login ended"], [false, "The login has ended; the server was last heard"]]) {
      const ended = judged({ ...lost, seen });
      assert.deepEqual([ended.kind, ended.old, ended.none, ended.login], ["locked", true, false, true]);
      assert.equal(`${ended.what} ${ended.since}. ${ended.how}`, `${words} at 14:02:11. The numbers are 6 min old.`);
    }
    const never = judged({ status: { link, code }, known: false, ageMs: undefined, lostAt: NOW });
    assert.deepEqual([never.kind, never.old, never.none, never.login, never.how], ["asking", false, true, true, ""]);
    const refused = judged({ status: { link: "closed", code: 4503, reason: "no" }, lostAt: NOW });
    assert.deepEqual([refused.kind, refused.login], ["closed", false]);
  });

test("a quality that this page does not know is not taken for live", () => {
  assert.equal(judged({ status: open("of a later version") }).kind, "reconnecting");
  assert.equal(judged({ status: { link: "open" } }).kind, "reconnecting");
});

test("every kind has a word of its own", () => {
  const words = Object.values(KINDS).map(({ word }) => word);
  assert.equal(new Set(words).size, words.length);
});
