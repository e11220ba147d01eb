import assert from "node:assert/strict";
import { test } from "node:test";

import { judgement } from "../src/judgement.js";

const NOW = 1_794_166_412_000;
const MINUTE = 60_000;

/** A feed that holds a state, or nothing. */
const feed = (status, { held = true, ageMs } = {}) => ({ status, state: held ? { summary: {} } : {}, dataAgeMs: () => ageMs });

test("what is open and live is live, and as old as is told", () => {
  const { freshness, ageMs } = judgement(NOW)(feed({ link: "open", quality: "live" }, { ageMs: 4000 }), NOW + 1000);
  assert.deepEqual([freshness.kind, freshness.none, ageMs], ["live", false, 4000]);
});

test("before anything is known it connects, and then starts, without numbers", () => {
  const judge = judgement(NOW);
  assert.deepEqual(judge(feed({ link: "connecting" }, { held: false }), NOW).freshness.kind, "connecting");
  const { kind, none, what } = judge(feed({ link: "open", quality: "starting" }, { held: false }), NOW + 1000).freshness;
  assert.deepEqual([kind, none], ["starting", true]);
  assert.match(what, /nothing yet/);
  assert.equal(judge(feed({ link: "open", quality: "down" }, { held: false }), NOW + 2000).freshness.kind, "down");
});

test("between the first snapshot and the word on its quality nothing is shown, and nothing alarms", () => {
  const { kind, none, what } = judgement(NOW)(feed({ link: "open" }), NOW + 100).freshness;
  assert.deepEqual([kind, none, what], ["connecting", true, ""]);
});

test("a server that comes back without data leaves the numbers, which are old and grow older", () => {
  const judge = judgement(NOW);
  judge(feed({ link: "open", quality: "live" }, { ageMs: 4000 }), NOW);
  judge(feed({ link: "reconnecting", quality: "live" }, { ageMs: 5000 }), NOW + 1000);
  for (const quality of ["starting", "starting"]) {
    const { freshness, ageMs } = judge(feed({ link: "open", quality }), NOW + 3 * MINUTE);
    assert.deepEqual([freshness.kind, freshness.none, freshness.old], ["reconnecting", false, true]);
    assert.equal(ageMs, 5000 + 3 * MINUTE - 1000);
    assert.match(freshness.what, /server has been away/);
    assert.match(freshness.how, /3 min old/);
  }
  assert.equal(judge(feed({ link: "open", quality: "live" }, { ageMs: 2000 }), NOW + 4 * MINUTE).freshness.kind, "live");
});

test("if the source does not answer then either, that is what is said", () => {
  const judge = judgement(NOW);
  judge(feed({ link: "open", quality: "live" }, { ageMs: 4000 }), NOW);
  const { freshness, ageMs } = judge(feed({ link: "open", quality: "down" }), NOW + MINUTE);
  assert.deepEqual([freshness.kind, freshness.none, ageMs], ["down", false, 4000 + MINUTE]);
});

test("a login that has ended leaves the numbers, which are old and grow older", () => {
  const judge = judgement(NOW);
  judge(feed({ link: "open", quality: "live" }, { ageMs: 4000 }), NOW);
  const { freshness, ageMs } = judge(feed({ link: "closed", code: 4500, quality: "live" }), NOW + MINUTE);
  assert.deepEqual([freshness.kind, freshness.none, freshness.old, ageMs], ["locked", false, true, 4000 + MINUTE]);
});

test("when a login ended is said where it was seen; else only until when the server was heard", () => {
  const open = feed({ link: "open", quality: "live" }, { ageMs: 4000 });
  const ended = (code, link) => feed({ link, code, quality: "live" });
  const saw = judgement(NOW);
  saw(open, NOW);
  assert.match(saw(ended(4002, "reconnecting"), NOW + 1000).freshness.what, /^The login ended$/);
  // It comes back and is refused: that is no other moment.
  assert.match(saw(ended(4500, "closed"), NOW + MINUTE).freshness.what, /^The login ended$/);

  const { since } = saw(ended(4500, "closed"), NOW + MINUTE).freshness;
  const found = judgement(NOW);
  found(open, NOW);
  found(feed({ link: "reconnecting", quality: "live" }), NOW + 1000);
  const { freshness } = found(ended(4500, "closed"), NOW + 30 * MINUTE);
  assert.deepEqual([freshness.what, freshness.since], ["The login has ended; the server was last heard", since]);
  // Also where the server says 4002 to a link that had no answer yet, or another login follows one that was seen to end.
  assert.match(found(ended(4002, "reconnecting"), NOW + 31 * MINUTE).freshness.what, /last heard$/);
  saw(open, NOW + 2 * MINUTE);
  assert.match(saw(ended(4500, "closed"), NOW + 3 * MINUTE).freshness.what, /last heard$/);
});

test("what is refused is refused, with numbers or without", () => {
  for (const held of [true, false])
    assert.equal(judgement(NOW)(feed({ link: "closed", reason: "no", quality: "live" }, { held }), NOW).freshness.kind, "closed");
});
