// The client of realtime, against a world whose clock and connections the test moves.

import assert from "node:assert/strict";
import test from "node:test";

import { HELLO, STATE, World, answer, beat, diff, problem, settle, snapshot } from "./world.js";

/** A world with a client that is open and holds STATE at cursor e-1. */
function following(options) {
  const world = new World();
  const feed = world.connect(options);
  world.link.say(HELLO, snapshot("e-1"), beat("e-1"));
  return { world, feed, link: world.link };
}

function heard(feed, type) {
  const details = [];
  feed.addEventListener(type, ({ detail }) => details.push(detail));
  return details;
}

const query = (link) => Object.fromEntries(new URL(link.url).searchParams);

// -- what is held

test("before the first snapshot the state is empty, and nothing is known of age or quality", () => {
  const world = new World();
  const feed = world.connect();
  assert.deepEqual(feed.state, {});
  assert.deepEqual(feed.status, { link: "connecting", transport: "websocket", clusters: [], topics: [], heartbeatSeconds: 15, retryAt: undefined });
  assert.equal(feed.dataAgeMs(), undefined);
  assert.equal(world.link.url, "ws://server/api/ws");
});

test("what was asked for is in the address of every transport", () => {
  for (const [transport, path] of Object.entries({ websocket: "/api/ws", sse: "/api/events", longpoll: "/api/changes" })) {
    const world = new World();
    world.answer = () => new Promise(() => {});
    world.connect({
      url: "https://server/behind/",
      transports: [transport],
      cluster: "vanda",
      topics: ["nodes", "queues"],
      nodes: ["gn-*", "a b"],
      screen: "lobby & hall",
    });
    const { protocol, pathname, searchParams } = new URL(world.link.url);
    assert.equal(protocol, transport === "websocket" ? "wss:" : "https:");
    assert.equal(pathname, `/behind${path}`);
    searchParams.delete("wait");
    assert.deepEqual(Object.fromEntries(searchParams), {
      cluster: "vanda",
      topics: "nodes,queues",
      nodes: "gn-*,a b",
      screen: "lobby & hall",
    });
  }
});

test("a snapshot is held, and said to be held", () => {
  const world = new World();
  const feed = world.connect();
  const changes = heard(feed, "change");
  world.link.say(HELLO);
  assert.equal(feed.status.link, "connecting");
  world.link.say(snapshot("e-1"));
  assert.deepEqual(feed.state, STATE);
  assert.deepEqual(changes, [{ patch: STATE, kind: "snapshot", at: 1_794_166_462_000, from: undefined, cursor: "e-1" }]);
  world.link.say(beat("e-1"));
  const { link, cluster, cursor, quality, build, clusters, topics, dataAgeMs } = feed.status;
  assert.deepEqual(
    { link, cluster, cursor, quality, build, clusters, topics, dataAgeMs },
    { link: "open", cluster: "hopper", cursor: "e-1", quality: "live", build: "b1", clusters: ["hopper", "vanda"], topics: ["summary", "nodes"], dataAgeMs: 4_000 },
  );
});

test("a diff replaces what it names and shares the rest", () => {
  const { feed, link } = following();
  const before = feed.state;
  const changes = heard(feed, "change");
  const patch = { nodes: { n1: { used: 7 } } };
  link.say(diff("e-1", "e-2", patch));
  assert.equal(feed.state.nodes.n1.used, 7);
  assert.equal(before.nodes.n1.used, 1);
  assert.notEqual(feed.state, before);
  assert.notEqual(feed.state.nodes, before.nodes);
  assert.equal(feed.state.nodes.n2, before.nodes.n2);
  assert.equal(feed.state.queues, before.queues);
  assert.deepEqual(changes, [{ patch, kind: "diff", at: 1_794_166_467_000, from: "e-1", cursor: "e-2" }]);
  assert.equal(feed.status.cursor, "e-2");
});

test("a snapshot replaces only what is different, and its patch says what", () => {
  const { feed, link } = following();
  const before = feed.state;
  const changes = heard(feed, "change");
  const state = structuredClone(STATE);
  state.nodes.n1.used = 5;
  state.nodes.n3 = { name: "n3" };
  delete state.queues;
  link.say(snapshot("f-1", state));
  assert.deepEqual(feed.state, state);
  assert.deepEqual(changes[0].patch, { nodes: { n1: { used: 5 }, n3: { name: "n3" } }, queues: null });
  assert.equal(feed.state.nodes.n2, before.nodes.n2);
});

