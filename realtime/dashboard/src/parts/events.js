/**
 * `<rt-events>`: what happened lately, the newest first; what befell many nodes at once is one line.
 *
 * - `events`: the `events` topic
 * - `now`: epoch ms, by which a time of today is told from one of another day
 * - `most`, `fit`, `interactive`: see rows.js
 */

import { css, html } from "lit";

import { clock, plural } from "../format.js";
import { happenings, telling } from "../happenings.js";
import { LOOKS } from "../offer.js";
import { glyph } from "./glyph.js";
import { RowList } from "./rows.js";
import { share } from "./share.js";

class Events extends RowList {
  static properties = { events: { attribute: false }, now: { type: Number, hasChanged: (now, before) => !(Math.abs(now - before) < 60_000) } };

  static styles = [
    RowList.styles,
    css`
      .row {
        grid-template-columns: var(--when) 0.9em minmax(0, max-content) minmax(0, 1fr);
        gap: 0 0.55em;
        color: var(--dim);
      }
      .fault {
        color: var(--offline);
        font-weight: 700;
        text-align: center;
      }
    `,
  ];

  render() {
    const told = happenings(this.events ?? {});
    const dated = told.some(({ at }) => clock(at, this.now ?? at).length > 8);
    return html`<h2 ${share("--when", dated ? "7.4em" : "4.7em", this)}>Recent events</h2>
      ${this.list(told.map((happening) => this.row(happening)), "Recent events", this.events ? "Nothing has happened since this server started." : "–")}`;
  }

  row(happening) {
    const { at, kind, to, keys } = happening;
    const node = kind.startsWith("node.");
    const who = keys.length > 1 ? plural(keys.length, "node") : node ? keys[0] : "source";
    return html`<li class="row" title="${clock(at, this.now ?? at)} ${keys.slice(0, 40).join(", ")}${keys.length > 40 ? ", …" : ""}: ${telling(happening)}">
      <time datetime=${new Date(at).toISOString()}>${clock(at, this.now ?? at)}</time>
      ${node && LOOKS[to] ? glyph(LOOKS[to]) : html`<span class="fault">${kind === "source.fault" ? "!" : ""}</span>`}
      <b class="cut">${who}</b>
      <span class="cut">${telling(happening)}</span>
    </li>`;
  }
}

customElements.define("rt-events", Events);
