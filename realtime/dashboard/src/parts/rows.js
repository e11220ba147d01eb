/**
 * Lists of rows of one height, that show as many as there is place for and say how many more there are: no row is ever cut in two.
 *
 * A list is a `RowList`: it has `rows()` (all of them, as templates), and shows
 * - with `fit` (attribute): as many as fit its box, which has a height of its own
 * - with `most`: so many, and if it is `interactive` a button that shows all
 * - else all
 */

import { LitElement, css, html, nothing } from "lit";

import { card } from "./card.js";
import { Size } from "./size.js";

/** A row's height in letters. */
export const ROW = 1.72;

export const rows = css`
  :host([fit]) {
    min-height: 0;
  }
  .rows {
    display: grid;
    grid-auto-rows: ${ROW}em;
    align-items: center;
    align-content: start;
    margin: 0;
    padding: 0;
    list-style: none;
    min-width: 0;
  }
  :host([fit]) .rows {
    flex: 1 1 0;
    min-height: 0;
    overflow: hidden;
  }
  .row {
    display: grid;
    gap: 0 0.8em;
    align-items: center;
    min-width: 0;
    white-space: nowrap;
  }
  .track {
    display: flex;
    gap: max(1px, 0.12em);
    height: 0.72em;
    min-width: 0;
  }
  .track i {
    min-width: 0.14em;
    border-radius: 0.14em;
    background: var(--running);
  }
  .track i.queued {
    background: var(--queued);
  }
  .track span {
    min-width: 0;
  }
  .n {
    text-align: right;
    color: var(--dim);
  }
  .rest {
    color: var(--dim);
    font-size: 0.92em;
  }
  .key {
    display: flex;
    gap: 1.2em;
    margin: 0.6em 0 0;
    font-size: 0.88em;
    color: var(--dim);
  }
  .key span {
    display: inline-flex;
    align-items: center;
    gap: 0.4em;
  }
  .key i {
    width: 0.72em;
    height: 0.72em;
    border-radius: 0.14em;
    background: var(--running);
  }
  .key i.queued {
    background: var(--queued);
  }
  button {
    justify-self: start;
    padding: 0;
    border: 0;
    background: none;
    color: var(--ink);
    font: inherit;
    font-size: 0.92em;
    text-decoration: underline;
    text-underline-offset: 0.2em;
    cursor: pointer;
  }
`;

export class RowList extends LitElement {
  static properties = {
    most: { type: Number },
    fit: { type: Boolean, reflect: true },
    interactive: { type: Boolean },
    whole: { state: true },
  };

  static styles = [card, rows];

  constructor() {
    super();
    this.size = new Size(this, ".rows");
  }

  /** The rows that there is place for, in a list. @param {unknown[]} all @param {string} label @param {unknown} [none] instead of an empty list */
  list(all, label, none = nothing) {
    if (!all.length && !this.fit) return html`<p class="rest">${none}</p>`;
    const place = this.fit ? Math.floor((this.size.height + 1) / (ROW * this.size.em)) : this.whole ? Infinity : (this.most ?? Infinity);
    // The line that says "and 1 more" takes the place of that one.
    const shown = all.length <= place ? all.length : Math.max(0, place - 1);
    const more = all.length - shown;
    return html`<ul class="rows" aria-label=${label}>
      ${all.length ? all.slice(0, shown) : html`<li class="rest">${none}</li>`} ${more && place > 0 ? html`<li>${this.rest(more, all.length)}</li>` : nothing}
      ${this.whole && this.most < all.length ? html`<li><button type="button" @click=${() => (this.whole = false)}>show fewer</button></li>` : nothing}
    </ul>`;
  }

  rest(more, all) {
    return this.interactive && !this.fit
      ? html`<button type="button" @click=${() => (this.whole = true)}>show all ${all}</button>`
      : html`<span class="rest">and ${more} more</span>`;
  }
}