test("a diff from another place is not applied: the client comes back with its cursor, and without it if that did not help", async () => {
  const { world, feed, link } = following();
  const state = feed.state;
  link.say(diff("e-7", "e-8", { nodes: null }));
  assert.equal(feed.state, state);
  assert.equal(link.open, false);
  assert.equal(world.links.length, 2);
  assert.deepEqual(query(world.link), { since: "e-1" });
  assert.equal(feed.status.link, "reconnecting");
  world.link.say(HELLO, diff("e-7", "e-8", { nodes: null }));
  assert.deepEqual(query(world.link), {});
  assert.equal(feed.state, state);
  world.link.say(HELLO, snapshot("e-8"), beat("e-8"));
  assert.equal(feed.status.link, "open");
});

test("messages and fields that are not known are ignored, and a link that is over is not listened to", () => {
  const { feed, link } = following();
  const state = feed.state;
  link.say({ type: "weather", cursor: "x" }, { ...beat("e-1"), mood: "good" }, { type: "pong" });
  assert.equal(feed.state, state);
  assert.equal(feed.status.cursor, "e-1");
  feed.close();
  link.say(diff("e-1", "e-2", { nodes: null }));
  assert.equal(feed.state, state);
});

const NONSENSE = [
  "<html>502</html>", '{"type":"diff","from":"e-1"', "null", "5", '"diff"', "[]", "{}", '{"type":5}', '{"type":"hello"}', '{"type":"hello","heartbeatSeconds":0,"clusters":[],"topics":[]}',
  '{"type":"snapshot"}', '{"type":"snapshot","cursor":"x-1"}', '{"type":"snapshot","cursor":"x-1","state":[]}', '{"type":"snapshot","state":{}}',
  '{"type":"snapshot","cursor":"x-1","state":{"nodes":[]}}', '{"type":"diff","from":"e-1","cursor":"e-2"}', '{"type":"diff","from":"e-1","cursor":"e-2","patch":null}',
  '{"type":"diff","from":"e-1","cursor":"e-2","patch":{"nodes":5}}', '{"type":"diff","from":"e-1","patch":{}}', '{"type":"heartbeat","dataAgeMs":"x"}',
  '{"type":"bye","retryMs":"x"}',
];

for (const transport of ["websocket", "sse"])
  for (const text of NONSENSE)
    test(`somebody else's words end the connection and change nothing: ${transport}, ${text}`, async () => {
      const { world, feed, link } = following({ transports: [transport] });
      await world.pass(2_000);
      link.raw(text, "diff");
      assert.equal(link.open, false);
      assert.deepEqual(feed.state, STATE);
      assert.equal(feed.status.heartbeatSeconds, 15);
      assert.equal(feed.status.reason, "the server cannot be reached");
      assert.deepEqual(query(await world.reopened()), { since: "e-1" });
    });

test("an answer to a question that is somebody else's words changes nothing, and it asks again", async () => {
  const world = new World();
  const told = [answer(200, snapshot("e-1")), ...NONSENSE.map((text) => answer(200, text)), answer(200, snapshot("e-2", {}))];
  world.answer = () => told.shift() ?? new Promise(() => {});
  const feed = world.connect({ transports: ["longpoll"] });
  await settle();
  assert.deepEqual(feed.state, STATE);
  const seen = new Set();
  feed.addEventListener("change", () => seen.add(JSON.stringify(feed.state)));
  while (told.length) await world.pass(1_000);
  await world.pass(1_000);
  assert.deepEqual([...seen], ["{}"]);
});

test("whatever it is told, it stays away for five minutes at most", async () => {
  const { world, feed, link } = following();
  link.say({ type: "bye", code: 1012, reason: "restart", retryMs: 1e12 });
  assert.equal(feed.status.retryAt, world.epoch + world.ms + 300_000);
  await world.pass(300_000);
  assert.equal(world.links.length, 2);
});

test("a heartbeat moves no cursor", () => {
  const { feed, link } = following();
  link.say(beat("e-99"));
  assert.equal(feed.status.cursor, "e-1");
});

// -- age

test("the age grows with the client's own clock between heartbeats", async () => {
  const { world, feed, link } = following();
  assert.equal(feed.dataAgeMs(), 4_000);
  await world.pass(9_000);
  assert.equal(feed.dataAgeMs(), 13_000);
  link.say(beat("e-1", { quality: "stale", dataAgeMs: 60_000 }));
  assert.equal(feed.dataAgeMs(), 60_000);
  assert.equal(feed.status.quality, "stale");
  link.say(beat("e-1", { quality: "starting", dataAgeMs: undefined }));
  assert.equal(feed.dataAgeMs(), undefined);
});

test("the age grows with the wall clock where the other stands still, and never shrinks with a wall clock put back", () => {
  const { world, feed } = following();
  world.epoch += 3_600_000;
  assert.equal(feed.dataAgeMs(), 3_604_000);
  world.epoch -= 7_200_000;
  assert.equal(feed.dataAgeMs(), 4_000);
});

