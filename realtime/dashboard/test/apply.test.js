// Law: apply(state, patch) is what RFC 7396 says, changes neither, and shares what the patch does not change.

import assert from "node:assert/strict";
import test from "node:test";

import { apply } from "../src/realtime-client.js";
import { numbers } from "./numbers.js";

/** RFC 7396, section 2, word for word. */
function mergePatch(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  if (target === null || typeof target !== "object" || Array.isArray(target)) target = {};
  const result = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch))
    if (value === null) result.delete(name);
    else result.set(name, mergePatch(result.get(name), value));
  return Object.fromEntries(result);
}

// The examples of RFC 7396, appendix A.
const EXAMPLES = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

for (const [state, patch, result] of EXAMPLES)
  test(`${JSON.stringify(state)} with ${JSON.stringify(patch)} is ${JSON.stringify(result)}`, () => {
    assert.deepEqual(apply(state, patch), result);
  });

const NAMES = ["a", "b", "c", "__proto__", "constructor", "toString", "0"];

function value(random, depth, nulls) {
  const kind = random(nulls ? 8 : 7);
  if (kind < 3 && depth > 0) return map(random, depth - 1, nulls);
  return [1, 2, "x", ["x"], ["x", 1], true, 0, null][kind];
}

function map(random, depth, nulls) {
  return Object.fromEntries(Array.from({ length: random(5) }, () => [NAMES[random(NAMES.length)], value(random, depth, nulls)]));
}

/** Freeze to the depths, so that whoever changes it is caught. */
function frozen(one) {
  if (one !== null && typeof one === "object") Object.values(one).forEach(frozen);
  return Object.freeze(one);
}

/** Whether what is equal before and after is the same object. */
function shares(before, after) {
  if (before === null || typeof before !== "object") return;
  try {
    assert.deepEqual(after, before);
  } catch {
    if (after !== null && typeof after === "object" && !Array.isArray(before) && !Array.isArray(after))
      for (const name of Object.keys(before)) if (Object.hasOwn(after, name)) shares(before[name], after[name]);
    return;
  }
  assert.equal(after, before, "equal, but another object");
}

test("20,000 random states and patches: as the definition says, nothing changed in place, all shared that can be", () => {
  for (let seed = 0; seed < 20_000; seed++) {
    const random = numbers(seed);
    const state = frozen(map(random, 3, false));
    const patch = frozen(value(random, 3, true));
    const after = apply(state, patch);
    assert.deepEqual(after, mergePatch(state, patch), `seed ${seed}`);
    assert.equal(Object.getPrototypeOf(Object(after)), Object.getPrototypeOf(Object(mergePatch(state, patch))), `seed ${seed}`);
    shares(state, after);
  }
});

test("a patch that changes nothing gives back the very state", () => {
  const state = { nodes: { n1: { used: 1, tags: ["a"] } } };
  assert.equal(apply(state, { nodes: { n1: { used: 1, tags: ["a"] }, n9: null } }), state);
  assert.equal(apply(state, {}), state);
});

test("a node called __proto__ is a node, and changes no other object", () => {
  const state = apply({ nodes: {} }, JSON.parse('{"nodes":{"__proto__":{"state":"free"}}}'));
  assert.deepEqual(Object.keys(state.nodes), ["__proto__"]);
  assert.equal({}.state, undefined);
  assert.equal(state.nodes.state, undefined);
  assert.deepEqual(apply(state, JSON.parse('{"nodes":{"__proto__":null}}')), { nodes: {} });
});
