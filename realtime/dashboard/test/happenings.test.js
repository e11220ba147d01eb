import assert from "node:assert/strict";
import { test } from "node:test";

import { happenings, telling } from "../src/happenings.js";

const moved = (at, key, from, to, more = {}) => ({ at, kind: "node.state", key, from, to, ...more });

test("the newest comes first, and what befell many nodes at once is one line", () => {
  const found = happenings({
    9: moved(1000, "a", "free", "busy"),
    10: moved(2000, "b", "free", "down"),
    11: moved(2000, "c", "busy", "free", { inferred: true }),
    12: moved(2000, "d", "free", "down"),
  });
  assert.deepEqual(found.map(({ at, keys }) => [at, keys]), [[2000, ["b", "d"]], [2000, ["c"]], [1000, ["a"]]]);
  assert.deepEqual(found.map(telling), ["free → down", "busy* → free", "free → busy"]);
});

test("faults of a source stand alone", () => {
  const fault = (at, key, to) => ({ at, kind: "source.fault", key, to });
  const found = happenings({ 1: fault(5, "x", "FROZEN"), 2: fault(5, "y", "FROZEN"), 3: { at: 6, kind: "source.ok", key: "x", from: "FROZEN" } });
  assert.deepEqual(found.map(telling), ["no longer: numbers stand still", "numbers stand still", "numbers stand still"]);
});

test("what a later server may tell is shown as it is", () => {
  assert.equal(telling({ kind: "source.fault", to: "NEW_CODE" }), "NEW_CODE");
  assert.equal(telling({ kind: "alert", keys: ["x"] }), "alert");
});