test("a diff that tells its data's age is believed; one that does not is as old as data was when it was last published", async () => {
  // Published 462 s, heartbeat at 463 s with data of 4 s: the sample was of 459 s, and 3 s old when published.
  const { world, feed, link } = following();
  await world.pass(10_000);
  link.say(diff("e-1", "e-2", { nodes: { n1: { used: 2 } } }));
  assert.equal(feed.dataAgeMs(), 3_000);
  await world.pass(1_000);
  link.say({ ...diff("e-2", "e-3", { nodes: { n1: { used: 3 } } }), dataAgeMs: 700 });
  assert.equal(feed.dataAgeMs(), 700);
  link.say(diff("e-3", "e-4", { nodes: { n1: { used: 4 } } }));
  assert.equal(feed.dataAgeMs(), 700, "not older than what it replaces");
  await world.pass(20_000);
  link.say(beat("e-4", { at: 1_794_166_500_000, dataAgeMs: 1_000 }));
  await world.pass(20_000);
  link.say(diff("e-4", "e-5", { nodes: { n1: { used: 5 } } }));
  assert.equal(feed.dataAgeMs(), 3_000, "a sample that changed nothing tells nothing of how long publishing takes");
});

// -- coming back

test("after 2.5 heartbeats of silence the connection is dropped and the client comes back with its cursor; what it holds stays", async () => {
  const { world, feed, link } = following();
  await world.pass(37_000);
  assert.equal(link.open, true);
  await world.pass(2_000);
  assert.equal(link.open, false);
  assert.equal(feed.status.link, "reconnecting");
  assert.deepEqual(feed.state, STATE);
  assert.equal(feed.status.reason, "silence");
  await world.pass(1_000);
  assert.deepEqual(query(world.link), { since: "e-1" });
  world.link.say(HELLO, beat("e-1"));
  assert.equal(feed.status.link, "open");
  assert.equal(feed.status.reason, undefined);
});

test("any message feeds the watchdog", async () => {
  const { world, link } = following();
  for (let n = 1; n < 10; n++) {
    await world.pass(30_000);
    link.say(n % 2 ? beat("e-1") : { type: "weather" });
  }
  assert.equal(world.links.length, 1);
});

test("it comes back after a random time that doubles from 1 s to 32 s while the server is away", async () => {
  const { world, feed, link } = following();
  world.chance = 1;
  link.end();
  const waits = [];
  for (let n = 0; n < 8; n++) {
    const before = world.links.length;
    const from = world.ms;
    assert.equal(feed.status.link, "reconnecting");
    assert.equal(feed.status.retryAt, Math.round(world.epoch + world.ms + Math.min(32_000, 1_000 * 2 ** n)));
    while (world.links.length === before) await world.pass(250);
    waits.push(Math.round((world.ms - from) / 1000));
    world.link.end();
    await settle();
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 32, 32]);
  assert.deepEqual(feed.state, STATE);
  assert.equal(feed.status.reason, "the server cannot be reached");
  assert.equal(feed.status.transport, "websocket");
});

test("the time is random between nothing and that", async () => {
  const { world, feed, link } = following();
  world.chance = 0.25;
  link.end();
  assert.equal(feed.status.retryAt - world.epoch - world.ms, 250);
});

test("the server's retryMs is the least, and a goodbye says why", async () => {
  const { world, feed, link } = following();
  link.say({ type: "bye", code: 1012, reason: "restart", retryMs: 7_340 });
  assert.equal(link.open, false);
  assert.equal(feed.status.reason, "restart");
  assert.equal(feed.status.retryAt, world.epoch + world.ms + 7_340);
  await world.pass(7_000);
  assert.equal(world.links.length, 1);
  await world.pass(400);
  assert.deepEqual(query(world.link), { since: "e-1" });
});

test("once a connection has worked for a while, the next failure begins at one second again", async () => {
  const { world, feed, link } = following();
  link.end();
  for (let n = 0; n < 4; n++) (await world.reopened()).end();
  (await world.reopened()).say(HELLO, beat("e-1"));
  await world.pass(15_000);
  world.chance = 1;
  world.link.end();
  assert.equal(feed.status.retryAt - world.epoch - world.ms, 1_000);
});

test("a refusal is said, what is held stays, and the door is tried again now and then", async () => {
  const { world, feed, link } = following();
  world.chance = 1;
  link.say({ type: "error", code: "unknown_cluster", detail: "unknown cluster 'x'" });
  link.end(4501);
  assert.equal(feed.status.link, "closed");
  assert.equal(feed.status.reason, "unknown cluster 'x'");
  assert.deepEqual(feed.state, STATE);
  const times = [];
  for (let n = 0; n < 6; n++) {
    const before = world.links.length;
    const from = world.ms;
    while (world.links.length === before) await world.pass(1_000);
    times.push(Math.round((world.ms - from) / 1000));
    world.link.say(HELLO, { type: "error", code: "unknown_cluster", detail: "no" });
    world.link.end(4503);
  }
  assert.deepEqual(times, [30, 60, 120, 240, 300, 300]);
  await world.pass(300_000);
  world.link.say(HELLO, snapshot("g-1"), beat("g-1"));
  assert.equal(feed.status.link, "open");
});

