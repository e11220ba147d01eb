/**
 * `<rt-notice>`: the one loud sentence that says what is wrong and since when; nothing while all is well. Each kind has its colour, its glyph and
 * its ground, so that they differ from across a room and without colour.
 *
 * - `freshness`: of freshness.js
 *
 * A screen reader is told the sentence when it changes, and not each second how old the data has become.
 */

import { LitElement, css, html, nothing, svg } from "lit";

import { card } from "./card.js";

const PATHS = {
  live: svg`<circle cx="8" cy="8" r="6" fill="currentColor"></circle>`,
  partial: svg`<path d="M2 2h12v12h-12ZM2 14L14 2M8 14L14 8" class="thin"></path>`,
  fault: svg`<path d="M8 1.5L15 14H1ZM8 6v4M8 11.8v.4" class="thin"></path>`,
  stale: svg`<path d="M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0 -13ZM8 4.5V8.3L10.6 10"></path>`,
  down: svg`<path d="M2.5 2.5L13.5 13.5M13.5 2.5L2.5 13.5" class="thick"></path>`,
  reconnecting: svg`<path d="M1 5.5H6M4 2.5L1 5.5L4 8.5M15 10.5H10M12 7.5L15 10.5L12 13.5"></path>`,
  closed: svg`<path d="M2 8a6 6 0 1 1 12 0a6 6 0 1 1 -12 0ZM4.5 8H11.5"></path>`,
  locked: svg`<path d="M3.5 7.5H12.5V14H3.5ZM5.5 7.5V5a2.5 2.5 0 0 1 5 0V7.5"></path>`,
  starting: svg`<path d="M2.5 8h.1M8 8h.1M13.5 8h.1" class="thick"></path>`,
};
PATHS.connecting = PATHS.starting;
PATHS.asking = PATHS.locked;

/** The glyph of a kind of freshness. @param {string} kind */
export const alarm = (kind) =>
  html`<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${PATHS[kind]}</svg>`;

/** What is wrong and since when, as one sentence. @param {{ what?: string, since?: string }} [freshness] */
export const told = ({ what, since } = {}) => [what, since].filter(Boolean).join(" ").replace(/([^.!?])$/, "$1.");

class Notice extends LitElement {
  static properties = { freshness: { attribute: false } };

  static styles = [
    card,
    css`
      :host {
        display: block;
        padding: 0;
        border: 0;
        background: none;
      }
      .notice {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        align-items: center;
        gap: 0 0.9em;
        padding: 0.75em 1.1em;
        border-radius: var(--radius);
        background: var(--ground);
        color: var(--on);
      }
      svg {
        width: 1.7em;
        height: 1.7em;
      }
      .thick {
        stroke-width: 3.2;
      }
      .thin {
        stroke-width: 1.5;
      }
      p {
        margin: 0;
      }
      .what {
        font-size: 1.25em;
        font-weight: 650;
        line-height: 1.25;
        text-wrap: balance;
      }
      .how {
        overflow-wrap: anywhere;
        white-space: pre-line;
      }
      .stale {
        --ground: var(--alarm);
        --on: var(--alarm-ink);
      }
      .down,
      .closed,
      .locked,
      .asking {
        --ground: var(--loss);
        --on: var(--loss-ink);
      }
      .reconnecting {
        --ground: repeating-linear-gradient(-45deg, transparent 0 1.2em, rgb(0 0 0 / 0.14) 1.2em 2.4em) var(--away);
        --on: var(--away-ink);
      }
      .starting,
      .connecting {
        --ground: var(--calm);
        --on: var(--calm-ink);
      }
      .partial,
      .fault {
        --ground: var(--offline-wash);
        --on: var(--ink);
        border: max(2px, 0.14em) solid var(--offline);
      }
      .partial {
        border-style: dashed;
      }
      .partial .what,
      .fault .what {
        font-size: 1em;
      }
      .partial svg,
      .fault svg {
        color: var(--offline);
      }
    `,
  ];

  /** `loud` (attribute): whether there is anything to say. */
  updated() {
    this.toggleAttribute("loud", Boolean(this.freshness?.what));
  }

  render() {
    const { kind, what, how } = this.freshness ?? {};
    return html`<div class=${what ? `notice ${kind}` : nothing}>
      ${what ? alarm(kind) : nothing}
      <div>
        <p class="what" role="status">${told(this.freshness)}</p>
        ${how ? html`<p class="how">${how}</p>` : nothing}
      </div>
    </div>`;
  }
}

customElements.define("rt-notice", Notice);
