// The client in a world of its own, led by JSON lines: a command a line on stdin, what came of it a line on stdout (tests/test_javascript.py).

import { createInterface } from "node:readline";

import { apply } from "../src/realtime-client.js";
import { World } from "./world.js";

let world, feed;

const since = () => new URL(world.stream.url).searchParams.get("since");
const told = () => ({ state: feed.state, cursor: feed.status.cursor ?? null, quality: feed.status.quality ?? null, open: world.stream.open });

const COMMANDS = {
  /** Another client. */
  connect({ transport }) {
    feed?.close();
    world = new World();
    feed = world.connect({ transports: [transport] });
    return { since: since() };
  },
  hear({ messages }) {
    world.stream.say(...messages);
    return told();
  },
  /** The connection breaks, if it is open; then the next one is awaited. */
  async reopen() {
    const before = world.stream;
    // One that ends at once again and again would be given up.
    await world.pass(1_500);
    if (world.stream === before && before.open) before.end();
    while (world.stream === before || !world.stream.open) await world.pass(250);
    return { since: since() };
  },
  /** Whether another connection is open, since the one before was left. */
  state: told,
  apply: ({ state, patch }) => apply(state, patch),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  console.log(JSON.stringify(await COMMANDS[command](rest)));
}
