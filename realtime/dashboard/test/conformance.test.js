// The stories of tests/data/conformance.json: at each step the client holds what the story says, and does what it asks for. So does the least
// client, which docs/protocol.md prints.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { World } from "./world.js";

const ROOT = new URL("../../../", import.meta.url);
const { stories } = JSON.parse(await readFile(new URL("tests/data/conformance.json", ROOT)));
const [, least] = /^```js\n(const isMap .*?)^```$/ms.exec(await readFile(new URL("docs/protocol.md", ROOT)));

/** Equal as JSON. `deepEqual` alone also asks of whose making an object is. */
const same = (one, other, why) => assert.deepEqual(JSON.parse(JSON.stringify(one)), other, why);

const since = (link) => new URL(link.url).searchParams.get("since") ?? undefined;

/** Tell a story. `reader` gives `link()`, the connection that is open, `reopened()`, the next, `left()`, and `held()`. */
async function tell({ steps }, reader) {
  const held = { state: {}, cursor: undefined, quality: undefined };
  let link, did;
  for (const [number, { connect, hear, do: todo, ...news }] of steps.entries()) {
    const why = `step ${number}: ${JSON.stringify(hear ?? { connect })}`;
    if (connect) {
      link = await reader.reopened(did);
      assert.equal(since(link), connect.since, why);
    } else {
      link.say(hear);
      // After a goodbye the server closes, if the client has not.
      if (hear.type === "bye" && link.open) link.end(hear.code);
      Object.assign(held, news);
      did = todo;
      if (todo === "leave") await reader.left();
      const { state, cursor, quality } = reader.held();
      same(state, held.state, why);
      assert.deepEqual([cursor, quality], [held.cursor, held.quality], why);
      assert.equal(link.open, !["resume", "return", "leave"].includes(todo), why);
    }
  }
}

for (const transport of ["websocket", "sse"])
  for (const story of stories)
    test(`the client, ${transport}: ${story.name}`, async () => {
      const world = new World();
      const feed = world.connect({ transports: [transport] });
      let before;
      await tell(story, {
        async reopened(did) {
          if (before && did !== "resume") await world.pass(2_000);
          if (before?.open) before.end();
          if (did === "return") assert.equal(world.stream, before, "back before its time");
          while (world.stream === before || !world.stream.open) await world.pass(250);
          return (before = world.stream);
        },
        async left() {
          assert.equal(feed.status.link, "closed");
          await world.pass(10_000);
          assert.equal(world.stream, before);
        },
        held: () => ({ state: feed.state, ...feed.status }),
      });
      feed.close();
    });

for (const story of stories)
  test(`the least client: ${story.name}`, async () => {
    const links = [];
    const timers = [];
    class WebSocket {
      constructor(url) {
        this.open = true;
        this.url = url;
        this.say = (message) => this.onmessage?.({ data: JSON.stringify(message) });
        this.end = (code) => this.onclose?.({ code });
        links.push(this);
      }
      close() {
        this.open = false;
      }
    }
    const held = { state: {} };
    const follow = new Function("WebSocket", "setTimeout", "clearTimeout", `${least}; return follow;`);
    follow(WebSocket, (run) => timers.push(run) - 1, (timer) => delete timers[timer])("ws://server/api/ws", (message, state) => {
      held.state = state;
      if (["snapshot", "diff"].includes(message.type)) held.cursor = message.cursor;
      if (message.type === "heartbeat") held.quality = message.quality;
    });
    let told = 0;
    await tell(story, {
      async reopened() {
        if (told > 0 && links.at(-1).open) links.at(-1).end();
        if (told > 0) timers.at(-1)();
        assert.equal(links.length, ++told);
        return links.at(-1);
      },
      async left() {
        assert.deepEqual(timers.filter(Boolean), []);
      },
      held: () => held,
    });
  });
