/**
 * Follow a realtime server: hold its state as it is now, through every outage. Depends on nothing.
 *
 *   import { connect } from "/client.js";
 *   const feed = connect({ topics: ["summary"] });
 *   feed.addEventListener("change", () => show(feed.state.summary));
 *
 * docs/client.md tells how to use it, docs/protocol.md what it speaks.
 * @license MIT
 */

const HEARTBEATS = 2.5; // so many may be missed before a connection is dead, whatever the socket says
const OPENING_MS = 10_000; // `hello` comes at once: where nothing was heard for so long, something on the way holds it back
const RETRY_MS = [1_000, 32_000]; // back-off: a random time up to the first, doubled with each failure up to the second
const REFUSED_MS = [30_000, 300_000]; // the same after a refusal: people must mend that, and a wall display come back by itself then
const LONGEST_MS = REFUSED_MS[1]; // whatever it is told, it stays away for no longer; a browser runs timers of 25 days at once
const BETTER_MS = [60_000, 3_600_000]; // the same until a better transport is tried again
const SHORT_MS = 1_000; // what lived for less was cut off on the way
const PROVEN_MS = 300_000; // what lived for more has proven its transport
const SLEPT_MS = 10_000; // a timer that is so late has slept, and so has the connection
const [LOOP, LOOP_MS] = [5, 5_000]; // more connections than this in so long are a loop
const REFUSALS = { 401: 4500, 403: 4503 }; // the close codes of HTTP's refusals; of any other 4501
const UNSAID = [1005, 1006]; // what a browser puts where no close code came (RFC 6455, 7.1.5)
const STRIKES = 3; // marks against a transport; with so many it is given up for the next
const AWAY = "the server cannot be reached";

/** Close codes that a login mends: one has ended, or there is none. */
export const LOGINS = [4002, 4500];

/** Whether a status of HTTP is an answer to this moment, and the same may succeed another time. */
export const isForNow = (status) => status >= 500 || [408, 425, 429].includes(status);

const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const has = Object.hasOwn;

/** Set a member. A node may be called "__proto__", and assignment would not make that a member. */
function put(target, name, value) {
  if (name === "__proto__") Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  else target[name] = value;
}

/** Whether two JSON values without maps in them are equal. */
function same(one, other) {
  if (!Array.isArray(one) || !Array.isArray(other)) return one === other;
  return one.length === other.length && one.every((item, place) => same(item, other[place]));
}

/**
 * Apply a JSON Merge Patch (RFC 7396). Neither argument is changed; what the patch does not change is shared with the result, and the
 * result is `state` itself if nothing does.
 */
export function apply(state, patch) {
  if (!isMap(patch)) return same(state, patch) ? state : patch;
  const before = isMap(state) ? state : {};
  let after = before;
  for (const [name, value] of Object.entries(patch)) {
    const had = has(before, name);
    const next = value === null ? undefined : apply(had ? before[name] : undefined, value);
    if (had ? next === before[name] : value === null) continue;
    if (after === before) after = { ...before };
    if (value === null) delete after[name];
    else put(after, name, next);
  }
  return after;
}

/** The merge patch that makes `after` of `before`: a snapshot, too, replaces only what is different. */
function difference(before, after) {
  const patch = {};
  for (const name of Object.keys(before)) if (!has(after, name)) put(patch, name, null);
  for (const [name, value] of Object.entries(after)) {
    if (has(before, name) && isMap(value) && isMap(before[name])) {
      const inner = difference(before[name], value);
      if (Object.keys(inner).length) put(patch, name, inner);
    } else if (!has(before, name) || !same(before[name], value)) put(patch, name, value);
  }
  return patch;
}

/** What each message must have to be one; whatever has not is somebody else's words, and an empty answer is no empty cluster. */
const SOUND = {
  hello: ({ heartbeatSeconds, clusters, topics }) => heartbeatSeconds > 0 && Array.isArray(clusters) && Array.isArray(topics),
  snapshot: ({ cursor, state }) => typeof cursor === "string" && isMap(state) && Object.values(state).every(isMap),
  diff: ({ cursor, patch }) => typeof cursor === "string" && isMap(patch) && Object.values(patch).every((value) => value === null || isMap(value)),
  heartbeat: ({ dataAgeMs = 0 }) => dataAgeMs >= 0,
  bye: ({ retryMs = 0 }) => retryMs >= 0,
};
const isSound = (message) => isMap(message) && typeof message.type === "string" && (!has(SOUND, message.type) || SOUND[message.type](message));

