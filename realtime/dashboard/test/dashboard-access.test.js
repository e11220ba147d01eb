import assert from "node:assert/strict";
import { test } from "node:test";

import { Access } from "../src/dashboard/access.js";
import { Clock } from "./clock.js";
import { settle } from "./world.js";

const KINDS = { asking: { login: true }, locked: { login: true } };
const tabs = new Set();

/** A dashboard without a screen, in one of several tabs. */
class Page {
  byCookie = true;
  answer = {};
  inquiries = 0;
  heard = [];
  clock = new Clock();
  feed = { retry: () => this.heard.push("retry") };

  constructor() {
    const page = this;
    this.access = new Access(this, {
      isByCookie: async () => ((this.inquiries += 1), this.byCookie),
      logOut: async () => this.answer,
      setTimeout: this.clock.setTimeout,
      BroadcastChannel: class {
        constructor(name) {
          Object.assign(this, { name, page });
          tabs.add(this);
        }
        postMessage(data) {
          for (const tab of tabs) if (tab !== this && tab.name === this.name) tab.onmessage({ data });
        }
        close() {
          tabs.delete(this);
        }
      },
    });
    this.access.hostConnected();
  }

  addController() {}
  requestUpdate() {}
  follow() {
    this.heard.push("follow");
  }

  /** What became of the link, and of what it brought about. */
  async link(link, kind = link) {
    this.access.heed({ link }, KINDS[kind] ?? {});
    await settle();
    const { asks, byCookie } = this.access;
    return { asks, exit: Boolean(byCookie) };
  }
}

test("where nobody is asked for a token, nothing is to be seen", async () => {
  const page = new Page();
  page.byCookie = false;
  for (const link of ["connecting", "open", "reconnecting", "open", "closed"]) assert.deepEqual(await page.link(link), { asks: false, exit: false });
});

test("a token is asked for until the page is let in, whatever befalls the link meanwhile", async () => {
  const page = new Page();
  await page.link("connecting");
  for (const [link, kind] of [["closed", "asking"], ["connecting", "asking"], ["connecting", "connecting"], ["reconnecting", "reconnecting"]])
    assert.deepEqual(await page.link(link, kind), { asks: true, exit: false });
  assert.deepEqual(await page.link("open", "live"), { asks: false, exit: true });
  assert.deepEqual(await page.link("reconnecting", "locked"), { asks: true, exit: false });
  assert.equal(page.access.problem, "");
});

test("a refusal that no token mends asks for none", async () => {
  const page = new Page();
  await page.link("closed", "asking");
  assert.deepEqual(await page.link("closed", "closed"), { asks: false, exit: false });
});

test("whether there is a cookie is asked each time that the link opens, and never before", async () => {
  const page = new Page();
  await page.link("connecting");
  await page.link("closed", "asking");
  assert.equal(page.inquiries, 0);
  await page.link("open");
  await page.link("open");
  assert.equal(page.inquiries, 1);
  await page.link("reconnecting");
  page.byCookie = false;
  assert.deepEqual(await page.link("open"), { asks: false, exit: false });
  assert.equal(page.inquiries, 2);
});

test("an answer that comes after the login has ended is of the past", async () => {
  const page = new Page();
  page.access.heed({ link: "open" }, {});
  page.access.heed({ link: "reconnecting" }, KINDS.locked);
  await settle();
  assert.equal(page.access.byCookie, undefined);
});

test("after a token was taken the link comes back at once; a browser that did not keep the cookie is told of", async () => {
  const page = new Page();
  await page.link("closed", "asking");
  page.access.enter();
  assert.deepEqual(page.heard, ["retry"]);
  await page.link("connecting", "asking");
  assert.equal(page.access.problem, "");
  await page.link("closed", "asking");
  assert.match(page.access.problem, /has not kept the login/);
  page.access.enter();
  await page.link("open");
  assert.equal(page.access.problem, "");
  await page.link("closed", "locked");
  assert.equal(page.access.problem, "");
});

test("who logs out is out in every tab, and sees nothing any more", async () => {
  const [page, other, stranger] = [new Page(), new Page(), new Page()];
  stranger.byCookie = false;
  for (const each of [page, other, stranger]) await each.link("open");
  await page.access.leave();
  for (const { access, heard } of [page, other]) {
    assert.deepEqual([access.asks, access.byCookie, access.said], [true, undefined, "You are logged out."]);
    assert.deepEqual(heard, ["follow"]);
  }
  assert.deepEqual([stranger.access.asks, stranger.heard], [false, []]);
});

test("a server that does not say whether there is a cookie is asked again after a while, and the way out is not taken away", async () => {
  const page = new Page();
  page.byCookie = undefined;
  for (let n = 0; n < 5; n++) assert.deepEqual(await page.link("open"), { asks: false, exit: false });
  assert.equal(page.inquiries, 1);
  await page.clock.pass(9_999);
  assert.equal(page.inquiries, 1);
  await page.clock.pass(1);
  assert.equal(page.inquiries, 2);
  page.byCookie = true;
  await page.clock.pass(10_000);
  assert.deepEqual([page.inquiries, page.access.byCookie], [3, true]);
  await page.clock.pass(60_000);
  assert.equal(page.inquiries, 3);

  await page.link("reconnecting");
  page.byCookie = undefined;
  assert.deepEqual(await page.link("open"), { asks: false, exit: true });
  await page.link("reconnecting");
  await page.clock.pass(60_000);
  assert.equal(page.inquiries, 4);
});

test("a page that knows of no cookie, or shows old numbers of one, forgets them with the others", async () => {
  const [page, unsure, locked] = [new Page(), new Page(), new Page()];
  unsure.byCookie = undefined;
  for (const each of [page, unsure, locked]) await each.link("open");
  await locked.link("closed", "locked");
  await page.access.leave();
  for (const { access, heard } of [unsure, locked]) assert.deepEqual([access.said, heard], ["You are logged out.", ["follow"]]);
});

test("who logs in is in in every tab", async () => {
  const [page, other] = [new Page(), new Page()];
  for (const each of [page, other]) await each.link("closed", "asking");
  page.access.enter();
  for (const { heard } of [page, other]) assert.deepEqual(heard, ["retry"]);
  await other.link("closed", "asking");
  assert.equal(other.access.problem, "");
});

test("a logout that failed is said to have, and changes nothing", async () => {
  const [page, other] = [new Page(), new Page()];
  for (const each of [page, other]) await each.link("open");
  page.answer = { problem: "the server cannot be reached", away: true };
  await page.access.leave();
  assert.equal(page.access.problem, "You are still logged in: the server cannot be reached.");
  for (const { access, heard } of [page, other]) assert.deepEqual([access.byCookie, access.asks, heard], [true, false, []]);
});

test("a page that is gone hears of no other tab", async () => {
  const [page, other] = [new Page(), new Page()];
  for (const each of [page, other]) await each.link("open");
  other.access.hostDisconnected();
  await page.access.leave();
  assert.deepEqual(other.heard, []);
});
