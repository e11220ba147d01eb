import assert from "node:assert/strict";
import { test } from "node:test";

import { FARTHEST_PX, drift, place } from "../src/kiosk/drift.js";
import { Clock } from "./clock.js";

const MINUTE = 60_000;

test("each minute the picture moves by two whole pixels, in one direction", async () => {
  const clock = new Clock();
  const places = [];
  drift((x, y) => places.push([x, y]), clock);
  await clock.pass(24 * 60 * MINUTE);
  assert.equal(places.length, 24 * 60 + 1);
  for (let i = 1; i < places.length; i += 1) {
    const [dx, dy] = [places[i][0] - places[i - 1][0], places[i][1] - places[i - 1][1]];
    assert.equal(Math.abs(dx) + Math.abs(dy), 2, `${places[i - 1]} → ${places[i]}`);
  }
  assert.equal(clock.waiting, 1);
});

test("it walks around a square, comes back, and never goes farther than the margin", () => {
  const round = Array.from({ length: 16 }, (_, minute) => place(minute));
  assert.equal(new Set(round.map(String)).size, 16);
  assert.deepEqual(place(16), place(0));
  for (const [x, y] of round) {
    assert.ok(Number.isInteger(x) && Number.isInteger(y));
    assert.equal(Math.max(Math.abs(x), Math.abs(y)), FARTHEST_PX);
  }
});
