/** `<rt-dashboard>`: the page at `/`. It holds the feed and what the reader has chosen, and hands both to its parts. */

import { LitElement, html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { judgement } from "../judgement.js";
import { plural } from "../format.js";
import { finder, offer, tally } from "../offer.js";
import "../parts/events.js";
import "../parts/headlines.js";
import "../parts/node-map.js";
import { told } from "../parts/notice.js";
import "../parts/pill.js";
import "../parts/queues.js";
import "../parts/room.js";
import "../parts/users.js";
import { connect } from "../realtime-client.js";
import { Access } from "./access.js";
import { read, write } from "./address.js";
import { exit, lights } from "./buttons.js";
import "./details.js";
import "./history.js";
import "./login.js";
import { tools } from "./tools.js";

/** More nodes than this have the whole width of the page, below everything else: beside it they would be a tower. */
const MANY = 96;

class Dashboard extends LitElement {
  static properties = {
    state: { state: true },
    status: { state: true },
    choice: { state: true },
    shown: { state: true },
    freshness: { state: true },
    outdated: { state: true },
  };

  constructor() {
    super();
    this.choice = read(location.search);
    this.state = {};
    this.access = new Access(this);
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.follow();
    this.ticker = setInterval(() => this.tick(), 1000);
    addEventListener("popstate", () => this.choose(read(location.search), { remember: false }));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => this.aim());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.ticker);
    this.feed.close();
  }

  /** Follow the chosen cluster. */
  follow() {
    this.feed?.close();
    // Under the page's own path, which a proxy may have moved.
    this.feed = connect({ url: new URL(".", location.href).href, cluster: this.choice.cluster });
    this.judge = judgement(Date.now());
    // As often as the screen is painted, and not at all while nobody sees it.
    const soon = () => (this.frame ??= requestAnimationFrame(() => ((this.frame = undefined), this.take())));
    this.feed.addEventListener("change", soon);
    this.feed.addEventListener("status", soon);
    // Whoever reads this page may be in the middle of something: it is not loaded anew under their eyes.
    this.feed.addEventListener("build", () => (this.outdated = true));
    this.take();
  }

  /** Take over what the feed has. */
  take() {
    this.state = this.feed.state;
    this.status = this.feed.status;
    this.tick();
    this.access.heed(this.status, this.freshness);
  }

  tick() {
    this.now = Date.now();
    ({ freshness: this.freshness, ageMs: this.ageMs } = this.judge(this.feed, this.now));
  }

  willUpdate(changed) {
    if (changed.has("state") && changed.get("state")?.nodes !== this.state.nodes) {
      const nodes = Object.values(this.state.nodes ?? {});
      this.tally = this.state.nodes && tally(nodes);
      // The details follow their node; of one that is gone they show the last.
      if (this.shown) {
        const node = this.state.nodes?.[this.shown.node.name];
        this.shown = { ...this.shown, node: node ?? this.shown.node, gone: !node };
      }
    }
    if (changed.has("choice")) {
      const { search, offers } = this.choice;
      const named = finder(search);
      this.chosen = search || offers.length ? (node) => (!offers.length || offers.includes(offer(node))) && named(node.name) : undefined;
    }
  }

  updated() {
    const root = document.documentElement;
    if (root.dataset.freshness !== this.freshness.kind) root.dataset.freshness = this.freshness.kind;
    const title = this.caption();
    if (document.title !== title) document.title = title;
    if (this.choice.node && !this.shown && this.state.nodes?.[this.choice.node]) this.pin(this.choice.node);
  }

  caption() {
    const { cluster } = this.status;
    const { kind, word } = this.freshness;
    const numbers = this.tally ? `: ${this.tally.room} of ${plural(this.tally.total, "node")} ${this.tally.room === 1 ? "has" : "have"} room` : "";
    return `${kind === "live" ? "" : `(${word}) `}${cluster ?? "realtime"}${numbers}`;
  }

  // -- choices

  /** @param {Partial<import("./address.js").Choice>} change */
  choose(change, { remember = true } = {}) {
    const before = this.choice;
    this.choice = { ...before, ...change };
    if (remember) history.replaceState(null, "", `${location.pathname}${write(this.choice)}`);
    if (this.choice.cluster !== before.cluster) {
      this.shown = undefined;
      this.choice = { ...this.choice, node: undefined };
      this.follow();
    }
  }

  key(event) {
    const typing = event.composedPath()[0].matches?.("input, textarea");
    const searching = typing && event.composedPath()[0].type === "search";
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.querySelector("[type=search]")?.focus();
    } else if (event.key === "Escape" && this.shown) this.unpin();
    else if (event.key === "Escape" && searching) this.choose({ search: "" });
  }

  // -- the node whose details are shown

  get map() {
    return this.querySelector("rt-node-map");
  }

  show({ name, box }) {
    if (this.choice.node) return;
    const node = this.state.nodes[name];
    if (node) this.shown = { node, box };
  }

  hide() {
    if (!this.choice.node) this.shown = undefined;
  }

  pin(name) {
    const node = this.state.nodes?.[name];
    if (!node) return;
    this.choose({ node: name });
    this.shown = { node, box: this.map?.boxOf(name) };
    // From the address: the map is not there yet.
    if (!this.shown.box) this.map?.updateComplete.then(() => requestAnimationFrame(() => this.aim()));
    else this.updateComplete.then(() => this.querySelector("rt-details").focus());
  }

  unpin() {
    const { node } = this.choice;
    this.choose({ node: undefined });
    this.shown = undefined;
    if (node && this.map?.boxOf(node)) this.map.focusOn(node);
  }

  /** Put the pinned details beside their node, wherever it is now. */
  aim() {
    if (this.choice.node && this.shown) this.shown = { ...this.shown, box: this.map?.boxOf(this.choice.node) ?? this.shown.box };
  }

  // -- what is on screen

  render() {
    if (this.access.asks && this.freshness.none) return this.closed();
    const { summary, trend } = this.state;
    const many = this.tally?.total > MANY;
    // Not by CSS alone: the keyboard and screen readers walk in this order.
    const order = many ? ["side", "past", "nodes"] : ["nodes", "side", "past"];
    return html`${this.header()}
      <main class=${many ? "many" : ""}>
        ${this.notice()}
        <rt-headlines .summary=${summary} .trend=${trend} .tally=${this.tally}></rt-headlines>
        ${repeat(order, (name) => name, (name) => this[name]())}
        <rt-details
          .node=${this.shown?.node}
          .box=${this.shown?.box}
          .gone=${this.shown?.gone}
          .now=${this.now}
          ?pinned=${Boolean(this.choice.node && this.shown)}
          @rt-details-closed=${() => this.unpin()}
        ></rt-details>
      </main>`;
  }

  /** There is nothing to see before the login. */
  closed() {
    return html`${this.header()}
      <main class="closed">${this.notice()} ${this.login()}</main>`;
  }

  login() {
    const { how, none } = this.freshness;
    const { said, problem } = this.access;
    return html`<rt-login ?over=${!none} .what=${said || told(this.freshness)} .how=${how} .refusal=${problem} @rt-entered=${() => this.access.enter()}></rt-login>`;
  }

  notice() {
    return html`<rt-notice .freshness=${this.access.asks ? undefined : this.freshness}></rt-notice>`;
  }

  nodes() {
    return html`<rt-node-map
      heading="Nodes"
      interactive
      legend
      .nodes=${this.state.nodes}
      .chosen=${this.chosen}
      .pinned=${this.choice.node}
      @rt-node-shown=${({ detail }) => this.show(detail)}
      @rt-node-left=${() => this.hide()}
      @rt-node-pinned=${({ detail }) => this.pin(detail.name)}
      @rt-node-escaped=${() => this.unpin()}
      >${tools(this.choice, this.tally, (change) => this.choose(change))}</rt-node-map
    >`;
  }

  side() {
    const { summary, queues, users, events } = this.state;
    return html`<div class="side">
      <rt-room .tally=${this.tally} .summary=${summary}></rt-room>
      <rt-queues .queues=${queues} most="12" interactive></rt-queues>
      ${users || !summary ? html`<rt-users .users=${users} most="8" interactive></rt-users>` : nothing}
      <rt-events fit .events=${events} .now=${this.now}></rt-events>
    </div>`;
  }

  past() {
    return html`<rt-history
      .cluster=${this.choice.cluster}
      .range=${this.choice.range}
      ?gpus=${this.tally?.unit !== "CPU"}
      ?open=${this.status.link === "open"}
      @rt-range=${({ detail }) => this.choose(detail)}
    ></rt-history>`;
  }

  header() {
    const { cluster, clusters = [] } = this.status;
    const { asks, byCookie, problem } = this.access;
    const { none } = this.freshness;
    const chosen = cluster ?? this.choice.cluster;
    return html`<header class="bar">
      <h1>${chosen ?? "realtime"}</h1>
      ${clusters.length > 1
        ? html`<nav class="seg" aria-label="Clusters">
            ${clusters.map(
              (name) => html`<button type="button" aria-pressed=${String(name === chosen)} @click=${() => this.choose({ cluster: name })}>${name}</button>`,
            )}
          </nav>`
        : nothing}
      ${asks && none ? nothing : html`<rt-pill .freshness=${this.freshness} .ageMs=${this.ageMs}></rt-pill>`}
      <span class="space"></span>
      ${this.outdated ? html`<button type="button" class="plain new" @click=${() => location.reload()}>A new version: load it</button>` : nothing}
      ${asks ? nothing : html`<a class="plain wall" href="kiosk${this.choice.cluster ? `?cluster=${encodeURIComponent(this.choice.cluster)}` : ""}">Wall display</a>`}
      <div class="ends">
        ${lights()} ${byCookie ? exit(() => this.access.leave()) : nothing}
      </div>
      ${byCookie && problem ? html`<p class="failed" role="alert">${problem}</p>` : nothing}
      ${asks && !none ? this.login() : nothing}
    </header>`;
  }
}

customElements.define("rt-dashboard", Dashboard);
