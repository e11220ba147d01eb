/**
 * `<rt-node-map>`: every node as what it offers. Few nodes are tiles (`<rt-node-tiles>`), many are cells painted on a canvas (`<rt-node-cells>`).
 *
 * - `nodes`: the `nodes` topic
 * - `chosen`: `(node) => boolean`, which of them are shown; default: all
 * - `heading`: text of the heading; without it there is none. What is in the slot `tools` stands beside it
 * - `fit` (attribute): the map fills its box, whatever its size, and never scrolls: for a wall. Else it is as high as it needs
 * - `interactive` (attribute): nodes can be pointed at and walked through by keyboard (arrows, Home, End, Enter, Escape)
 * - `pinned`: the name of the node whose details stay on screen
 * - `legend` (attribute): what bars, glyphs and the star mean, below
 *
 * Events, if interactive (they bubble): `rt-node-shown` `{ name, box }` when a node is pointed at or focused, `rt-node-left` when none is any
 * more, `rt-node-pinned` `{ name, box }` on click or Enter, `rt-node-escaped`.
 */

import { LitElement, css, html, nothing } from "lit";

import { byName, count } from "../format.js";
import { OFFERS, offer, prefixLength, tally } from "../offer.js";
import { card } from "./card.js";
import { glyph } from "./glyph.js";
import "./node-cells.js";
import "./node-tiles.js";
import { tileFont } from "./node-tiles.js";
import { Size } from "./size.js";

/**
 * So many nodes are tiles. A tile is 15 elements: on two slow cores 240 of them took 0.2 s to appear, 1,000 took 1.7 s and 5,000 took 5.3 s, and then
 * 0.5 s for each diff; as cells 5,000 took 13 ms, and 3 ms for a diff (2 % changed). Between the two numbers the map stays what it is, so
 * that it does not turn over with each node that goes down.
 */
const TILES_UP_TO = 240;
const CELLS_FROM = 280;

/** In a box of a given size tiles whose letters are smaller than this part of the page's are not legible, and cells are shown. */
const SMALLEST_LETTERS = 0.62;

class NodeMap extends LitElement {
  static properties = {
    nodes: { attribute: false },
    chosen: { attribute: false },
    heading: {},
    fit: { type: Boolean, reflect: true },
    interactive: { type: Boolean },
    legend: { type: Boolean },
    pinned: {},
  };

  static styles = [
    card,
    css`
      :host([fit]) {
        min-height: 0;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5em 0.8em;
        margin-bottom: 0.75em;
      }
      header h2 {
        flex: 1 1 auto;
        margin: 0;
      }
      .field {
        min-width: 0;
      }
      :host([fit]) .field {
        flex: 1 1 0;
        min-height: 0;
        overflow: hidden;
      }
      .legend {
        display: flex;
        flex-wrap: wrap;
        gap: 0.3em 1.3em;
        margin: 0.9em 0 0;
        font-size: 0.88em;
        color: var(--dim);
      }
      /* Below thousands of cells nobody would see it. */
      :host([cells]:not([fit])) header {
        order: -2;
      }
      :host([cells]:not([fit])) .legend {
        order: -1;
        margin: 0 0 0.9em;
      }
      .legend span {
        display: inline-flex;
        align-items: center;
        gap: 0.4em;
      }
      .bar {
        width: 0.65em;
        height: 0.65em;
        border-radius: 0.14em;
        background: var(--full);
      }
      .bar.free {
        background: none;
        border: max(1.5px, 0.12em) solid var(--room);
      }
      .bar.lost {
        background: none;
        border: max(1px, 0.08em) dashed var(--dim);
      }
      .none {
        margin: 2em 0;
        text-align: center;
        color: var(--dim);
      }
    `,
  ];

  constructor() {
    super();
    this.size = new Size(this, ".field");
    this.order = [];
    this.skip = 0;
    this.cells = false;
  }

  willUpdate(changed) {
    if (changed.has("nodes")) this.sort();
    if (changed.has("nodes") || changed.has("chosen")) {
      const all = this.order.map((name) => this.nodes[name]);
      this.shown = this.chosen ? all.filter(this.chosen) : all;
    }
  }

  /** Put the names in order, if they are not the same ones as before. */
  sort() {
    const nodes = this.nodes ?? {};
    const names = Object.keys(nodes);
    if (names.length === this.order.length && this.order.every((name) => nodes[name])) return;
    this.order = names.sort(byName);
    this.skip = prefixLength(this.order);
  }

  render() {
    const shown = this.shown ?? [];
    this.cells = this.isCells(shown);
    this.toggleAttribute("cells", this.cells);
    return html`${this.heading ? html`<header><h2>${this.heading}</h2><slot name="tools"></slot></header>` : nothing}
      <div class="field">${this.map(shown)}</div>
      ${this.legend && shown.length ? this.keys(shown) : nothing}`;
  }

  isCells(shown) {
    if (!this.fit) return shown.length > (this.cells ? TILES_UP_TO : CELLS_FROM);
    const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const longest = shown.reduce((most, { name }) => Math.max(most, name.length - this.skip), 0);
    return this.size.width > 0 && tileFont(this.size, shown.length, longest).em < SMALLEST_LETTERS * root;
  }

  map(shown) {
    if (!shown.length) return html`<p class="none">${this.order.length ? "No node is like that." : this.nodes ? "There is no node." : "\u2013"}</p>`;
    return this.cells
      ? html`<rt-node-cells .nodes=${shown} .skip=${this.skip} .pinned=${this.pinned} ?fit=${this.fit} ?interactive=${this.interactive}></rt-node-cells>`
      : html`<rt-node-tiles .nodes=${shown} .skip=${this.skip} .pinned=${this.pinned} ?fit=${this.fit} ?interactive=${this.interactive}></rt-node-tiles>`;
  }

  /** Where a node is on screen, if it is. @param {string} name @returns {DOMRect | undefined} */
  boxOf(name) {
    return this.renderRoot.querySelector("rt-node-tiles, rt-node-cells")?.boxOf(name);
  }

  /** Give a node the keyboard. @param {string} name */
  focusOn(name) {
    this.renderRoot.querySelector("rt-node-tiles, rt-node-cells")?.focusOn(name);
  }

  keys(shown) {
    const { unit, lost, inferred } = tally(shown);
    const bars = this.cells
      ? html`<span>a cell is filled as far as its ${unit}s are in use${unit === "GPU" ? "; the number is how many are free" : ""}</span>`
      : html`<span>${unit === "GPU" ? "each bar is a GPU:" : "a bar is a node's CPUs:"} <i class="bar"></i> in use</span>
          <span><i class="bar free"></i> free</span>
          ${lost ? html`<span><i class="bar lost"></i> unused, but no job can have it</span>` : nothing}`;
    return html`<p class="legend">
      ${this.cells ? OFFERS.filter((what) => shown.some((node) => offer(node) === what)).map((what) => html`<span>${glyph(what)} ${what}</span>`) : nothing} ${bars}
      ${inferred ? html`<span><b>*</b> state inferred (${count(inferred)}): the exporter says down, but jobs run on it and keep it full</span>` : nothing}
    </p>`;
  }
}

customElements.define("rt-node-map", NodeMap);
