/**
 * `<rt-login>`: asks for a token, and says why one is refused.
 *
 * - `what`, `how`: why it asks, and how old the numbers are
 * - `refusal`: what is wrong with a token that was taken
 * - `over` (attribute): whether there are old numbers, above which it is one line
 *
 * Sends `rt-entered` when a token was taken. Not in a shadow root: not all password managers look into one.
 */

import { LitElement, html, nothing } from "lit";

import { asSentence } from "../format.js";
import { alarm } from "../parts/notice.js";
import { logIn } from "../session.js";
import "./login.css";

class Login extends LitElement {
  static properties = { what: {}, how: {}, refusal: {}, over: { type: Boolean, reflect: true }, problem: { state: true }, busy: { state: true } };

  createRenderRoot() {
    return this;
  }

  get field() {
    return this.querySelector("#token");
  }

  firstUpdated() {
    // Where there is nothing else, that is what the reader came for; where there is, they may be in the middle of it.
    if (!this.over) this.field.focus();
  }

  async submit(event) {
    event.preventDefault();
    if (this.busy) return;
    const token = this.field.value.trim();
    this.problem = undefined;
    if (token) {
      this.busy = true;
      const { problem } = await logIn(token);
      this.problem = problem && asSentence(problem);
      this.busy = false;
    } else this.problem = "Enter a token.";
    if (this.problem) this.field.select();
    else {
      this.field.value = "";
      this.dispatchEvent(new CustomEvent("rt-entered"));
    }
  }

  render() {
    const problem = this.problem || this.refusal;
    return html`<form method="post" action="api/session" aria-labelledby="login" @submit=${(event) => this.submit(event)}>
      ${alarm("locked")}
      <div class="words">
        <h2 id="login">Log in</h2>
        <p role="alert">${this.what}</p>
        ${this.how ? html`<p>${this.how}</p>` : nothing}
      </div>
      <div class="entry">
        <label for="token">Token</label>
        <!-- What keeps passwords keeps them for somebody. -->
        <input type="text" name="username" value="realtime" autocomplete="username" readonly hidden>
        <input
          id="token"
          type="password"
          name="password"
          autocomplete="current-password"
          autocapitalize="off"
          spellcheck="false"
          aria-describedby="problem"
          aria-invalid=${problem ? "true" : nothing}
        >
        <p id="problem" role="alert">${problem}</p>
        <button aria-disabled=${this.busy ? "true" : nothing}>Log in</button>
      </div>
    </form>`;
  }
}

customElements.define("rt-login", Login);