// Each transport opens one connection, tells `link` what it hears and when it ends, and returns what closes it.

function websocket({ WebSocket }, address, link) {
  const socket = new WebSocket(address("api/ws").replace(/^http/, "ws"));
  socket.onmessage = ({ data }) => link.hear(data);
  socket.onclose = ({ code, reason }) => link.end({ code: UNSAID.includes(code) ? undefined : code, reason: reason || undefined });
  return () => {
    socket.onmessage = socket.onclose = null;
    socket.close();
  };
}

function sse({ EventSource }, address, link) {
  const source = new EventSource(address("api/events"));
  for (const type of ["hello", "snapshot", "diff", "heartbeat", "bye"]) source.addEventListener(type, ({ data }) => link.hear(data));
  // Its own coming back knows no back-off, and stops for ever at any status but 200.
  source.onerror = () => link.end();
  return () => source.close();
}

function longpoll({ fetch, now }, address, link) {
  const abort = new AbortController();
  (async () => {
    for (let wait = 0, idle = 0; !link.over; wait = link.wait()) {
      const [began, cursor] = [now(), link.cursor()];
      const failure = await ask(fetch, address("api/changes", { wait }), abort.signal, link);
      if (failure || link.once) return link.end(failure ?? { reached: true });
      // No news, and yet at once instead of after `wait`: something on the way answers.
      idle = wait && cursor === link.cursor() && now() - began < SHORT_MS ? idle + 1 : 0;
      if (idle === LOOP) return link.end({ reason: "answers without news" });
    }
  })();
  return () => abort.abort();
}

/** One question and its answer, told to `link`; returns what went wrong, if anything did. */
async function ask(fetch, address, signal, link) {
  try {
    const response = await fetch(address, { signal, cache: "no-store" });
    const header = (name) => response.headers.get(name) ?? undefined;
    const body = await response.text();
    if (response.ok) {
      if (body) link.hear(body);
      const age = header("X-Data-Age");
      link.hear({ type: "heartbeat", quality: header("X-Data-Quality"), dataAgeMs: age && 1000 * Number(age) });
      return undefined;
    }
    const { status, detail, code: problem } = JSON.parse(body);
    const refused = status >= 400 && !isForNow(status);
    return { reason: detail, problem, code: refused ? (REFUSALS[status] ?? 4501) : undefined, retryMs: 1000 * Number(header("Retry-After")) || 0 };
  } catch {
    return { reason: AWAY }; // no network, or somebody else's answer
  }
}

const TRANSPORTS = { websocket, sse, longpoll };

/**
 * @typedef {"websocket"|"sse"|"longpoll"} Transport
 * @typedef {Record<string, Record<string, Record<string, unknown>>>} State topic → key → entity
 * @typedef {{ link: "connecting"|"open"|"reconnecting"|"closed", transport?: Transport, cluster?: string, cursor?: string, build?: string,
 *   quality?: "starting"|"live"|"stale"|"partial"|"down", dataAgeMs?: number, clusters: string[], topics: string[],
 *   heartbeatSeconds: number, reason?: string, code?: number, problem?: string, retryAt?: number }} Status times are epoch ms
 * @typedef {{ url?: string, cluster?: string, topics?: string[], nodes?: string[], screen?: string, transports?: Transport[] }} Options
 */

/**
 * Connect, and stay so until `close()`.
 * @param {Options} [options] and, for tests, what it has from the browser: fetch, WebSocket, EventSource, now (monotonic, ms), wall (epoch
 *   ms), random, setTimeout, clearTimeout, window, document
 */
export function connect(options = {}) {
  return new Feed(options);
}

/** Fires `change` ({ patch, kind, at, from, cursor }), `status` (the status) and `build` ({ build, before }), each in `detail`. */
class Feed extends EventTarget {
  /** @type {State} */
  state = {};
  /** @type {Status} */
  status = { link: "connecting", clusters: [], topics: [], heartbeatSeconds: 15 };

