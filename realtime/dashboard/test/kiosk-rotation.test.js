import assert from "node:assert/strict";
import { test } from "node:test";

import { rotate } from "../src/kiosk/rotation.js";
import { Clock } from "./clock.js";

test("pages take turns, each for as many seconds", async () => {
  const clock = new Clock();
  const shown = [];
  rotate(["overview", "nodes", "queues"], 20, (page) => shown.push(page), clock);
  assert.deepEqual(shown, ["overview"]);
  await clock.pass(19_999);
  assert.deepEqual(shown, ["overview"]);
  await clock.pass(60_001);
  assert.deepEqual(shown, ["overview", "nodes", "queues", "overview", "nodes"]);
  assert.equal(clock.waiting, 1);
});

test("a single page stays, and nothing waits for its turn", async () => {
  const clock = new Clock();
  const shown = [];
  rotate(["overview"], 5, (page) => shown.push(page), clock);
  assert.deepEqual(shown, ["overview"]);
  assert.equal(clock.waiting, 0);
});
