/**
 * `<rt-node-cells>`: thousands of nodes, each a small cell on a canvas; brush.js says what it looks like.
 *
 * Properties as of `<rt-node-tiles>`. Only what is in view is painted, and of a diff only the cells that changed; the cell with the keyboard
 * is a real element over the canvas, so that it can be focused and read out.
 */

import { LitElement, css, html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { sentence } from "../offer.js";
import { Brush } from "./brush.js";
import { card } from "./card.js";
import { Looks } from "./looks.js";
import { share } from "./share.js";
import { Size } from "./size.js";
import { TINT_MS } from "./tint.js";
import { walk } from "./walk.js";

/** From one cell to the next, in letters of the page; in a box to fill it is what fits, down to the least that can be told apart. */
const PITCH = 1.36;
const LEAST_PX = 4;
/** So much above and below what is in view is painted too, for a scroll to come. */
const AHEAD_PX = 400;

class NodeCells extends LitElement {
  static properties = {
    nodes: { attribute: false },
    skip: { type: Number },
    fit: { type: Boolean, reflect: true },
    interactive: { type: Boolean },
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
      .field {
        position: relative;
        height: var(--height);
        overflow: hidden;
      }
      canvas {
        position: absolute;
        left: 0;
        top: 0;
      }
      .cell {
        position: absolute;
        border-radius: 0.15em;
      }
      .cell[aria-selected="true"],
      .cell:focus-visible {
        outline: 0.15em solid var(--focus);
        outline-offset: 0.05em;
      }
    `,
  ];

  constructor() {
    super();
    this.size = new Size(this);
    this.skip = 0;
    this.changed = new Set();
    this.scrolled = () => (this.frame ??= requestAnimationFrame(() => ((this.frame = undefined), this.paintIfMoved())));
    new Looks(this, () => this.paint());
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener("scroll", this.scrolled, { passive: true, capture: true });
    addEventListener("resize", this.scrolled, { passive: true });
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("scroll", this.scrolled, { capture: true });
    removeEventListener("resize", this.scrolled);
  }

  willUpdate() {
    this.arrange();
    if (this.places.get(this.active) === undefined) this.active = this.nodes[0]?.name;
  }

  /** How many cells are side by side, how large, and behind how wide a column of names. */
  arrange() {
    const { width, height, em } = this.size;
    const { nodes } = this;
    if (!this.places || nodes.length !== this.placed?.length || nodes.some(({ name }, i) => name !== this.placed[i].name))
      this.places = new Map(nodes.map(({ name }, i) => [name, i]));
    this.placed = nodes;
    const longest = nodes.reduce((most, { name }) => Math.max(most, name.length - this.skip), 0);
    let [pitch, gutter] = [Math.round(PITCH * em), 0];
    if (this.fit) {
      pitch = Math.max(LEAST_PX, Math.floor(Math.sqrt((width * height) / nodes.length)));
      while (pitch > LEAST_PX && Math.floor(width / pitch) * Math.floor(height / pitch) < nodes.length) pitch -= 1;
    } else if (width > 30 * em && longest <= 12) gutter = Math.ceil((longest * 0.6 + 0.6) * em);
    let columns = Math.max(1, Math.floor((width - gutter) / pitch));
    // Rows of round numbers are easier to count along.
    if (gutter && columns > 20) columns -= columns % 10;
    const rows = Math.ceil(nodes.length / columns);
    this.plan = { pitch, gutter, columns, rows, side: pitch - Math.max(1, Math.round(pitch * 0.14)) };
  }

  render() {
    const { pitch, rows } = this.plan;
    const cells = [...new Set([this.focused, this.active, this.pinned])].filter((name) => this.places.has(name));
    return html`<div
      class="field"
      role=${this.interactive ? "listbox" : "img"}
      aria-label=${this.interactive ? "Nodes" : `${this.nodes.length} nodes`}
      ${share("--height", `${rows * pitch}px`)}
      ${this.interactive ? walk(this) : nothing}
    >
      <canvas aria-hidden="true"></canvas>
      ${this.interactive ? repeat(cells, (name) => name, (name) => this.cell(name)) : nothing}
    </div>`;
  }

  cell(name) {
    const place = this.places.get(name);
    const { pitch, gutter, columns, side } = this.plan;
    return html`<div
      class="cell"
      role="option"
      aria-label=${sentence(this.nodes[place])}
      aria-selected=${String(name === this.pinned)}
      aria-posinset=${place + 1}
      aria-setsize=${this.nodes.length}
      tabindex=${name === this.active ? 0 : -1}
      data-name=${name}
      ${share("left", `${gutter + (place % columns) * pitch}px`)}
      ${share("top", `${Math.floor(place / columns) * pitch}px`)}
      ${share("width", `${side}px`)}
      ${share("height", `${side}px`)}
    ></div>`;
  }

  updated(changed) {
    const before = changed.get("nodes");
    const same = JSON.stringify(this.plan) === this.painted?.plan && before?.length === this.nodes.length;
    if (!same) return this.paint();
    if (changed.has("nodes")) this.paintChanged(before);
    return undefined;
  }

  /** The rows in view, and a few more. */
  rowsInView() {
    const { pitch, rows } = this.plan;
    if (this.fit) return [0, rows];
    const top = this.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((-top - AHEAD_PX) / pitch));
    const last = Math.min(rows, Math.ceil((innerHeight - top + AHEAD_PX) / pitch));
    return [Math.min(first, rows), Math.max(last, Math.min(first, rows))];
  }

  paintIfMoved() {
    if (!this.painted || !this.isConnected) return;
    const { pitch } = this.plan;
    const [first, last] = this.rowsInView();
    const spare = Math.floor(AHEAD_PX / pitch / 2);
    const { first: from, last: to } = this.painted;
    if (Math.max(first, 0) < from - spare || Math.min(last, this.plan.rows) > to + spare || (first === 0 && from > 0) || (last === this.plan.rows && to < last)) this.paint();
  }

  /** Paint all that is in view. */
  paint() {
    const canvas = this.renderRoot?.querySelector("canvas");
    if (!canvas || !this.size.width) return;
    const { pitch, columns } = this.plan;
    const [first, last] = this.rowsInView();
    const scale = devicePixelRatio;
    const [width, height] = [this.size.width, (last - first) * pitch];
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px`, top: `${first * pitch}px` });
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.brush = new Brush(context, getComputedStyle(this));
    this.painted = { first, last, plan: JSON.stringify(this.plan) };
    this.paintNames();
    for (let i = first * columns; i < Math.min(last * columns, this.nodes.length); i += 1) this.paintCell(i);
  }

  /** Paint the cells whose node is another entity than before, and for a moment mark them. */
  paintChanged(before) {
    const { columns } = this.plan;
    const [from, to] = [this.painted.first * columns, Math.min(this.painted.last * columns, this.nodes.length)];
    const fresh = new Set();
    for (let i = from; i < to; i += 1) if (before[i] !== this.nodes[i]) fresh.add(i);
    if (!fresh.size) return;
    for (const i of this.changed) if (!fresh.has(i)) this.paintCell(i);
    this.changed = fresh;
    const marked = this.brush.colours.changed !== "transparent" && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const i of fresh) this.paintCell(i, marked);
    clearTimeout(this.calm);
    this.calm = setTimeout(() => {
      const { first, last } = this.painted;
      for (const i of this.changed) if (i >= first * columns && i < last * columns && i < this.nodes.length) this.paintCell(i);
      this.changed = new Set();
    }, TINT_MS);
  }

  /** The name of each row's first node, before it. */
  paintNames() {
    const { pitch, gutter, columns, side } = this.plan;
    if (!gutter) return;
    const { first, last } = this.painted;
    const { em } = this.size;
    for (let row = first; row < last; row += 1) {
      const node = this.nodes[row * columns];
      if (node) this.brush.name(node.name.slice(this.skip), gutter - 0.5 * em, (row - first) * pitch + side / 2, Math.round(em * 0.8));
    }
  }

  paintCell(i, marked = false) {
    const { pitch, gutter, columns, side } = this.plan;
    const y = (Math.floor(i / columns) - this.painted.first) * pitch;
    this.brush.cell(this.nodes[i], gutter + (i % columns) * pitch, y, { side, pitch, marked });
  }

  /** For `walk`. */
  get columns() {
    return this.plan.columns;
  }

  at(event) {
    const field = this.renderRoot.querySelector(".field").getBoundingClientRect();
    if (event.type === "focusin") return event.target.dataset.name;
    const { pitch, gutter, columns } = this.plan;
    const [x, y] = [event.clientX - field.left - gutter, event.clientY - field.top];
    const column = Math.floor(x / pitch);
    return x < 0 || column >= columns ? undefined : this.nodes[Math.floor(y / pitch) * columns + column]?.name;
  }

  boxOf(name) {
    const place = this.places.get(name);
    if (place === undefined) return undefined;
    const field = this.renderRoot.querySelector(".field").getBoundingClientRect();
    const { pitch, gutter, columns, side } = this.plan;
    return new DOMRect(field.left + gutter + (place % columns) * pitch, field.top + Math.floor(place / columns) * pitch, side, side);
  }

  focusOn(name) {
    // The cell that has the focus stays until the next one has it: a focused element that is removed loses it to the page.
    this.focused = this.active;
    this.active = name;
    this.updateComplete.then(() => {
      this.renderRoot.querySelector(`[data-name="${CSS.escape(name)}"]`)?.focus();
      this.focused = undefined;
    });
  }
}

customElements.define("rt-node-cells", NodeCells);
