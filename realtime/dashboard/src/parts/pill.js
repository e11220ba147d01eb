/**
 * `<rt-pill>`: the word for what to make of the numbers, and always how old the data is.
 *
 * - `freshness`: of freshness.js
 * - `ageMs`: how old the data is; undefined if unknown
 */

import { LitElement, css, html } from "lit";

import { age } from "../format.js";
import { card } from "./card.js";
import { alarm } from "./notice.js";

class Pill extends LitElement {
  static properties = { freshness: { attribute: false }, ageMs: { type: Number, hasChanged: (now, before) => age(now) !== age(before) } };

  static styles = [
    card,
    css`
      :host {
        display: inline-flex;
        padding: 0;
        border: 0;
        background: none;
        border-radius: 99em;
      }
      p {
        display: inline-flex;
        align-items: center;
        gap: 0.5em;
        margin: 0;
        padding: 0.3em 0.9em 0.3em 0.75em;
        border: max(1px, 0.07em) solid var(--line);
        border-radius: 99em;
        color: var(--dim);
        white-space: nowrap;
      }
      .age {
        display: inline-block;
        min-width: 6.7em;
      }
      svg {
        width: 0.95em;
        height: 0.95em;
        flex: none;
      }
      .live svg {
        color: var(--room);
      }
      .partial,
      .fault {
        border: max(2px, 0.14em) solid var(--offline);
      }
      .partial svg,
      .fault svg {
        color: var(--offline);
      }
      .stale,
      .down,
      .reconnecting,
      .closed,
      .locked,
      .starting,
      .connecting {
        border-color: transparent;
        background: var(--ground);
        color: var(--on);
      }
      .stale b,
      .down b,
      .reconnecting b,
      .closed b,
      .locked b,
      .starting b,
      .connecting b {
        color: inherit;
      }
      .stale {
        --ground: var(--alarm);
        --on: var(--alarm-ink);
      }
      .down,
      .closed,
      .locked {
        --ground: var(--loss);
        --on: var(--loss-ink);
      }
      .reconnecting {
        --ground: var(--away);
        --on: var(--away-ink);
      }
      .starting,
      .connecting {
        --ground: var(--calm);
        --on: var(--calm-ink);
      }
    `,
  ];

  render() {
    const { kind = "connecting", word = "connecting" } = this.freshness ?? {};
    return html`<p class=${kind}>${alarm(kind)} <b>${word}</b> <span class="age">${this.ageMs === undefined ? "age unknown" : `data ${age(this.ageMs)} old`}</span></p>`;
  }
}

customElements.define("rt-pill", Pill);
