// A server, and a network before it, that do whatever a seed says: they tell the truth, and also lose, repeat, swap and cut what they say, say
// things that nobody should say, fall silent, refuse, and go away. What was ever true is remembered.

import assert from "node:assert/strict";

import { numbers } from "./numbers.js";
import { HELLO, answer, beat, problem } from "./world.js";

const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** One text for one JSON value, whatever the order of its names. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (!isMap(value)) return JSON.stringify(value) ?? "nothing";
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`)}}`;
}

const NAMES = ["n1", "n2", "n3", "__proto__", "constructor", "0", ""];
const FIELDS = ["used", "state", "tags", "__proto__"];
const VALUES = [0, 1, 2, "free", "down", "", true, [], ["a"], ["a", "b"], [["a"], 1]];

/** What somebody on the way, or a broken server, may say. */
const NONSENSE = [
  "", "null", "5", "true", '"diff"', "[]", "{}", "<html>502</html>", '{"type":', '{"type":null}', '{"type":5}', '{"type":"weather"}', '{"type":"diff"}',
  '{"type":"snapshot"}', '{"type":"snapshot","cursor":"x-1","state":null}', '{"type":"snapshot","cursor":"x-1","state":[]}', '{"type":"hello"}',
  '{"type":"hello","heartbeatSeconds":0,"clusters":[],"topics":[]}', '{"type":"heartbeat"}', '{"type":"bye"}', '{"type":"error"}', '{"type":"__proto__"}',
  '{"type":"constructor"}', "\u0000", "{}{}", '{"type":"bye","retryMs":1e12}', '{"type":"bye","retryMs":"x"}', '{"type":"bye","retryMs":-1}', '{"type":"heartbeat","dataAgeMs":"x"}',
];

/** Serves whoever connects in a world, and thinks of new states. */
export class Chaos {
  /** Every state that ever was true, by its cursor. */
  truths = new Map();
  /** Whether nothing goes wrong any more, but that what is dead stays so. */
  honest = false;
  /** Who listens. */
  feed;

  #epoch = 0;
  #revision = 0;
  #states = []; // by revision, of this epoch
  #sessions = new Map(); // link → { cursor, late }
  #waiting = new Set(); // long-polls

  constructor(seed, world) {
    this.random = numbers(seed);
    this.world = world;
    world.answer = (url) => this.#answer(url);
    this.restart();
  }

  chance = (one) => !this.honest && this.random(one) === 0;
  pick = (list) => list[this.random(list.length)];

  get state() {
    return this.#states[this.#revision];
  }

  get cursor() {
    return this.#cursorAt(this.#revision);
  }

  #cursorAt = (revision) => `e${this.#epoch}-${revision}`;

  // -- what is true

  restart() {
    this.#epoch += 1;
    this.#revision = 0;
    this.#states = [{ nodes: {}, summary: {} }];
    this.#note();
    this.change();
  }

  /** Something else is true from now on. */
  change() {
    const topics = {};
    for (const topic of ["nodes", "summary"]) {
      const entities = new Map(Object.entries(this.state[topic]));
      for (let n = this.random(3); n > 0; n--) {
        const name = this.pick(NAMES);
        if (this.random(4) === 0) entities.delete(name);
        else entities.set(name, this.#entity(entities.get(name)));
      }
      topics[topic] = Object.fromEntries(entities);
    }
    this.#states[++this.#revision] = topics;
    this.#note();
  }

  #entity(before = {}) {
    const fields = new Map(Object.entries(before));
    for (let n = 1 + this.random(2); n > 0; n--) {
      const name = this.pick(FIELDS);
      if (this.random(3) === 0) fields.delete(name);
      else fields.set(name, this.pick(VALUES));
    }
    return Object.fromEntries(fields);
  }

  #note = () => this.truths.set(this.cursor, canonical(this.state));

  // -- what is said of it