// -- logins

test("why it is not open has a code, the same on every transport, and none while it is", async () => {
  for (const transports of [["websocket"], ["sse"], ["longpoll"]]) {
    const world = new World();
    for (const [status, code] of [[401, 4500], [403, 4503], [404, 4501]]) {
      world.answer = () => problem(status, "no");
      const feed = world.connect({ transports });
      if (transports[0] === "websocket") world.link.say({ type: "bye", code, reason: "no", retryMs: 1_000 });
      else if (transports[0] === "sse") world.link.end();
      await settle();
      assert.deepEqual([feed.status.link, feed.status.code], ["closed", code], transports[0]);
      feed.close();
      assert.equal(feed.status.code, undefined);
    }
  }
  const { world, feed, link } = following();
  assert.equal(feed.status.code, undefined);
  link.say({ type: "bye", code: 4002, reason: "your login has ended", retryMs: 1_000 });
  assert.deepEqual([feed.status.link, feed.status.code], ["reconnecting", 4002]);
  (await world.reopened()).say(HELLO, snapshot("e-2"));
  assert.deepEqual([feed.status.link, feed.status.code], ["open", undefined]);
});

test("a server that is away has no code, also where it refused before", async () => {
  const { world, feed, link } = following();
  link.end(4500);
  (await world.reopened()).end();
  await settle();
  assert.deepEqual([feed.status.reason, feed.status.code], ["the server cannot be reached", undefined]);
});

for (const code of [4002, 4500])
  test(`after a login (${code}) it begins anew: another may see other topics`, async () => {
    const { world, feed, link } = following();
    link.say({ type: "bye", code, reason: "log in", retryMs: 1_000 });
    assert.equal(feed.status.cursor, undefined);
    assert.deepEqual(feed.state, STATE);
    await world.reopened();
    assert.deepEqual(query(world.link), {});
    world.link.say(HELLO, snapshot("e-9", { nodes: STATE.nodes }));
    assert.deepEqual(feed.state, { nodes: STATE.nodes });
  });

const PEOPLE = { ...HELLO, topics: [...HELLO.topics, "users"] };
const SEEN = { nodes: STATE.nodes, users: { ann: { name: "ann", runningJobs: 1 } } };

for (const [who, before, after, state] of [["more", HELLO, PEOPLE, { nodes: STATE.nodes }], ["less", PEOPLE, HELLO, SEEN]])
  for (const transport of ["websocket", "sse"])
    test(`a link (${transport}) that turns out to be of a login that may see ${who} begins anew`, async () => {
      const world = new World();
      const feed = world.connect({ transports: [transport] });
      world.link.say(before, snapshot("e-1", state), beat("e-1"));
      const changes = heard(feed, "change");
      const tellings = heard(feed, "status");
      await world.pass(11_000);
      world.stream.end();
      const resumed = await world.reopened();
      assert.deepEqual(query(resumed), { since: "e-1" });
      resumed.say(after, diff("e-1", "e-2", { nodes: { n1: null } }), beat("e-2"));
      assert.deepEqual(feed.state, {});
      assert.deepEqual(changes.map(({ kind, patch }) => [kind, Object.keys(patch)]), [["forgotten", Object.keys(state)]]);
      assert.deepEqual(
        [feed.status.link, feed.status.cursor, feed.status.quality, feed.dataAgeMs(), feed.status.topics],
        ["connecting", undefined, undefined, undefined, after.topics],
      );
      assert.ok(tellings.every(({ topics, cursor }) => topics !== after.topics || cursor === undefined));

      const anew = world.stream;
      assert.notEqual(anew, resumed);
      assert.deepEqual([query(anew), resumed.open], [{}, false]);
      anew.say(after, snapshot("e-2", { nodes: {} }), beat("e-2"));
      assert.deepEqual([feed.state, feed.status.link, world.stream], [{ nodes: {} }, "open", anew]);
    });

test("a login that may see less leaves nothing of before on screen, also where nothing is known yet", async () => {
  const world = new World();
  const feed = world.connect();
  world.link.say(PEOPLE, snapshot("e-1", SEEN), beat("e-1"));
  world.link.say({ type: "bye", code: 4500, reason: "log in", retryMs: 1_000 });
  feed.retry();
  const { length } = world.links;
  world.link.say(HELLO, beat(undefined, { quality: "starting", dataAgeMs: undefined }));
  assert.deepEqual([feed.state, world.links.length], [{}, length]);
});

