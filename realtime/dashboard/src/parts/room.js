/**
 * `<rt-room>`: "Will my job run?": the most GPUs (of a cluster without any: CPUs) that are free on one node, and how many nodes have room for a
 * job of each size.
 *
 * - `tally`: what all nodes offer (`tally` of offer.js)
 * - `summary`: that topic, for how many jobs are waiting
 */

import { LitElement, css, html, nothing } from "lit";

import { count, plural } from "../format.js";
import { atLeast, blocks, ladder } from "../offer.js";
import { card } from "./card.js";
import { ROW, rows } from "./rows.js";
import { share } from "./share.js";
import { tint } from "./tint.js";

class Room extends LitElement {
  static properties = { tally: { attribute: false }, summary: { attribute: false } };

  static styles = [
    card,
    rows,
    css`
      .first {
        display: flex;
        align-items: baseline;
        gap: 0.55em;
      }
      .first span {
        min-width: 0;
      }
      .sub {
        margin: 0.3em 0 0.7em;
        font-size: 0.92em;
      }
      .row {
        grid-template-columns: minmax(0, 5.2em) minmax(0, 1fr) minmax(5.6em, var(--numbers));
      }
      .rows {
        grid-auto-rows: ${ROW}em;
      }
      .track {
        background: var(--raised);
        border-radius: 0.14em;
      }
      .track i {
        background: var(--room);
      }
    `,
  ];

  render() {
    const { tally } = this;
    if (!tally?.total) return html`<h2>Will my job run?</h2><p class="big">–</p>`;
    const { unit, free, lost, untold, largest, idle } = tally;
    const { most, on, all } = blocks(free);
    const units = `${unit}s`;
    const nodes = free.reduce((sum, n) => sum + n, 0);
    const words = [`${plural(all, unit)} free in all`];
    if (lost) words.push(`${count(lost)} more unused, but out of reach`);
    if (untold) words.push(`unknown of ${plural(untold, "node")}`);
    words.push(`${plural(idle, "node")} wholly idle`);
    return html`<h2>Will my job run?</h2>
      <div class="first">
        <p class="big">${tint(count(most))}</p>
        <span class="dim">${most ? html`${most === 1 ? unit : units} free on one node, on <span>${tint(plural(on, "node"))}</span>` : html`${units} free on any node`}</span>
      </div>
      <p class="sub dim">${words.join(" · ")}</p>
      <ul class="rows" ${share("--numbers", `${(count(nodes).length + 6) * 0.6}em`)} aria-label="Nodes with so many ${units} free">
        ${ladder(largest).map((step) => {
          const fit = atLeast(free, step);
          return html`<li class="row">
            <span class="cut">${plural(step, unit)}</span>
            <span class="track" aria-hidden="true">${fit ? html`<i ${share("flex", `${fit} 1 0`)}></i>` : nothing}<span ${share("flex", `${nodes - fit} 1 0`)}></span></span>
            <span class="n"><b>${tint(count(fit))}</b> ${fit === 1 ? "node" : "nodes"}</span>
          </li>`;
        })}
      </ul>`;
  }
}

customElements.define("rt-room", Room);
