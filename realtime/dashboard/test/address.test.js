import assert from "node:assert/strict";
import { test } from "node:test";

import { read, write } from "../src/dashboard/address.js";

test("an address without a query is the page as it is by default", () => {
  const choice = read("");
  assert.deepEqual(choice, { cluster: undefined, search: "", offers: [], range: "24h", node: undefined });
  assert.equal(write(choice), "");
});

test("what is chosen survives in the address", () => {
  const choice = { cluster: "hop & per", search: "gn-0? <b>", offers: ["room", "down"], range: "7d", node: "gn-01" };
  assert.deepEqual(read(write(choice)), choice);
  assert.equal(write({ search: "", offers: ["room", "down"], range: "24h" }), "?show=room,down");
});

test("what no page could show is left out", () => {
  const { offers, range } = read("?show=room,frei&range=2y");
  assert.deepEqual([offers, range], [["room"], "24h"]);
});