test("the same topics, and clusters that come and go, are no other login", async () => {
  const { world, feed, link } = following();
  await world.pass(11_000);
  link.end();
  await world.reopened();
  const { length } = world.links;
  world.link.say({ ...HELLO, topics: [...HELLO.topics], clusters: ["vanda"] }, diff("e-1", "e-2", { nodes: { n1: null } }));
  assert.deepEqual([world.links.length, feed.status.cursor, Object.keys(feed.state.nodes)], [length, "e-2", ["n2"]]);
});

test("by long-poll, where nothing tells the topics, who is told to come back begins anew; by itself it goes on", async () => {
  const world = new World();
  const asked = [];
  world.answer = (url) => {
    asked.push(Object.fromEntries(new URL(url).searchParams).since);
    return asked.length % 2 ? answer(200, snapshot("e-1")) : new Promise(() => {});
  };
  const feed = world.connect({ transports: ["longpoll"] });
  await world.pass(2_000);
  assert.deepEqual(asked, [undefined, "e-1"]);
  world.window.dispatchEvent(new Event("online"));
  await settle();
  await world.pass(2_000);
  assert.deepEqual(asked.splice(0), [undefined, "e-1", "e-1", "e-1"]);
  feed.retry();
  await settle();
  assert.equal(asked[0], undefined);
  assert.deepEqual(feed.state, STATE);
  feed.close();
  const { status } = feed;
  feed.retry();
  assert.equal(feed.status, status);
});

test("what could not be served is named on every transport, and forgotten when the link is open", async () => {
  const detail = "this token may not see users";
  for (const transport of ["websocket", "sse", "longpoll"]) {
    const world = new World();
    world.answer = () => answer(403, { status: 403, detail, code: "forbidden_topic" });
    const feed = world.connect({ transports: [transport] });
    if (transport === "websocket") world.link.say(HELLO, { type: "error", code: "forbidden_topic", detail });
    if (transport !== "longpoll") world.link.end(4503);
    await settle();
    assert.deepEqual([feed.status.link, feed.status.code, feed.status.problem, feed.status.reason], ["closed", 4503, "forbidden_topic", detail]);
    world.answer = () => answer(200, snapshot("e-1"));
    feed.retry();
    if (transport !== "longpoll") world.link.say(HELLO, snapshot("e-1"));
    await settle();
    assert.deepEqual([feed.status.code, feed.status.problem], [undefined, undefined]);
    feed.close();
  }
});

test("a refusal of the gate's is of no question", async () => {
  const { feed, link } = following();
  link.say({ type: "bye", code: 4503, reason: "no role", retryMs: 1_000 });
  assert.deepEqual([feed.status.code, feed.status.problem], [4503, undefined]);
});

for (const code of [1005, 1006])
  test(`a link that was cut has no code: ${code} is the browser's word for that`, async () => {
    const { world, feed, link } = following();
    await world.pass(11_000);
    link.end(code);
    assert.deepEqual([feed.status.link, feed.status.code, feed.status.reason], ["reconnecting", undefined, "the connection broke"]);
  });

test("who is told to comes back at once, on a link of its own", async () => {
  const { world, feed, link } = following();
  link.end(4500);
  assert.equal(world.links.length, 1);
  feed.retry();
  assert.equal(world.links.length, 2);
  assert.deepEqual([feed.status.link, feed.status.retryAt], ["reconnecting", undefined]);
  // Also where it had come back by itself just now, and was about to be refused again.
  feed.retry();
  assert.deepEqual(world.links.map(({ open }) => open), [false, false, true]);
  world.link.say(HELLO, snapshot("e-2"), beat("e-2"));
  await world.pass(60_000 - 30_000);
  assert.equal(world.links.length, 3);
  feed.close();
  feed.retry();
  assert.equal(world.links.length, 3);
});

for (const code of [1000, 1001, 1006, 1011, 1013, 4000, 4001, 4002, 4499, 5000])
  test(`close code ${code} is one to come back after`, async () => {
    const { world, feed, link } = following();
    link.end(code);
    assert.equal(feed.status.link, "reconnecting");
    await world.pass(1_000);
    assert.equal(world.links.length, 2);
  });

for (const code of [4500, 4501, 4999])
  test(`close code ${code} is a refusal, on the socket and in a goodbye`, () => {
    const one = following();
    one.link.end(code);
    assert.equal(one.feed.status.link, "closed");
    const other = following({ transports: ["sse"] });
    other.link.say({ type: "bye", code, reason: "go away", retryMs: 1000 });
    assert.equal(other.feed.status.link, "closed");
    assert.equal(other.feed.status.reason, "go away");
  });

