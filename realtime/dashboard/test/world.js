// What a client stands on in these tests: a clock that stands until it is moved, and connections whose other end is the test.

import { connect } from "../src/realtime-client.js";

export class World {
  constructor() {
    this.ms = 50_000;
    this.epoch = 1_794_166_412_000;
    this.timers = new Map();
    this.numbers = 0;
    /** Every connection that was opened, as { kind, url, open, say(message), end(…) }. */
    this.links = [];
    /** What Math.random says. */
    this.chance = 0.5;
    /** What fetch does: returns an answer, throws, or is held until the test settles it. */
    this.answer = () => {
      throw new TypeError("network");
    };
    this.hidden = false;
    this.window = new EventTarget();
    this.document = new EventTarget();
    Object.defineProperty(this.document, "visibilityState", { get: () => (this.hidden ? "hidden" : "visible") });
  }

  connect(options = {}) {
    const world = this;
    class WebSocket {
      constructor(url) {
        world.#opened("websocket", url, this, {
          say: (text) => this.onmessage?.({ data: text }),
          end: (code = 1006) => this.onclose?.({ code, reason: "" }),
        });
      }
      close() {
        world.closed(this);
      }
    }
    class EventSource {
      #listeners = new Map();
      constructor(url) {
        world.#opened("sse", url, this, {
          say: (text, type = JSON.parse(text).type) => this.#listeners.get(type)?.({ data: text }),
          end: () => this.onerror?.({}),
        });
      }
      addEventListener(type, listen) {
        this.#listeners.set(type, listen);
      }
      close() {
        world.closed(this);
      }
    }
    return connect({
      url: "http://server",
      fetch: async (url, { signal }) => {
        const link = { kind: "fetch", url, open: true };
        world.links.push(link);
        const left = () => (link.open = false);
        signal.addEventListener("abort", left);
        try {
          return await world.answer(url, signal);
        } finally {
          left();
          signal.removeEventListener("abort", left);
        }
      },
      WebSocket,
      EventSource,
      now: () => this.ms,
      wall: () => this.epoch + this.ms,
      random: () => this.chance,
      setTimeout: (run, ms) => {
        // A browser runs what it does not understand at once, again and again.
        if (!(ms >= 0 && ms < 2 ** 31)) throw new RangeError(`a timer of ${ms} ms`);
        this.timers.set(++this.numbers, { run, at: this.ms + ms });
        return this.numbers;
      },
      clearTimeout: (timer) => this.timers.delete(timer),
      window: this.window,
      document: this.document,
      ...options,
    });
  }

  #opened(kind, url, socket, { say, end }) {
    this.links.push({
      kind,
      url,
      socket,
      open: true,
      say: (...messages) => messages.forEach((message) => say(JSON.stringify(message))),
      raw: say,
      end(...how) {
        this.open = false;
        end(...how);
      },
    });
  }

  closed(socket) {
    this.links.find((link) => link.socket === socket).open = false;
  }

  get link() {
    return this.links.at(-1);
  }

  /** The last that is no question. */
  get stream() {
    return this.links.findLast((link) => link.kind !== "fetch");
  }

  /** Let time pass until another connection is open, but no more than a minute. */
  async reopened() {
    const before = this.stream;
    for (let n = 0; n < 240 && (this.stream === before || !this.stream.open); n++) await this.pass(250);
    return this.stream;
  }

  get open() {
    return this.links.filter((link) => link.open);
  }

  /** Let time pass, and everything happen that is due in it. */
  async pass(ms) {
    const end = this.ms + ms;
    for (;;) {
      await settle();
      const [number, next] = [...this.timers].reduce((one, other) => (other[1].at < one[1].at ? other : one), [0, { at: Infinity }]);
      if (next.at > end) break;
      this.timers.delete(number);
      this.ms = Math.max(this.ms, next.at);
      next.run();
    }
    this.ms = end;
    await settle();
  }

  /** Let time pass in which nothing runs: the machine sleeps. */
  async sleep(ms) {
    this.ms += ms;
    await this.pass(0);
  }
}

/** Let everything run on that waits for nothing but its turn. */
export function settle() {
  return new Promise((next) => setImmediate(next));
}

export const HELLO = {
  type: "hello",
  protocol: 1,
  server: "0.1.0",
  build: "b1",
  heartbeatSeconds: 15,
  clusters: ["hopper", "vanda"],
  topics: ["summary", "nodes"],
};

export const STATE = { nodes: { n1: { name: "n1", used: 1 }, n2: { name: "n2", used: 2, tags: ["a", "b"] } }, queues: {} };

export const snapshot = (cursor, state = STATE) => ({ type: "snapshot", cluster: "hopper", cursor, at: 1_794_166_462_000, reason: "new", state });
export const diff = (from, cursor, patch) => ({ type: "diff", cluster: "hopper", from, cursor, at: 1_794_166_467_000, patch });
export const beat = (cursor, more = {}) => ({
  type: "heartbeat",
  cluster: "hopper",
  cursor,
  at: 1_794_166_463_000,
  quality: "live",
  dataAgeMs: 4_000,
  ...more,
});

/** An HTTP answer as fetch gives it, read without delay. */
export function answer(status, body = "", headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, ok: status >= 200 && status < 300, headers: new Headers(headers), text: async () => text };
}

export const problem = (status, detail, headers) => answer(status, { type: "about:blank", status, detail, error: detail }, headers);