  #env;
  #url;
  #query;
  #transports;
  #rank = 0; // of the transport in use; 0 is the best
  #link = null;
  #candidate = null; // a better link on trial, while the other goes on
  #betterAt = 0;
  #counts = { failures: 0, refusals: 0, demotions: 0, strikes: 0, strays: 0 };
  #opened = []; // when, the last LOOP times
  #known = false; // whether there ever was a snapshot
  #timers = {};
  #age; // { ms, since }
  #lagMs; // how old data lately was when it was published
  #publishedAt;
  #firstBuild;
  #stop = new AbortController();

  #fire = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail }));
  #word = () => (this.#known ? "reconnecting" : "connecting");
  #hidden = () => this.#env.document?.visibilityState === "hidden";
  // What the clock that went further says: one may stand still while the machine sleeps.
  #instant = () => [this.#env.now(), this.#env.wall()];
  #since = ([now, wall]) => Math.max(this.#env.now() - now, this.#env.wall() - wall, 0);

  constructor({ url = globalThis.location?.origin, cluster, topics, nodes, screen, transports = Object.keys(TRANSPORTS), ...env }) {
    super();
    // The browser's own functions refuse to be called as another object's.
    const own = (name) => (...all) => globalThis[name](...all);
    const { WebSocket, EventSource, window, document } = globalThis;
    this.#env = { WebSocket, EventSource, window, document, now: () => performance.now(), wall: Date.now, random: Math.random };
    for (const name of ["fetch", "setTimeout", "clearTimeout"]) this.#env[name] = own(name);
    Object.assign(this.#env, env);
    this.#url = url.replace(/\/*$/, "/");
    this.#query = { cluster, topics, nodes, screen };
    this.#transports = transports;
    this.#listen();
    this.#tick(this.#instant());
    this.#open();
  }

  /** How old the newest data is now, in ms; undefined if unknown. */
  dataAgeMs() {
    return this.#age && this.#age.ms + this.#since(this.#age.since);
  }

  /** Come back at once, however long it is to wait: after a login, for instance. */
  retry() {
    // Another login may see other topics. A stream's `hello` tells which; by long-poll nothing does.
    if (this.status.transport === "longpoll" && !this.#stop.signal.aborted) this.#tell({ cursor: undefined });
    this.#again();
  }

  #again() {
    if (this.#stop.signal.aborted) return;
    this.#abandon();
    this.#counts.failures = 0;
    this.#open();
  }

  /** Leave for good. What is held stays. */
  close() {
    this.#stop.abort();
    this.#abandon();
    this.#env.clearTimeout(this.#timers.tick);
    this.#tell({ link: "closed", reason: undefined, code: undefined, problem: undefined, retryAt: undefined });
  }

  // -- what is heard

  #hear(link, data) {
    let message;
    try {
      message = typeof data === "string" ? JSON.parse(data) : data;
    } catch {}
    if (!isSound(message)) return link.end({ reason: AWAY }); // somebody else's words
    link.heardAt = this.#instant();
    link.heard = true;
    if (link === this.#candidate) this.#promote();
    const { type, code, detail, from, patch, state } = message;
    if (type === "hello") this.#greet(link, message);
    else if (type === "snapshot") this.#hold(link, message, difference(this.state, state));
    else if (type === "diff") from === this.status.cursor ? this.#hold(link, message, patch) : this.#stray();
    else if (type === "heartbeat") this.#beat(link, message);
    else if (type === "bye") link.end(message);
    else if (type === "error") [link.problem, link.detail] = [code, detail];
  }

  #greet(link, { build, clusters, topics, heartbeatSeconds }) {
    const before = this.status.build;
    this.#firstBuild ??= build;
    const others = this.status.topics.length > 0 && !same(this.status.topics, topics);
    if (others) this.#forget();
    this.#tell({ build, clusters, topics, heartbeatSeconds });
    // What follows may be a diff from where nobody stands any more.
    if (others && link.since !== undefined) {
      this.#abandon();
      this.#open();
    }
    if (before !== undefined && before !== build) this.#fire("build", { build, before: this.#firstBuild });
  }

  /** Other topics are another login's: what is held is neither for its eyes nor all that it may see, and no diff would tell. */
  #forget() {
    const patch = difference(this.state, {});
    this.state = {};
    this.#known = false;
    this.#age = this.#lagMs = undefined;
    this.#tell({ link: this.#word(), cursor: undefined, quality: undefined, dataAgeMs: undefined });
    if (Object.keys(patch).length) this.#fire("change", { patch, kind: "forgotten" });
  }

