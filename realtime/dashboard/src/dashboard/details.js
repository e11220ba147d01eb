/**
 * `<rt-details>`: all that is known of one node, beside it. While it only is pointed at, it is a tooltip; pinned it is a panel that stays, is
 * updated, and can be closed.
 *
 * - `node`: the entity; undefined: nothing is shown
 * - `box`: where the node is on screen
 * - `pinned` (attribute)
 * - `now`: epoch ms
 * - `gone`: whether the source no longer lists it
 *
 * Sends `rt-details-closed`.
 */

import { LitElement, css, html, nothing } from "lit";

import { UNKNOWN, age, clock, count, memory, memoryOf, plural } from "../format.js";
import { offer, saying } from "../offer.js";
import { card } from "../parts/card.js";
import { glyph } from "../parts/glyph.js";
import { share } from "../parts/share.js";
import { tint } from "../parts/tint.js";

const APART = 10;

class Details extends LitElement {
  static properties = {
    node: { attribute: false },
    box: { attribute: false },
    pinned: { type: Boolean, reflect: true },
    now: { type: Number },
    gone: { type: Boolean },
  };

  static styles = [
    card,
    css`
      :host {
        display: none;
        position: absolute;
        z-index: 3;
        width: 21.5em;
        max-width: calc(100vw - 1.5em);
        padding: 0.9em 1.05em 1em;
        background: var(--card);
        border: max(1px, 0.07em) solid var(--dim);
        box-shadow: 0 0.6em 2em rgb(0 0 0 / 0.35);
        pointer-events: none;
      }
      :host([pinned]) {
        pointer-events: auto;
        border-color: var(--focus);
      }
      .head {
        display: flex;
        align-items: flex-start;
        gap: 0.6em;
      }
      h2 {
        flex: 1;
        margin: 0;
        font-size: 1.1em;
        color: var(--ink);
        overflow-wrap: anywhere;
      }
      .says {
        display: flex;
        align-items: center;
        gap: 0.5em;
        margin: 0.3em 0 0.7em;
        font-weight: 600;
      }
      dl {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr);
        gap: 0.35em 1em;
        margin: 0;
      }
      dt {
        color: var(--dim);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .bar {
        display: flex;
        height: 0.45em;
        margin-top: 0.25em;
        border-radius: 0.2em;
        overflow: hidden;
        background: var(--raised);
      }
      .bar i {
        background: var(--full);
      }
      .note {
        margin: 0.7em 0 0;
        font-size: 0.9em;
        color: var(--dim);
      }
      button {
        padding: 0.25em 0.5em;
        border: 0;
        border-radius: 0.4em;
        background: none;
        color: var(--dim);
        font: inherit;
        line-height: 1;
        cursor: pointer;
      }
      button:hover {
        background: var(--raised);
        color: var(--ink);
      }
      @media (max-width: 40rem) {
        :host([pinned]) {
          position: fixed;
          inset: auto 0.5rem 0.5rem 0.5rem !important;
          width: auto;
          max-width: none;
        }
      }
    `,
  ];

  render() {
    const { node } = this;
    if (!node) return nothing;
    return html`<div class="head">
        <h2 id="name">${node.name}</h2>
        ${this.pinned ? html`<button type="button" aria-label="Close the details" @click=${() => this.close()}>✕</button>` : nothing}
      </div>
      <p class="says">${glyph(offer(node))} ${tint(saying(node))}${node.stateInferred ? "*" : ""}</p>
      <dl>
        <dt>State</dt>
        <dd>${stateOf(node)}</dd>
        <dt>Since</dt>
        <dd>${node.stateSince === undefined ? "before this server began to watch" : `${clock(node.stateSince, this.now)}, for ${age(this.now - node.stateSince)}`}</dd>
        <dt>Jobs</dt>
        <dd>${tint(count(node.jobCount))}</dd>
        <dt>GPUs</dt>
        <dd>${amount(node.usedGpus, node.totalGpus, count)}</dd>
        <dt>CPUs</dt>
        <dd>${amount(node.usedCpus, node.totalCpus, count)}</dd>
        <dt>Memory</dt>
        <dd>${amount(node.usedMemoryGiB, node.totalMemoryGiB, memory, memoryOf)}</dd>
      </dl>
      ${this.gone ? html`<p class="note"><b>The source no longer lists this node.</b> This is how it last was.</p>` : nothing}
      ${notes(node).map((note) => html`<p class="note">${note}</p>`)}`;
  }

  updated() {
    const { node, pinned, box } = this;
    this.style.display = node ? "block" : "none";
    this.setAttribute("role", pinned ? "dialog" : "tooltip");
    if (node) this.setAttribute("aria-label", `Details of ${node.name}`);
    if (node && box) this.place(box);
  }

  /** Beside the node, on the side with more room, and never out of the window. */
  place(box) {
    const { innerWidth, innerHeight } = window;
    const { offsetWidth: width, offsetHeight: height } = this;
    let left = box.right + APART;
    if (left + width > innerWidth - APART) left = box.left - APART - width;
    if (left < APART) left = Math.max(APART, Math.min(box.left, innerWidth - width - APART));
    const covers = left < box.right && left + width > box.left;
    let top = covers ? box.bottom + APART : box.top + box.height / 2 - height / 3;
    if (top + height > innerHeight - APART) top = covers && box.top - APART - height > 0 ? box.top - APART - height : innerHeight - APART - height;
    this.style.left = `${left + scrollX}px`;
    this.style.top = `${Math.max(APART, top) + scrollY}px`;
  }

  /** Take the keyboard. */
  focus() {
    this.updateComplete.then(() => this.renderRoot.querySelector("button")?.focus({ preventScroll: true }));
  }

  close() {
    this.dispatchEvent(new CustomEvent("rt-details-closed", { bubbles: true, composed: true }));
  }
}

function stateOf({ state, stateDetail, stateInferred }) {
  return `${state}${stateDetail && stateDetail !== state ? `, ${stateDetail}` : ""}${stateInferred ? " (inferred)" : ""}`;
}

function amount(used, total, words, both = (a, b) => `${words(a)} of ${words(b)}`) {
  if (used === undefined && total === undefined) return UNKNOWN;
  if (total === 0) return "none";
  const known = used !== undefined && total > 0;
  return html`${tint(`${both(used, total)} in use`)}${known ? html`<div class="bar"><i ${share("width", `${Math.min(100, (100 * used) / total)}%`)}></i></div>` : nothing}`;
}

/** What has to be said besides. */
function notes(node) {
  const found = [];
  if (node.stateInferred)
    found.push(
      "* The exporter says that this node is down. It has no word for a full one, and this one runs jobs and has no CPU or GPU left, or has kept its jobs for longer than PBS leaves them to a dead node.",
    );
  if (node.suspect) found.push(`It is down and has ${plural(node.jobCount, "job")}: it may be dead, or full.`);
  if (node.memoryCoarse) found.push("PBS prints this memory in whole TiB: both numbers may be off by half a TiB.");
  if (node.capacityRemembered) found.push("PBS does not tell now what this node has; the totals are those that it last told.");
  return found;
}

customElements.define("rt-details", Details);