test("it never opens more than five connections in five seconds, however quickly they end", async () => {
  const { world, feed } = following();
  world.chance = 0;
  const times = [world.ms];
  for (let n = 0; n < 40; n++) {
    const before = world.links.length;
    world.link.say(HELLO, diff("nowhere", "e-9", {}));
    for (let tries = 0; world.links.length === before && tries < 100; tries++) await world.pass(100);
    times.push(world.ms);
  }
  for (let n = 5; n < times.length; n++) assert.ok(times[n] - times[n - 5] >= 5_000, `${times}`);
  assert.deepEqual(feed.state, STATE);
});

test("a page that comes back from sleep, from the cache, from another window or into a network resumes at once", async () => {
  const awake = {
    "a network": ({ window }) => window.dispatchEvent(new Event("online")),
    "the cache": ({ window }) => window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true })),
    "a sleep": (world) => world.sleep(12_000),
    "another window": async (world) => {
      world.hidden = true;
      await world.sleep(20_000);
      world.hidden = false;
      world.document.dispatchEvent(new Event("visibilitychange"));
    },
  };
  for (const [what, happen] of Object.entries(awake)) {
    const { world, link, feed } = following();
    await world.pass(5_000);
    await happen(world);
    assert.equal(link.open, false, what);
    assert.equal(world.links.length, 2, what);
    assert.deepEqual(query(world.link), { since: "e-1" }, what);
    assert.deepEqual(feed.state, STATE, what);
  }
});

test("a wait for a better time ends when the network is back, and several such signs at once open one connection", async () => {
  const { world, link } = following();
  await world.pass(20_000);
  link.end();
  world.window.dispatchEvent(new Event("online"));
  world.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  world.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(world.links.length, 2);
  await world.pass(2_000);
  assert.equal(world.open.length, 1);
});

test("what was heard just now is not doubted for looking away, nor for the slow timers of a hidden page", async () => {
  const { world, link } = following();
  world.hidden = true;
  for (let n = 0; n < 5; n++) {
    link.say(beat("e-1"));
    await world.sleep(14_000);
  }
  link.say(beat("e-1"));
  world.hidden = false;
  world.document.dispatchEvent(new Event("visibilitychange"));
  await world.pass(1_000);
  world.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: false }));
  assert.equal(world.links.length, 1);
});

// -- transports

test("where WebSockets cannot be opened but the server answers, it is events at once, and long-poll where these cannot either", async () => {
  const world = new World();
  const feed = world.connect();
  world.answer = () => answer(200, snapshot("e-1"), { "X-Data-Age": "4.1", "X-Data-Quality": "live" });
  world.link.end();
  await settle();
  assert.deepEqual(feed.state, STATE, "the inquiry's answer is news, too");
  assert.equal(feed.status.link, "reconnecting");
  assert.equal(feed.status.transport, "sse");
  assert.equal(world.link.kind, "sse");
  assert.deepEqual(query(world.link), { since: "e-1" });
  world.answer = (url) => (url.includes("wait=0") ? answer(204, "", { "X-Data-Quality": "live" }) : new Promise(() => {}));
  world.link.end();
  await settle();
  assert.equal(feed.status.transport, "longpoll");
  assert.equal(feed.status.link, "open");
});

test("where the server is away no transport is given up for it", async () => {
  const world = new World();
  const feed = world.connect();
  for (const reply of [null, answer(502, "<html>"), answer(404, "<html>"), answer(200, "<html>"), problem(503, "no data yet")]) {
    if (reply) world.answer = () => reply;
    world.stream.end();
    await world.reopened();
    assert.equal(feed.status.transport, "websocket");
  }
  assert.deepEqual(feed.state, {});
});

test("where there is no other transport it goes on trying, and holds what its questions bring", async () => {
  const world = new World();
  world.answer = () => answer(200, snapshot("e-1"));
  const feed = world.connect({ transports: ["websocket"] });
  world.link.end();
  await settle();
  assert.equal(feed.status.link, "reconnecting");
  assert.equal(feed.status.reason, "the stream cannot be opened");
  assert.deepEqual(feed.state, STATE);
  assert.equal((await world.reopened()).kind, "websocket");
});

test("a browser without WebSocket uses what it has", async () => {
  const world = new World();
  world.answer = () => answer(204);
  const feed = world.connect({ WebSocket: undefined });
  await world.pass(10);
  assert.equal(feed.status.transport, "sse");
});

test("an address that cannot be served is a refusal, with the server's sentence, also where the transport cannot tell", async () => {
  const world = new World();
  world.answer = () => problem(404, "unknown cluster 'x'; allowed: hopper");
  const feed = world.connect({ transports: ["sse"], cluster: "x" });
  world.link.end();
  await settle();
  assert.equal(feed.status.link, "closed");
  assert.equal(feed.status.reason, "unknown cluster 'x'; allowed: hopper");
});

