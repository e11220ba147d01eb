import assert from "node:assert/strict";
import { test } from "node:test";

import { freshPage, pageAnswers } from "../src/kiosk/fresh-page.js";
import { Clock } from "./clock.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A page with a feed and a server, which counts how often it was loaded anew. */
class Wall extends Clock {
  chance = 0.5;
  loads = 0;
  answers = true;
  feed = { status: { link: "open", quality: "live" } };
  status = () => this.feed.status;

  constructor() {
    super();
    this.fresh = freshPage({
      status: this.status,
      reachable: async () => this.answers,
      reload: () => (this.loads += 1),
      random: () => this.chance,
      now: this.now,
      setTimeout: this.setTimeout,
      clearTimeout: this.clearTimeout,
    });
  }

  deploy() {
    this.fresh.built();
  }
}

test("after a deploy the page is loaded anew, at a random time within five minutes", async () => {
  for (const [chance, due] of [[0, 0], [0.5, 2.5 * MINUTE], [0.999, 0.999 * 5 * MINUTE]]) {
    const wall = new Wall();
    wall.chance = chance;
    wall.deploy();
    if (due) await wall.pass(due - 1);
    assert.equal(wall.loads, 0);
    await wall.pass(1);
    assert.equal(wall.loads, 1);
  }
});

test("a second deploy does not put off what the first has brought about", async () => {
  const wall = new Wall();
  wall.deploy();
  await wall.pass(2 * MINUTE);
  wall.deploy();
  await wall.pass(0.5 * MINUTE);
  assert.equal(wall.loads, 1);
});

for (const [name, break_, mend] of [
  ["the server does not answer with a page", (wall) => (wall.answers = false), (wall) => (wall.answers = true)],
  ["the link is lost", (wall) => (wall.feed.status = { link: "reconnecting", quality: "live" }), (wall) => (wall.feed.status = { link: "open", quality: "live" })],
  ["the source is down", (wall) => (wall.feed.status = { link: "open", quality: "down" }), (wall) => (wall.feed.status = { link: "open", quality: "live" })],
  ["the server has no data yet", (wall) => (wall.feed.status = { link: "open", quality: "starting" }), (wall) => (wall.feed.status = { link: "open", quality: "partial" })],
])
  test(`while ${name} the page stays, and goes soon after`, async () => {
    const wall = new Wall();
    break_(wall);
    wall.deploy();
    await wall.pass(3 * HOUR);
    assert.equal(wall.loads, 0);
    mend(wall);
    await wall.pass(15_000);
    assert.equal(wall.loads, 1);
  });

test("a link that is lost while the server is asked keeps the page", async () => {
  const wall = new Wall();
  wall.fresh = freshPage({ ...wall, reachable: async () => ((wall.feed.status = { link: "reconnecting" }), true), reload: () => assert.fail("too soon"), random: () => 0 });
  wall.deploy();
  await wall.pass(MINUTE);
});

test("without any reason the page is loaded anew once a day, each at another hour", async () => {
  for (const [chance, hours] of [[0, 20], [0.5, 24], [0.999, 27.99]]) {
    const wall = new Wall();
    wall.chance = chance;
    wall.fresh = freshPage({ ...wall, reachable: async () => true, reload: () => (wall.loads += 1), random: () => chance });
    await wall.pass((hours - 0.02) * HOUR);
    const before = wall.loads;
    await wall.pass(0.04 * HOUR);
    assert.ok(wall.loads > before, `${hours} h`);
  }
});

test("a page in which something failed is loaded anew within a minute, but not at once", async () => {
  const wall = new Wall();
  wall.fresh.failed();
  await wall.pass(29_999);
  assert.equal(wall.loads, 0);
  await wall.pass(15_001);
  assert.equal(wall.loads, 1);
});

test("a reload that does not come about is tried again", async () => {
  const wall = new Wall();
  wall.deploy();
  await wall.pass(2.5 * MINUTE + 30_000);
  assert.equal(wall.loads, 3);
});

test("only this page's own answer is a page", async () => {
  globalThis.location = { href: "http://server/kiosk" };
  const asked = (response) => pageAnswers(async (url, { cache }) => {
    assert.deepEqual([url, cache], ["http://server/kiosk", "no-store"]);
    return response();
  });
  const page = (status, type) => () => new Response("", { status, headers: type && { "Content-Type": type } });
  assert.equal(await asked(page(200, "text/html; charset=utf-8")), true);
  assert.equal(await asked(page(200, "application/json")), false);
  assert.equal(await asked(page(503, "text/html")), false);
  assert.equal(await asked(() => { throw new TypeError("Failed to fetch"); }), false);
});
