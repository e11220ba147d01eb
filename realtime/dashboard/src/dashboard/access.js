/**
 * Whether the page is let in. Where the server asks for a token, the page does too, until it is let in; where it has asked nobody, nothing of this
 * is to be seen.
 */

import { IN, OUT, isByCookie, logOut, tabs } from "../session.js";

/** A server that could not say whether there is a cookie is asked again after so long, and not with every change of the state. */
const AGAIN_MS = 10_000;

const NOT_KEPT = "The token is right, but this browser has not kept the login: it must allow this site's cookies.";
const LEFT = "You are logged out.";

/** A Lit controller; by `follow()` its host forgets what it holds, and follows anew. */
export class Access {
  /** Whether the form is shown: from a refusal on, through what may befall the link meanwhile, until the page is let in. */
  asks = false;
  /** Whether there is a login to end; undefined while that is not known. @type {boolean | undefined} */
  byCookie;
  /** What the reader has brought about, as a sentence. */
  said = "";
  /** What went wrong with it. */
  problem = "";

  #host;
  #env;
  #tabs;
  #entered = false; // whether a token was just taken
  #inquiry; // the question whether there is a cookie, if it was asked since the link is open

  /** @param {import("lit").ReactiveControllerHost & { feed: { retry(): void }, follow(): void }} host and, for tests, what it has from others */
  constructor(host, env = { isByCookie, logOut, BroadcastChannel, setTimeout: (...all) => setTimeout(...all) }) {
    this.#host = host;
    this.#env = env;
    host.addController(this);
  }

  hostConnected() {
    this.#tabs = tabs((word) => this.#hear(word), this.#env.BroadcastChannel);
  }

  hostDisconnected() {
    this.#tabs.close();
    this.#inquiry = undefined;
  }

  #hear(word) {
    // Who is told that there is no cookie here has none to lose.
    if (word === OUT && this.byCookie !== false) this.#forget();
    // The cookie is this page's too: it may be let in by it now, and see more or less than before.
    if (word === IN) this.#host.feed.retry();
  }

  /** Take over what became of the link. @param {{ link: string }} status @param {{ login: boolean }} freshness */
  heed({ link }, { login }) {
    if (link === "open") {
      if (this.asks) this.said = this.problem = "";
      this.asks = this.#entered = false;
      if (!this.#inquiry) this.#inquire();
      return;
    }
    this.#inquiry = undefined;
    if (login) {
      // Until there is an answer the link comes back with the refusal of before.
      if (this.#entered && link === "closed") [this.problem, this.#entered] = [NOT_KEPT, false];
      this.asks = true;
      this.byCookie = undefined;
    } else if (link === "closed") this.asks = false;
  }

  /** Once each time that the link opens, until there is an answer: a server that comes back may have begun, or ceased, to ask. */
  async #inquire() {
    const inquiry = (this.#inquiry = {});
    // A way out that was there stays until it is known to be none.
    this.byCookie ||= undefined;
    const byCookie = await this.#env.isByCookie();
    if (this.#inquiry !== inquiry) return;
    if (byCookie === undefined) this.#env.setTimeout(() => this.#inquiry === inquiry && this.#inquire(), AGAIN_MS);
    else this.byCookie = byCookie;
    this.#host.requestUpdate();
  }

  /** A token has become a cookie. */
  enter() {
    this.said = this.problem = "";
    this.#entered = true;
    this.#tabs.postMessage(IN);
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
    Object.assign(this, { asks: true, byCookie: undefined, said: LEFT });
    this.#inquiry = undefined;
    this.#host.follow();
  }
}
