import assert from "node:assert/strict";
import { test } from "node:test";

import { age, asSentence, byName, clock, count, memory, memoryOf, percent, plural } from "../src/format.js";

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;
const D = 24 * H;

test("what is not known is said to be unknown, and is never zero", () => {
  for (const say of [count, percent, memory, age, (value) => clock(value, 0)]) assert.equal(say(undefined), "unknown");
  assert.equal(plural(undefined, "node"), "unknown nodes");
  assert.equal(memoryOf(undefined, 2048), "unknown of 2 TiB");
  assert.equal(count(0), "0");
});

test("there is 1 node and there are 2 nodes", () => {
  assert.deepEqual([0, 1, 2, 4394].map((n) => plural(n, "node")), ["0 nodes", "1 node", "2 nodes", "4,394 nodes"]);
});

test("no percentage is rounded to nothing or to everything unless it is that", () => {
  const said = { 0: "0", 0.2: "0.2", 0.4: "0.4", 0.6: "1", 74.1: "74", 74.5: "75", 99.4: "99", 99.6: "99.6", 100: "100", 104.4: "104" };
  for (const [value, text] of Object.entries(said)) assert.equal(percent(Number(value)), text);
});

test("memory is told in the unit that fits it", () => {
  const said = { 0: "0 GiB", 4.25: "4.3 GiB", 503: "503 GiB", 999: "999 GiB", 1007: "1 TiB", 2015: "2 TiB", 88046: "86 TiB" };
  for (const [gib, text] of Object.entries(said)) assert.equal(memory(Number(gib)), text);
});

test("used and total memory share one unit", () => {
  assert.equal(memoryOf(44407, 88046), "43 of 86 TiB");
  assert.equal(memoryOf(415, 2015), "0.4 of 2 TiB");
  assert.equal(memoryOf(0, 503), "0 of 503 GiB");
});

test("an age is told as roughly as it is long, and is never less than it is by a whole unit", () => {
  const said = [
    [-5, "0 s"], [0, "0 s"], [999, "0 s"], [4 * S, "4 s"], [119 * S, "119 s"], [2 * MIN, "2 min"], [59 * MIN + 59 * S, "59 min"],
    [H, "1 h"], [3 * H + 12 * MIN, "3 h 12 min"], [D, "1 d"], [2 * D + 4 * H, "2 d 4 h"], [400 * D, "400 d"],
  ];
  for (const [ms, text] of said) assert.equal(age(ms), text);
});

test("a time of today has seconds, one of another day has its date", () => {
  const now = new Date(2026, 10, 22, 14, 2, 11).getTime();
  assert.equal(clock(now, now), "14:02:11");
  assert.equal(clock(now - 15 * H, now), "21 Nov 23:02");
});

test("names are in the order in which people count", () => {
  assert.deepEqual(["n-10", "n-2", "N-1"].sort(byName), ["N-1", "n-2", "n-10"]);
});

test("what continues a sentence can be one", () => {
  assert.equal(asSentence("this token is not known here"), "This token is not known here.");
});