  #snapshot = (revision = this.#revision) => ({
    type: "snapshot", cluster: "hopper", cursor: this.#cursorAt(revision), at: 1, reason: "new", state: this.#states[revision],
  });

  #diff = (from, to = this.#revision) => ({
    type: "diff", cluster: "hopper", from: this.#cursorAt(from), cursor: this.#cursorAt(to), at: 1, patch: this.#patch(this.#states[from], this.#states[to]),
  });

  /** A merge patch: what changed, and now and then what did not, or never was. */
  #patch(before, after, depth = 0) {
    const patch = new Map();
    for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch.set(name, null);
    for (const [name, value] of Object.entries(after)) {
      const had = Object.hasOwn(before, name) ? before[name] : undefined;
      if (canonical(had) === canonical(value) && this.random(5)) continue;
      patch.set(name, isMap(value) ? this.#patch(isMap(had) ? had : {}, value, depth + 1) : value);
    }
    const unknown = this.pick(NAMES);
    if (depth && !Object.hasOwn(after, unknown) && this.random(5) === 0) patch.set(unknown, null);
    return Object.fromEntries(patch);
  }

  /** The revision that a cursor names, if a diff can be told from it. */
  #known(cursor) {
    const [, epoch, revision] = /^e(\d+)-(\d+)$/.exec(cursor ?? "") ?? [];
    return Number(epoch) === this.#epoch && revision > this.#revision - 8 && revision <= this.#revision ? Number(revision) : undefined;
  }

  /** What takes a reader from its cursor to now; nothing if it is there. */
  #news(cursor) {
    const known = this.#known(cursor);
    if (known === this.#revision) return [];
    return [known === undefined || this.random(9) === 0 ? this.#snapshot() : this.#diff(known)];
  }

  // -- streams

  /** Serve what was opened, and tell everyone what they have missed. */
  speak() {
    for (const link of this.world.links) {
      if (link.kind === "fetch" || this.chance(4)) continue;
      let session = this.#sessions.get(link);
      if (!link.open) {
        if (this.chance(3)) this.#tooLate(link);
        continue;
      }
      if (session?.dead) continue;
      if (!session) {
        if (this.chance(6)) {
          link.end(this.pick([1006, 1001, 4000, 4501, 1013]));
          continue;
        }
        this.#sessions.set(link, (session = { cursor: new URL(link.url).searchParams.get("since"), late: [], dead: this.chance(12) }));
        this.#deliver(link, session, [HELLO, ...this.#news(session.cursor)]);
      } else this.#deliver(link, session, this.#news(session.cursor));
      session.cursor = this.cursor;
      if (this.honest || this.random(3) === 0) this.#deliver(link, session, [beat(this.cursor, { quality: this.pick(["live", "stale", "down"]) })]);
    }
    for (const settle of this.#waiting) settle();
  }

  /** What the network makes of messages: now and then it loses, repeats, delays, cuts or adds some. */
  #deliver(link, session, said) {
    const messages = this.honest ? said : [...said, ...(this.random(3) ? [] : session.late.splice(0))];
    for (const message of messages) {
      if (!link.open) return;
      if (this.chance(12)) continue;
      if (this.chance(12)) session.late.push(message);
      else this.#send(link, message);
      if (this.chance(15)) this.#send(link, message);
      if (this.chance(15)) this.#send(link, this.#any());
      if (this.chance(25)) link.raw(this.pick(NONSENSE), this.pick(["hello", "snapshot", "diff", "heartbeat", "bye"]));
      if (this.chance(25)) link.raw(JSON.stringify(message).slice(0, this.random(40)), message.type);
      if (this.chance(40)) link.end(this.pick([1006, 1001, 1009, 1012, 4001]));
    }
  }

  #send = (link, message) => link.say(message);

  /** Something that was still on its way when the connection was left. */
  #tooLate(link) {
    const { state, status } = this.feed;
    this.#send(link, this.pick([this.#any, () => this.#snapshot(), () => this.#diff(this.#known(status.cursor) ?? 0)])());
    assert.equal(this.feed.state, state, "heard on a connection that was left");
    assert.equal(this.feed.status, status, "heard on a connection that was left");
  }

  /** Something that a server could say, to whom it does not belong, or too late. */
  #any = () => {
    const one = this.random(this.#revision + 1);
    const other = this.random(this.#revision + 1);
    return this.pick([
      () => this.#diff(Math.min(one, other), Math.max(one, other)),
      () => this.#snapshot(one),
      () => beat(this.#cursorAt(one), { quality: "live" }),
      () => beat("e0-7", { quality: "stale", dataAgeMs: undefined }),
      () => ({ ...HELLO, build: this.pick(["b1", "b2"]), heartbeatSeconds: this.pick([5, 15]), topics: this.pick([HELLO.topics, HELLO.topics, ["nodes"]]) }),
      () => ({ type: "bye", code: this.pick([1012, 1013, 4002, 4501]), reason: "go", retryMs: this.pick([0, 1_000, 20_000]) }),
      () => ({ type: "weather", cursor: this.cursor, state: {}, patch: { nodes: null } }),
      () => ({ ...this.#diff(one, one), from: `x${this.#cursorAt(one)}` }),
    ])();
  };

  // -- long-poll

  #answer(url) {
    const asked = new URL(url).searchParams;
    const headers = { "X-Data-Quality": "live", "X-Data-Age": "4.0" };
    if (this.chance(5)) throw new TypeError("network");
    if (this.chance(8)) return answer(200, this.pick(NONSENSE), headers);
    if (this.chance(8)) return problem(this.pick([400, 401, 404, 429, 500, 503]), "no", { "Retry-After": "3" });
    if (this.chance(8)) return answer(200, this.#any(), headers);
    const reply = () => {
      const [message] = this.#news(asked.get("since"));
      return message ? answer(200, message, headers) : answer(204, "", headers);
    };
    if (this.#news(asked.get("since")).length || !Number(asked.get("wait"))) return reply();
    return new Promise((settle) => {
      const timer = ++this.world.numbers;
      const done = (now) => {
        if (!now && !this.#news(asked.get("since")).length) return;
        this.#waiting.delete(done);
        this.world.timers.delete(timer);
        settle(reply());
      };
      this.#waiting.add(done);
      this.world.timers.set(timer, { run: () => done(true), at: this.world.ms + 1000 * Number(asked.get("wait")) });
    });
  }
}
