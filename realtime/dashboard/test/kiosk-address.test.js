import assert from "node:assert/strict";
import { test } from "node:test";

import { meant, read } from "../src/kiosk/address.js";

const PLAIN = {
  cluster: undefined,
  topics: ["summary", "nodes", "queues", "trend", "source", "events"],
  nodes: [],
  screen: undefined,
  pages: ["overview"],
  seconds: 20,
  theme: "dark",
  mistakes: [],
};

test("an address that asks for nothing shows the overview, in the dark and without names", () => {
  assert.deepEqual(read(""), PLAIN);
  assert.deepEqual(read("?cluster=&topics=&nodes=&pages=&seconds=&theme=&users="), PLAIN);
});

test("everything that can be asked for is taken", () => {
  assert.deepEqual(read("?cluster=vanda&nodes=gn-0*,gn-1?&pages=queues,nodes&pages=events&seconds=12.5&theme=auto&users=show&screen=hall%203"), {
    cluster: "vanda",
    topics: ["summary", "nodes", "queues", "users", "trend", "source", "events"],
    nodes: ["gn-0*", "gn-1?"],
    screen: "hall 3",
    pages: ["queues", "nodes", "events"],
    seconds: 12.5,
    theme: "auto",
    mistakes: [],
  });
});

test("users are asked for only if they may be shown, and by a page that does", () => {
  assert.ok(!read("?pages=overview,nodes,events&users=show").topics.includes("users"));
  assert.ok(!read("?pages=queues").topics.includes("users"));
  assert.ok(read("?pages=queues&users=show").topics.includes("users"));
  const { topics, mistakes } = read("?pages=queues&topics=users,queues");
  assert.deepEqual([topics, mistakes], [["queues", "source"], ["topics: users are shown with users=show alone"]]);
});

test("a screen whose token may not see people shows the rest, and says so", () => {
  const may = { people: false };
  const { topics, mistakes } = read("?pages=queues&users=show", may);
  assert.deepEqual([topics, mistakes], [["summary", "nodes", "queues", "trend", "source"], ["users cannot be shown: this screen's token may not see them"]]);
  const alone = read("?topics=users&pages=queues&users=show", may);
  assert.ok(!alone.topics.includes("users") && alone.topics.includes("queues"));
  assert.deepEqual(alone.mistakes, mistakes);
  assert.deepEqual(read("?pages=queues", may), read("?pages=queues"));
});

test("topics narrow what the pages show, and what is wrong with the source is always told", () => {
  const { topics, pages, mistakes } = read("?topics=queues,summary");
  assert.deepEqual([topics, pages, mistakes], [["summary", "queues", "source"], ["overview"], []]);
});

test("a page with nothing to show is left out; if none has anything, one is found that has", () => {
  const some = read("?topics=events&pages=overview,queues");
  assert.deepEqual([some.pages, some.topics], [["overview"], ["source", "events"]]);
  assert.deepEqual(some.mistakes, ["pages: queues shows nothing of these topics"]);
  const other = read("?topics=users&users=show");
  assert.deepEqual([other.pages, other.topics, other.mistakes], [["queues"], ["users", "source"], []]);
});

test("topics that nothing is made of are as good as none", () => {
  const { topics, pages, mistakes } = read("?topics=source,trend");
  assert.deepEqual([topics, pages], [PLAIN.topics, ["overview"]]);
  assert.deepEqual(mistakes, ["topics: nothing is made of source, trend alone"]);
});

for (const [query, kept, mistake] of [
  ["seconds=1", { seconds: 20 }, "seconds can be 5 to 3600, not 1"],
  ["seconds=soon", { seconds: 20 }, "seconds can be 5 to 3600, not soon"],
  ["seconds=1e9", { seconds: 20 }, "seconds can be 5 to 3600, not 1e9"],
  ["theme=blue", { theme: "dark" }, "theme cannot be blue, but dark, light, auto"],
  ["users=yes", {}, "users cannot be yes, but hide, show"],
  ["pages=overview,foo", { pages: ["overview"] }, "pages cannot be foo, but overview, nodes, queues, events"],
  ["pages=toString", { pages: ["overview"] }, "pages cannot be toString, but overview, nodes, queues, events"],
  ["topics=jobs", { topics: PLAIN.topics }, "topics cannot be jobs, but summary, nodes, queues, users, trend, source, events"],
  [`nodes=${"x".repeat(129)}`, { nodes: [] }, `nodes cannot be ${"x".repeat(23)}…, but up to 128 printable characters`],
  ["nodes=a%00b,c*", { nodes: ["c*"] }, "nodes cannot be a\0b, but up to 128 printable characters"],
  ["screen=", { screen: undefined }, "screen can be 1 to 64 printable characters"],
  [`screen=${"x".repeat(65)}`, { screen: undefined }, "screen can be 1 to 64 printable characters"],
  ["theem=dark", {}, "unknown: theem"],
])
  test(`what is wrong is said, and the rest holds: ${query.slice(0, 24)}`, () => {
    const { mistakes, ...rest } = read(`?cluster=vanda&${query}`);
    assert.deepEqual(mistakes, [mistake]);
    const { mistakes: _, ...plain } = PLAIN;
    assert.deepEqual(rest, { ...plain, cluster: "vanda", ...kept });
  });

test("of too many globs the first are taken", () => {
  const { nodes, mistakes } = read(`?nodes=${Array.from({ length: 40 }, (_, i) => `gn-${i}`).join(",")}`);
  assert.equal(nodes.length, 32);
  assert.deepEqual(mistakes, ["nodes can be 32 globs, not 40"]);
});

test("of a query that is shown again, only what has a meaning is left, as it was written", () => {
  assert.equal(meant("?screen=hall+3&secret=rt_a&nodes=a,b*&rt_b"), "?screen=hall+3&nodes=a,b*");
  assert.equal(meant("?rt_a"), "");
  assert.equal(meant(""), "");
});
