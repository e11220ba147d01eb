// Law: whatever a server and the network do, the client never shows a state that never was true, nor one beside another's cursor; and once they
// are honest it holds the truth. SEEDS=… tries more; SEED=… repeats one.

import assert from "node:assert/strict";
import test from "node:test";

import { Chaos, canonical } from "./chaos.js";
import { World } from "./world.js";

const { SEED, SEEDS = "200" } = process.env;
const STEPS = 80;
const TRANSPORTS = [["websocket", "sse", "longpoll"], ["websocket"], ["sse"], ["longpoll"], ["sse", "longpoll"]];

/** What happens to a page, beside what it is told. */
const HAPPENINGS = [
  (world) => world.window.dispatchEvent(new Event("online")),
  (world) => world.sleep(15_000),
  (world) => (world.epoch += 3_600_000),
  (world) => (world.epoch -= 1_800_000),
  (world) => {
    world.hidden = !world.hidden;
    world.document.dispatchEvent(new Event("visibilitychange"));
  },
];

async function live(seed) {
  const world = new World();
  const server = new Chaos(seed, world);
  const { random } = server;
  world.chance = random(100) / 100;
  const feed = world.connect({ transports: TRANSPORTS[random(TRANSPORTS.length)] });
  server.feed = feed;
  let shown = canonical(feed.state);
  const wrong = [];
  const judge = () => {
    const { cursor } = feed.status;
    const now = canonical(feed.state);
    if (cursor !== undefined) assert.equal(now, server.truths.get(cursor), `not the state of ${cursor}`);
    // A server that names other topics is another login's: nothing is held then.
    else assert.ok([shown, "{}"].includes(now), "another state without a cursor");
    shown = now;
    assert.ok(feed.status.heartbeatSeconds > 0);
    assert.ok(world.open.length <= 2, "too many connections");
    assert.ok(world.timers.size < 10, "too many timers");
  };
  // What a listener throws reaches nobody, so it is kept until the next look.
  const look = () => {
    if (wrong.length) throw wrong[0];
    judge();
  };
  for (const type of ["change", "status"])
    feed.addEventListener(type, () => {
      try {
        judge();
      } catch (error) {
        wrong.push(error);
      }
    });

  for (let step = 0; step < STEPS; step++) {
    if (random(3)) server.change();
    if (random(40) === 0) server.restart();
    server.speak();
    look();
    if (random(12) === 0) await HAPPENINGS[random(HAPPENINGS.length)](world);
    await world.pass([0, 100, 2_000, 7_000, 40_000][random(5)]);
    look();
  }

  server.honest = true;
  // The longest that a client that was refused stays away, and some time to speak.
  for (let ms = 0; ms < 400_000; ms += 4_000) {
    if (ms % 100_000 === 0) server.change(); // by which it is found out that something was lost
    server.speak();
    await world.pass(4_000);
    look();
  }
  assert.equal(feed.status.link, "open");
  assert.equal(feed.status.cursor, server.cursor);
  assert.equal(canonical(feed.state), canonical(server.state));
  feed.close();
  await world.pass(100_000);
  assert.equal(world.timers.size - world.open.length, 0, "timers are left");
}

const seeds = SEED ? [Number(SEED)] : Array.from({ length: Number(SEEDS) }, (_, seed) => seed);
test(`${seeds.length} lives of a client`, async () => {
  const broken = new Map();
  for (const seed of seeds) {
    try {
      await live(seed);
    } catch (error) {
      if (SEED) throw error;
      broken.set(seed, error.message.split("\n")[0]);
    }
  }
  assert.deepEqual([...broken], []);
});