test("a stream on which nothing is heard after ten seconds is held back on the way, and given up", async () => {
  const world = new World();
  const feed = world.connect();
  world.answer = () => answer(204, "", { "X-Data-Quality": "live" });
  await world.pass(10_000);
  assert.equal(feed.status.transport, "websocket");
  await world.pass(1_500);
  assert.equal(feed.status.transport, "sse");
  await world.pass(11_500);
  assert.equal(feed.status.transport, "longpoll");
});

test("a stream that falls silent twice in a row is given up", async () => {
  const { world, feed } = following();
  await world.pass(40_000);
  world.link.say(HELLO, beat("e-1"));
  assert.equal(feed.status.transport, "websocket");
  await world.pass(40_000);
  assert.equal(feed.status.transport, "sse");
});

test("a stream that ends within a second of opening, three times, is given up", async () => {
  const { world, feed, link } = following();
  await world.pass(900);
  link.end();
  for (let n = 0; n < 2; n++) {
    const next = await world.reopened();
    assert.equal(next.kind, "websocket");
    next.say(HELLO, beat("e-1"));
    next.end();
  }
  assert.equal((await world.reopened()).kind, "sse");
});

/** A client that has fallen back to events. */
async function fallen() {
  const world = new World();
  const feed = world.connect();
  world.answer = () => answer(204);
  world.link.end();
  await settle();
  world.link.say(HELLO, snapshot("e-1"), beat("e-1"));
  return { world, feed, events: world.link };
}

/** Let time pass on a link that goes on speaking. */
async function alive(world, link, ms) {
  for (; ms > 0; ms -= 10_000) {
    await world.pass(Math.min(ms, 10_000));
    link.say(beat("e-1"));
  }
}

test("a better transport is tried again after a while, beside the one that works, and taken when it speaks", async () => {
  const { world, feed, events } = await fallen();
  await alive(world, events, 40_000);
  assert.equal(world.open.length, 1);
  await alive(world, events, 10_000);
  assert.equal(world.open.length, 2);
  assert.equal(world.link.kind, "websocket");
  assert.equal(feed.status.transport, "sse");
  assert.equal(feed.status.link, "open");
  world.link.say(HELLO, beat("e-1"));
  assert.equal(feed.status.transport, "websocket");
  assert.equal(feed.status.link, "open");
  assert.equal(events.open, false);
  world.link.say(diff("e-1", "e-2", { queues: { q: { name: "q" } } }));
  assert.deepEqual(feed.state.queues, { q: { name: "q" } });
});

test("where the better one still fails nothing is lost, and it is tried less and less often, once an hour at last", async () => {
  const { world, feed, events } = await fallen();
  world.chance = 1;
  const tries = [];
  for (let seconds = 0; seconds < 30_000; seconds += 10) {
    const before = world.links.length;
    await alive(world, events, 10_000);
    if (world.links.length > before) tries.push(world.ms);
    if (world.link !== events && world.link.open) world.link.end();
  }
  const waits = tries.slice(1).map((at, n) => Math.round((at - tries[n]) / 60_000));
  assert.deepEqual(waits, [2, 4, 8, 16, 32, ...waits.slice(5).fill(60)]);
  assert.ok(waits.length >= 8);
  assert.equal(feed.status.link, "open");
  assert.equal(feed.status.transport, "sse");
});

test("a better one that says nothing is left again", async () => {
  const { world, feed, events } = await fallen();
  await alive(world, events, 50_000);
  assert.equal(world.open.length, 2);
  await alive(world, events, 20_000);
  assert.deepEqual(world.open, [events]);
  assert.equal(feed.status.transport, "sse");
});

// -- long-poll

/** A client by long-poll; `world.replies` are its next answers, and when there is none it waits. */
function polling() {
  const world = new World();
  world.replies = [];
  world.answer = async (url, signal) => {
    const reply = world.replies.shift();
    if (reply) return reply;
    return new Promise((settled, failed) => {
      world.settle = settled;
      signal.addEventListener("abort", () => failed(new DOMException("aborted", "AbortError")));
    });
  };
  return world;
}