  #hold(link, { type, cluster, cursor, at, from, dataAgeMs }, patch) {
    // A diff may not tell how old its data is: as old as data lately was when published, but not older than what it replaces.
    if (type === "diff" && this.status.link === "open" && this.#lagMs !== undefined)
      dataAgeMs ??= Math.min(this.#lagMs, this.dataAgeMs() ?? Infinity);
    if (dataAgeMs !== undefined) this.#age = { ms: dataAgeMs, since: this.#instant() };
    this.state = apply(this.state, patch);
    this.#known = true;
    this.#publishedAt = at;
    this.#counts.strays = 0;
    this.#tell({ cluster, cursor }, link);
    this.#fire("change", { patch, kind: type, at, from, cursor });
  }

  #beat(link, { cluster = this.status.cluster, quality, dataAgeMs, at }) {
    this.#age = dataAgeMs === undefined ? undefined : { ms: dataAgeMs, since: this.#instant() };
    const lag = this.#publishedAt - (at - dataAgeMs);
    if (lag >= 0) this.#lagMs = lag; // else the sample is of after that: a poll has found nothing new to publish
    this.#tell({ cluster, quality, dataAgeMs }, link);
  }

  /** A diff from where we do not stand. Come back with our cursor; if that leads here again, without. */
  #stray() {
    if (++this.#counts.strays > 1) this.#tell({ cursor: undefined });
    this.#abandon();
    this.#open();
  }

