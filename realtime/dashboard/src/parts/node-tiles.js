/**
 * `<rt-node-tiles>`: nodes as tiles: name, glyph, a bar for each GPU (or one for all CPUs), and what it offers in words.
 *
 * - `nodes`: entities in the order in which they are shown
 * - `skip`: how many characters of each name are left out
 * - `fit`, `interactive`, `pinned`: as of `<rt-node-map>`, whose events it sends
 */

import { LitElement, css, html, nothing } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";

import { bars, label, offer, saying, sentence } from "../offer.js";
import { card } from "./card.js";
import { glyph } from "./glyph.js";
import { share } from "./share.js";
import { Size } from "./size.js";
import { glow } from "./tint.js";
import { walk } from "./walk.js";

/** A tile's least width and height, in its own letters, and the gap between two. */
const WIDTH = 6.4;
const HEIGHT = 4.8;
const GAP = 0.5;

/** More GPUs than this are drawn as one bar: single ones would be hairs. */
const MOST_BARS = 16;

/** A tile's least width in its own letters, for names of so many characters. */
const widthOf = (longest) => Math.min(16, Math.max(WIDTH, longest * 0.66 + 3.4));

/** The letters with which so many tiles fill a box best: their size in CSS pixels, and the columns. */
export function tileFont({ width, height }, nodes, longest) {
  let best = { em: 0, columns: 1 };
  for (let columns = 1; columns <= nodes; columns += 1) {
    const rows = Math.ceil(nodes / columns);
    const em = Math.min(width / (columns * (widthOf(longest) + GAP)), height / (rows * (HEIGHT + GAP)));
    if (em > best.em) best = { em, columns };
  }
  return best;
}

class NodeTiles extends LitElement {
  static properties = {
    nodes: { attribute: false },
    skip: { type: Number },
    fit: { type: Boolean, reflect: true },
    interactive: { type: Boolean, reflect: true },
    pinned: {},
    active: { state: true },
  };

  static styles = [
    card,
    css`
      :host {
        display: block;
        padding: 0;
        border: 0;
        background: none;
      }
      :host([fit]) {
        height: 100%;
      }
      .tiles {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr));
        gap: ${GAP}em;
      }
      :host([fit]) .tiles {
        grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
        grid-auto-rows: minmax(0, 1fr);
        height: 100%;
        font-size: var(--letters);
      }
      .tile {
        display: flex;
        flex-direction: column;
        justify-content: center;
        gap: 0.38em;
        min-width: 0;
        padding: 0.4em 0.4em 0.45em;
        border: max(1px, 0.07em) solid var(--line);
        border-left: 0.28em solid var(--colour);
        border-radius: 0.5em;
        background: linear-gradient(var(--wash), var(--wash)) var(--card);
      }
      :host([interactive]) .tile {
        cursor: pointer;
      }
      .tile[aria-selected="true"] {
        outline: 0.15em solid var(--focus);
      }
      .tile > * {
        flex: none;
      }
      .top {
        display: flex;
        align-items: center;
        gap: 0.15em;
      }
      .name {
        flex: 1;
        font-weight: 600;
      }
      .star {
        font-weight: 700;
        line-height: 1;
        color: var(--colour);
      }
      .bars {
        display: grid;
        grid-template-columns: repeat(var(--most), minmax(0, 1fr));
        gap: 0.18em;
        height: 0.6em;
      }
      .bars i {
        border-radius: 0.14em;
      }
      .used {
        background: var(--full);
      }
      .free {
        border: max(1.5px, 0.12em) solid var(--room);
      }
      .lost {
        border: max(1px, 0.08em) dashed var(--unknown);
      }
      .untold {
        border: max(1px, 0.08em) dotted var(--unknown);
      }
      .offline .used,
      .down .used {
        background: var(--unknown);
      }
      .whole {
        display: flex;
        gap: 0;
      }
      .whole i {
        min-width: 0;
      }
      .whole .used + .free {
        border-left: 0;
        border-radius: 0 0.14em 0.14em 0;
      }
      .saying {
        font-size: 0.81em;
        font-stretch: semi-condensed;
        color: var(--dim);
      }
    `,
  ];

