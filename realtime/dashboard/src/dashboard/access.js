/**
 * Whether the page is let in. Where the server asks for a token, the page does too, until it is let in; where it has asked nobody, nothing of this
 * is to be seen.
 */

import { isByCookie, logOut } from "../session.js";

const ASKED = new Set(["locked", "asking"]);
/** What one tab tells the others of this origin: that the cookie which they all have is gone. */
const TABS = "realtime-session";
const OUT = "out";

const NOT_KEPT = "The token is right, but this browser has not kept the login: it must allow this site's cookies.";
const LEFT = "You are logged out.";

/** A Lit controller; by `follow()` its host forgets what it holds, and follows anew. */
export class Access {
  /** Whether the form is shown: from a refusal on, through what may befall the link meanwhile, until the page is let in. */
  asks = false;
  /** Whether there is a login to end. */
  byCookie = false;
  /** What the reader has brought about, as a sentence. */
  said = "";
  /** What went wrong with it. */
  problem = "";

  #host;
  #env;
  #tabs;
  #entered = false; // whether a token was just taken
  #inquired = false; // whether it was asked if there is a cookie

  /** @param {import("lit").ReactiveControllerHost & { feed: { retry(): void }, follow(): void }} host and, for tests, what it has from others */
  constructor(host, env = { isByCookie, logOut, BroadcastChannel }) {
    this.#host = host;
    this.#env = env;
    host.addController(this);
  }

  hostConnected() {
    this.#tabs = new this.#env.BroadcastChannel(TABS);
    this.#tabs.onmessage = ({ data }) => data === OUT && this.byCookie && this.#forget();
  }

  hostDisconnected() {
    this.#tabs.close();
  }

  /** Take over what became of the link. @param {{ link: string }} status @param {string} kind of freshness */
  heed({ link }, kind) {
    if (link === "open") {
      if (this.asks) this.said = this.problem = "";
      this.asks = this.#entered = false;
      if (!this.#inquired) this.#inquire();
      return;
    }
    this.#inquired = false;
    if (ASKED.has(kind)) {
      // Until there is an answer the link comes back with the refusal of before.
      if (this.#entered && link === "closed") [this.problem, this.#entered] = [NOT_KEPT, false];
      this.asks = true;
      this.byCookie = false;
    } else if (link === "closed") this.asks = false;
  }

  /** Once each time that the link opens: a server that comes back may have begun, or ceased, to ask. */
  async #inquire() {
    this.#inquired = true;
    const byCookie = await this.#env.isByCookie();
    if (!this.#inquired) return;
    this.byCookie = byCookie;
    this.#host.requestUpdate();
  }

  /** A token has become a cookie. */
  enter() {
    this.said = this.problem = "";
    this.#entered = true;
    this.#host.feed.retry();
  }

  async leave() {
    this.problem = "";
    const { problem } = await this.#env.logOut();
    if (problem) this.problem = `You are still logged in: ${problem}.`;
    else {
      this.#tabs.postMessage(OUT);
      this.#forget();
    }
    this.#host.requestUpdate();
  }

  /** Who is logged out sees nothing any more. */
  #forget() {
    Object.assign(this, { asks: true, byCookie: false, said: LEFT });
    this.#inquired = false;
    this.#host.follow();
  }
}