  /** Change the status; news from a stream tells that it is open. */
  #tell(news, link) {
    if (link && !link.once) Object.assign(news, { link: "open", reason: undefined, code: undefined, problem: undefined });
    if (Object.entries(news).every(([name, value]) => same(this.status[name], value))) return;
    this.status = { ...this.status, ...news };
    this.#fire("status", this.status);
  }

  // -- what may have killed a connection in silence

  #tick(before) {
    const period = Math.min(1_000, 250 * this.status.heartbeatSeconds);
    const now = this.#instant();
    this.#timers.tick = this.#env.setTimeout(() => this.#tick(this.#timers.seen ?? now), period);
    this.#timers.seen = undefined;
    // A hidden page's timers are slowed down; it did not sleep.
    if (this.#since(before) > period + SLEPT_MS && !this.#hidden()) this.#wake();
    for (const link of [this.#link, this.#candidate]) {
      const allowed = link?.heard ? 1000 * HEARTBEATS * this.status.heartbeatSeconds : OPENING_MS;
      if (link && this.#since(link.heardAt) > allowed) link.end({ reason: "silence", silent: true });
    }
    if (this.#rank > 0 && this.status.link === "open" && !this.#candidate && this.#env.now() > this.#betterAt)
      this.#candidate = this.#start(this.#counts.demotions % this.#rank);
  }

  #listen() {
    const { window, document } = this.#env;
    const { signal } = this.#stop;
    window?.addEventListener("online", () => this.#wake(), { signal });
    window?.addEventListener("pageshow", ({ persisted }) => persisted && this.#wake(), { signal });
    const seen = () => {
      if (this.#hidden()) return;
      this.#timers.seen = this.#instant();
      // What was heard within a heartbeat is alive: looking away and back costs nothing.
      if (!this.#link || this.#since(this.#link.heardAt) > 1000 * this.status.heartbeatSeconds) this.#wake();
    };
    for (const type of ["visibilitychange", "resume"]) document?.addEventListener(type, seen, { signal });
  }

  /** Come back at once. */
  #wake() {
    if (!this.#link || this.#env.now() - this.#link.began >= SHORT_MS) this.#again();
  }

  // -- links

  #open() {
    const now = this.#env.now();
    const early = this.#opened.length === LOOP ? this.#opened[0] + LOOP_MS - now : 0;
    if (early > 0) return this.#openLater({ reason: "too many connections in a short time" }, early);
    this.#opened = [...this.#opened, now].slice(-LOOP);
    this.#link = this.#start(this.#rank);
    this.#tell({ link: this.#word(), transport: this.#transports[this.#rank], retryAt: undefined });
  }

  #openLater({ reason, code, problem }, floorMs = 0, link = this.#word(), range = RETRY_MS, count = this.#counts.failures++) {
    const ms = Math.min(LONGEST_MS, Math.max(floorMs, this.#env.random() * doubled(range, count)));
    this.#timers.retry = this.#env.setTimeout(() => this.#open(), ms);
    // Another login may see other topics, so it begins anew: no diff from here would tell all of them.
    const cursor = LOGINS.includes(code) ? undefined : this.status.cursor;
    this.#tell({ link, reason, code, problem, cursor, retryAt: Math.round(this.#env.wall() + ms) });
  }

  #start(rank, once = false) {
    const link = { rank, once, began: this.#env.now(), heardAt: this.#instant(), heard: false, over: false, since: this.status.cursor, close() {} };
    link.hear = (data) => link.over || this.#hear(link, data);
    link.end = (why = {}) => link.over || this.#end(link, why);
    link.cursor = () => this.status.cursor;
    link.wait = () => Math.min(60, Math.max(1, Math.floor(this.status.heartbeatSeconds)));
    const address = (path, extra) => {
      const found = new URL(path, this.#url);
      for (const [name, value] of Object.entries({ ...this.#query, since: this.status.cursor, ...extra }))
        if (value !== undefined && value.length !== 0) found.searchParams.set(name, String(value));
      return found.href;
    };
    try {
      link.close = TRANSPORTS[once ? "longpoll" : this.#transports[rank]](this.#env, address, link);
    } catch (error) {
      // This browser has no such transport, or may not use it here.
      this.#env.setTimeout(() => link.end({ reason: String(error) }), 0);
    }
    return link;
  }

  #end(link, { code, reason = link.detail, problem = link.problem, retryMs = 0, silent, reached }) {
    const life = this.#env.now() - link.began;
    drop(link);
    if (link === this.#candidate) {
      this.#candidate = null;
      return this.#betterLater();
    }
    this.#link = null;
    if (link.heard && life > SLEPT_MS) this.#counts.failures = 0;
    if (life > PROVEN_MS) this.#counts.strikes = this.#counts.demotions = 0;
    if (link.heard && life > SHORT_MS) this.#counts.refusals = 0;
    if (code >= 4500 && code < 5000)
      return this.#openLater({ reason, code, problem }, REFUSED_MS[0] / 2, "closed", REFUSED_MS, this.#counts.refusals++);
    if (reached && this.#demote()) return this.#open();
    if (!link.heard && !link.once && this.#transports[link.rank] !== "longpoll") {
      // Is it the stream that fails, or the server? A question tells, and its answer may be news, too.
      this.#link = this.#start(link.rank, true);
      return undefined;
    }
    if (!link.once && !retryMs) this.#counts.strikes += silent ? 2 : Number(life < SHORT_MS);
    if (this.#counts.strikes >= STRIKES) this.#demote();
    reason ||= reached ? "the stream cannot be opened" : link.heard ? "the connection broke" : AWAY;
    return this.#openLater({ reason, code, problem }, retryMs);
  }

  /** Give up a transport for the next, if there is one. */
  #demote() {
    this.#counts.strikes = 0;
    if (this.#rank + 1 === this.#transports.length) return false;
    this.#rank += 1;
    this.#betterLater();
    return true;
  }

  #betterLater() {
    this.#betterAt = this.#env.now() + (0.5 + this.#env.random() / 2) * doubled(BETTER_MS, this.#counts.demotions++);
  }

  #promote() {
    const better = this.#candidate;
    this.#candidate = null;
    this.#abandon();
    this.#link = better;
    this.#rank = better.rank;
    this.#counts.strikes = 0;
    this.#tell({ transport: this.#transports[this.#rank] });
  }

  #abandon() {
    this.#env.clearTimeout(this.#timers.retry);
    drop(this.#link);
    drop(this.#candidate);
    this.#link = this.#candidate = null;
  }
}

const doubled = ([least, most], count) => Math.min(most, least * 2 ** count);

function drop(link) {
  if (!link) return;
  link.over = true;
  link.close();
}