  constructor() {
    super();
    this.size = new Size(this);
    this.skip = 0;
  }

  willUpdate() {
    if (!this.nodes.some(({ name }) => name === this.active)) this.active = this.nodes[0]?.name;
    this.longest = this.nodes.reduce((most, { name }) => Math.max(most, name.length - this.skip), 0);
    this.most = this.nodes.reduce((most, { totalGpus = 0 }) => (totalGpus <= MOST_BARS ? Math.max(most, totalGpus) : most), 1);
  }

  render() {
    const { em, columns } = this.fit && this.size.width ? tileFont(this.size, this.nodes.length, this.longest) : { em: this.size.em, columns: 1 };
    return html`<div
      class="tiles"
      role=${this.interactive ? "listbox" : "list"}
      aria-label="Nodes"
      ${share("--tile", `${widthOf(this.longest)}em`)}
      ${share("--most", this.most)}
      ${share("--columns", columns)}
      ${share("--letters", `${em}px`)}
      ${this.interactive ? walk(this) : nothing}
    >
      ${repeat(
        this.nodes,
        ({ name }) => name,
        (node) => guard([node, this.skip, node.name === this.active, node.name === this.pinned, this.interactive], () => this.tile(node)),
      )}
    </div>`;
  }

  tile(node) {
    const what = offer(node);
    return html`<div
      class="tile ${what}"
      role=${this.interactive ? "option" : "listitem"}
      aria-label=${sentence(node)}
      aria-selected=${this.interactive ? String(node.name === this.pinned) : nothing}
      tabindex=${this.interactive ? (node.name === this.active ? 0 : -1) : nothing}
      data-name=${node.name}
    >
      <div class="top">
        <span class="name cut">${label(node.name, this.skip)}</span>
        ${glyph(what)}${node.stateInferred ? html`<span class="star">*</span>` : nothing}
      </div>
      ${this.bars(node)}
      <div class="saying cut">${saying(node)}</div>
    </div>`;
  }

  bars(node) {
    const { unit, total, used, free, lost, untold } = bars(node);
    const shares = Object.entries({ used, free, lost, untold }).filter(([, n]) => n > 0);
    if (unit === "GPU" && total <= MOST_BARS)
      return html`<div class="bars">${shares.map(([kind, n]) => Array.from({ length: n }, () => html`<i class=${kind}></i>`))}</div>`;
    return html`<div class="bars whole">${shares.map(([kind, n]) => html`<i class=${kind} ${share("flex", `${n} 1 0`)}></i>`)}</div>`;
  }

  /** Tint what is another entity than before under the same name. */
  updated(changed) {
    if (!changed.has("nodes")) return;
    const before = changed.get("nodes");
    if (before) {
      const was = new Map(before.map((node) => [node.name, node]));
      for (const node of this.nodes) {
        const old = was.get(node.name);
        if (old && old !== node && (saying(old) !== saying(node) || offer(old) !== offer(node))) {
          const words = this.tileOf(node.name)?.querySelector(".saying");
          if (words) glow(words);
        }
      }
    }
  }

  tileOf(name) {
    return this.renderRoot.querySelector(`[data-name="${CSS.escape(name)}"]`);
  }

  /** For `walk`: how many nodes are side by side. */
  get columns() {
    return getComputedStyle(this.renderRoot.querySelector(".tiles")).gridTemplateColumns.split(" ").length;
  }

  /** For `walk`: the node at an event, and where it is. */
  at(event) {
    return event.target.closest?.("[data-name]")?.dataset.name;
  }

  boxOf(name) {
    return this.tileOf(name)?.getBoundingClientRect();
  }

  focusOn(name) {
    this.active = name;
    this.updateComplete.then(() => this.tileOf(name)?.focus());
  }
}

customElements.define("rt-node-tiles", NodeTiles);