test("long-poll asks at once, then waits for a heartbeat, with the cursor of what it holds", async () => {
  const world = polling();
  world.replies.push(answer(200, snapshot("e-1"), { "X-Data-Age": "4.1", "X-Data-Quality": "live" }));
  const feed = world.connect({ transports: ["longpoll"] });
  await settle();
  assert.deepEqual(feed.state, STATE);
  assert.equal(feed.status.link, "open");
  assert.equal(feed.status.quality, "live");
  assert.equal(feed.dataAgeMs(), 4_100);
  assert.deepEqual(query(world.links[0]), { wait: "0" });
  assert.deepEqual(query(world.link), { since: "e-1", wait: "15" });
  await world.pass(14_000);
  world.settle(answer(204, "", { "X-Data-Age": "61.5", "X-Data-Quality": "stale", "X-Cursor": "e-1" }));
  await settle();
  assert.equal(feed.status.quality, "stale");
  assert.equal(feed.dataAgeMs(), 61_500);
  await world.pass(5_000);
  world.settle(answer(200, diff("e-1", "e-2", { nodes: { n1: null } }), { "X-Data-Quality": "live" }));
  await settle();
  assert.deepEqual(Object.keys(feed.state.nodes), ["n2"]);
  assert.deepEqual(query(world.link), { since: "e-2", wait: "15" });
});

test("long-poll comes back after Retry-After", async () => {
  const world = polling();
  world.replies.push(problem(503, "the server is restarting", { "Retry-After": "5" }));
  const feed = world.connect({ transports: ["longpoll"] });
  await settle();
  assert.equal(feed.status.link, "connecting");
  assert.equal(feed.status.reason, "the server is restarting");
  assert.equal(feed.status.retryAt, world.epoch + world.ms + 5_000);
});

test("a server, or something before it, that answers the same at once over and over does not make long-poll spin", async () => {
  for (const reply of [() => answer(204), () => answer(200, snapshot("e-1"))]) {
    const world = new World();
    world.answer = reply;
    world.connect({ transports: ["longpoll"] });
    await world.pass(60_000);
    assert.ok(world.links.length < 60, `${world.links.length} questions in a minute`);
  }
});

test("a question that is not answered is dropped by the watchdog", async () => {
  const world = polling();
  world.replies.push(answer(200, snapshot("e-1")));
  const feed = world.connect({ transports: ["longpoll"] });
  await world.pass(40_000);
  assert.equal(world.links[1].open, false);
  assert.equal(feed.status.link, "reconnecting");
  assert.deepEqual(feed.state, STATE);
});

// -- the rest

test("another build is said, with the first", async () => {
  const { world, feed, link } = following();
  const builds = heard(feed, "build");
  link.end();
  await world.pass(2_000);
  world.link.say(HELLO, beat("e-1"));
  assert.deepEqual(builds, []);
  for (const build of ["b2", "b2", "b1"]) {
    world.link.end();
    await world.pass(10_000);
    world.link.say({ ...HELLO, build }, beat("e-1"));
  }
  assert.deepEqual(builds, [
    { build: "b2", before: "b1" },
    { build: "b1", before: "b1" },
  ]);
});

test("the status is a new object when it changes, and only then", () => {
  const { feed, link } = following();
  const changes = heard(feed, "status");
  const before = feed.status;
  link.say(beat("e-1"));
  assert.equal(feed.status, before);
  link.say(beat("e-1", { quality: "stale" }));
  assert.notEqual(feed.status, before);
  assert.equal(before.quality, "live");
  assert.deepEqual(changes, [feed.status]);
});

test("close() ends everything", async () => {
  const { world, feed, link } = following();
  feed.close();
  assert.equal(link.open, false);
  assert.equal(feed.status.link, "closed");
  assert.equal(world.timers.size, 0);
  world.window.dispatchEvent(new Event("online"));
  await world.pass(100_000);
  assert.equal(world.links.length, 1);
  const waiting = following();
  waiting.link.end();
  waiting.feed.close();
  await waiting.world.pass(100_000);
  assert.equal(waiting.world.links.length, 1);
});

test("close() during an inquiry ends that, too", async () => {
  const world = new World();
  let signal;
  world.answer = (_, given) => new Promise(() => (signal = given));
  const feed = world.connect();
  world.link.end();
  await settle();
  feed.close();
  assert.equal(signal.aborted, true);
  await world.pass(100_000);
  assert.equal(world.links.length, 2);
});

test("three hundred outages of every kind leave no timer, connection or listener behind", async () => {
  const { world, feed } = following({ transports: ["websocket"] });
  let revision = 1;
  for (let n = 0; n < 300; n++) {
    const { stream } = world;
    stream.say(diff(`e-${revision}`, `e-${++revision}`, { nodes: { n1: { used: n } } }), beat(`e-${revision}`));
    if (n % 3 === 0) stream.end();
    if (n % 3 === 1) stream.say({ type: "bye", code: 1012, reason: "restart", retryMs: 1_000 });
    (await world.reopened()).say(HELLO, beat(`e-${revision}`));
    world.links = world.links.slice(-2);
    assert.ok(world.timers.size <= 2);
    assert.equal(world.open.length, 1);
  }
  assert.equal(feed.state.nodes.n1.used, 299);
});
