import assert from "node:assert/strict";
import { test } from "node:test";

import { stayAwake } from "../src/kiosk/awake.js";
import { Clock } from "./clock.js";

/** A browser whose locks the test takes back or refuses. */
class Machine extends Clock {
  locks = [];
  refused = false;
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  wakeLock = {
    request: async (kind) => {
      assert.equal(kind, "screen");
      if (this.refused) throw new DOMException("no", "NotAllowedError");
      const lock = new EventTarget();
      this.locks.push(lock);
      return lock;
    },
  };

  release() {
    this.locks.at(-1).dispatchEvent(new Event("release"));
  }

  turn(visibilityState) {
    this.document.visibilityState = visibilityState;
    this.document.dispatchEvent(new Event("visibilitychange"));
    return this.pass(0);
  }
}

test("the screen is kept awake from the start, by one lock", async () => {
  const machine = new Machine();
  stayAwake(machine);
  await machine.turn("visible");
  assert.equal(machine.locks.length, 1);
});

test("what the browser took back with the page hidden is asked for as soon as it is seen again", async () => {
  const machine = new Machine();
  stayAwake(machine);
  await machine.pass(0);
  machine.release();
  await machine.turn("hidden");
  await machine.pass(3_600_000);
  assert.equal(machine.locks.length, 1);
  await machine.turn("visible");
  assert.equal(machine.locks.length, 2);
});

test("a lock that is taken back while the page is seen, or refused, is asked for again a minute later", async () => {
  const machine = new Machine();
  machine.refused = true;
  stayAwake(machine);
  await machine.pass(59_999);
  machine.refused = false;
  await machine.pass(1);
  assert.equal(machine.locks.length, 1);
  machine.release();
  await machine.pass(60_000);
  assert.equal(machine.locks.length, 2);
  assert.equal(machine.waiting, 0);
});

test("a browser without wake locks is left alone", () => {
  const document = { addEventListener: () => assert.fail("nothing to listen for") };
  stayAwake({ wakeLock: undefined, document });
});
