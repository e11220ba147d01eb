import assert from "node:assert/strict";
import { test } from "node:test";

import { dropToken, entrance, plea, takeToken } from "../src/kiosk/token.js";
import { Clock } from "./clock.js";

/** A window at an address. */
function page(href) {
  const location = new URL(href);
  return { location, history: { replaceState: (state, title, address) => (location.href = new URL(address, location).href) } };
}

for (const [href, token, left] of [
  ["http://server/kiosk#token=rt_a-b_C", "rt_a-b_C", "http://server/kiosk"],
  ["http://server/hpc/kiosk?screen=hall+3&seconds=30#token=rt_a", "rt_a", "http://server/hpc/kiosk?screen=hall+3&seconds=30"],
  ["http://server/kiosk#token=eyJ.eyJ.x_-9", "eyJ.eyJ.x_-9", "http://server/kiosk"],
  ["http://server/kiosk#a=1&token=%20rt_a%0a&b=2", "rt_a", "http://server/kiosk#a=1&b=2"],
  ["http://server/kiosk#token=", undefined, "http://server/kiosk"],
  ["http://server/kiosk#nodes", undefined, "http://server/kiosk#nodes"],
  ["http://server/kiosk?token=rt_a", undefined, "http://server/kiosk?token=rt_a"],
])
  test(`the token is taken out of the address: ${href}`, () => {
    const window = page(href);
    assert.equal(takeToken(window), token);
    assert.equal(window.location.href, left);
    assert.equal(takeToken(window), undefined);
  });

for (const [href, found, left] of [
  ["http://server/kiosk?token=rt_a", true, "http://server/kiosk"],
  ["http://server/hpc/kiosk?screen=hall+3&token=rt_a&nodes=a,b*#x", true, "http://server/hpc/kiosk?screen=hall+3&nodes=a,b*#x"],
  ["http://server/kiosk?%74oken=rt_a&token&token=", true, "http://server/kiosk"],
  ["http://server/kiosk?screen=token#token=rt_a", false, "http://server/kiosk?screen=token#token=rt_a"],
  ["http://server/kiosk", false, "http://server/kiosk"],
])
  test(`a token that was sent is taken out of the address, and not used: ${href}`, () => {
    const window = page(href);
    assert.equal(dropToken(window), found);
    assert.equal(window.location.href, left);
  });

/** A wall whose server gives these answers one after the other. */
function wall(...answers) {
  const clock = new Clock();
  const heard = [];
  const shown = [];
  const logIn = async (token) => (shown.push(token), answers.shift());
  const answered = (...told) => heard.push(told);
  return { clock, heard, shown, env: { logIn, answered, random: () => 1, setTimeout: clock.setTimeout } };
}

test("a token is shown once, and what came of it is told", async () => {
  const good = wall({});
  await entrance(good.env)("rt_a");
  const bad = wall({ problem: "this token is not known here", away: false });
  await entrance(bad.env)("rt_b");
  for (const { clock } of [good, bad]) await clock.pass(60_000);
  assert.deepEqual([good.shown, good.heard], [["rt_a"], [[undefined, true]]]);
  assert.deepEqual([bad.shown, bad.heard], [["rt_b"], [["this token is not known here", true]]]);
});

test("a server that is away is asked until it is back, each wall at another time", async () => {
  const lost = { problem: "the server cannot be reached", away: true };
  const { clock, heard, shown, env } = wall(lost, lost, {});
  await entrance(env)("rt_a");
  await clock.pass(9_999);
  assert.equal(shown.length, 1);
  await clock.pass(10_001);
  assert.deepEqual(heard, [[lost.problem, false], [lost.problem, false], [undefined, true]]);
  await clock.pass(60_000);
  assert.equal(shown.length, 3);

  const early = wall(lost, {});
  await entrance({ ...early.env, random: () => 0 })("rt_a");
  await early.clock.pass(5_000);
  assert.equal(early.shown.length, 2);
});

test("a newer token ends the tries with the one before, and of that no answer is heard any more", async () => {
  const clock = new Clock();
  const [heard, shown] = [[], []];
  const logIn = (token) => new Promise((done) => shown.push({ token, done }));
  const enter = entrance({ logIn, answered: (...told) => heard.push(told), random: () => 1, setTimeout: clock.setTimeout });
  const away = { problem: "the server cannot be reached", away: true };
  enter("rt_a");
  await clock.pass(0);
  shown[0].done(away);
  await clock.pass(10_000);
  // The second try with the former is on its way; the newer waits for its answer, so that its own cookie is the last.
  enter("rt_b");
  enter("rt_c");
  await clock.pass(0);
  assert.deepEqual(shown.map(({ token }) => token), ["rt_a", "rt_a"]);
  shown[1].done(away);
  await clock.pass(0);
  shown[2].done({});
  await clock.pass(60_000);
  assert.deepEqual(shown.map(({ token }) => token), ["rt_a", "rt_a", "rt_c"]);
  assert.deepEqual(heard, [[away.problem, false], [undefined, true]]);
});

test("the sentence says what to do, for each reason in other words", () => {
  const address = "http://server/kiosk?screen=lobby";
  const told = [
    plea({ none: true, how: "", address }),
    plea({ none: false, how: "The numbers are 6 min old.", address }),
    plea({ none: true, how: "", refusal: "this token has expired", address }),
    plea({ none: true, how: "", lost: true, address }),
    plea({ none: true, how: "", exposed: true, address }),
  ];
  for (const { what } of told) assert.match(what, /open this page once with #token=… of a kiosk token at the end of its address\.$/);
  assert.equal(new Set(told.map(({ what }) => what)).size, told.length);
  assert.deepEqual(
    told.map(({ how }) => how),
    [
      "http://server/kiosk?screen=lobby#token=…",
      "http://server/kiosk?screen=lobby#token=…\nThe numbers are 6 min old.",
      "This token has expired.\nhttp://server/kiosk?screen=lobby#token=…",
      "http://server/kiosk?screen=lobby#token=…",
      "http://server/kiosk?screen=lobby#token=…",
    ],
  );
});
