/**
 * `<rt-headlines>`: the cluster in six tiles, one big number each.
 *
 * - `summary`, `trend`: these topics
 * - `tally`: what all nodes offer (`tally` of offer.js); without it the nodes' tile tells PBS's states
 * - `tiles`: which ones, in this order; default "nodes running queued gpus cpus memory". Of a cluster without GPUs their tile is left out.
 *
 * All tiles are equally high and end with a sparkline (the nodes' with a bar); `--tile-height` (default: as needed) sets how high.
 */

import { LitElement, css, html } from "lit";
import { classMap } from "lit/directives/class-map.js";
import { repeat } from "lit/directives/repeat.js";

import { count, memoryOf, percent } from "../format.js";
import { OFFERS } from "../offer.js";
import { card } from "./card.js";
import { glyph } from "./glyph.js";
import { share } from "./share.js";
import "./sparkline.js";
import { tint } from "./tint.js";

const HOUR = 3_600_000;
const ALL = "nodes running queued gpus cpus memory";

class Headlines extends LitElement {
  static properties = {
    summary: { attribute: false },
    trend: { attribute: false },
    tally: { attribute: false },
    tiles: {},
  };

  static styles = [
    card,
    css`
      :host {
        display: block;
        padding: 0;
        border: 0;
        background: none;
        container-type: inline-size;
      }
      .tiles {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        grid-auto-rows: minmax(var(--tile-height, auto), auto);
        gap: var(--gap);
        height: 100%;
      }
      .nodes {
        grid-column: span 2;
      }
      .tile:last-child:nth-child(even) {
        grid-column: span 2;
      }
      .tile {
        display: grid;
        grid-template-rows: auto auto auto 1fr;
        min-width: 0;
        padding: 0.8em 1em 0.9em;
        background: var(--card);
        border: max(1px, 0.07em) solid var(--line);
        border-radius: var(--radius);
      }
      .tile h2 {
        margin: 0 0 0.3em;
      }
      .sub {
        margin: 0.15em 0 0.6em;
        font-size: 0.92em;
      }
      .foot {
        display: flex;
        flex-direction: column;
        justify-content: flex-end;
        min-height: 2.6em;
      }
      rt-sparkline {
        flex: 1 1 2.6em;
        --colour: var(--running);
      }
      rt-sparkline.queued {
        --colour: var(--queued);
      }
      .stack {
        display: flex;
        gap: max(1px, 0.12em);
        height: 0.7em;
        margin: 0.2em 0 0.6em;
        border-radius: 1em;
        overflow: hidden;
        background: var(--raised);
      }
      .stack i {
        min-width: 0.3em;
        background: var(--colour);
      }
      .key {
        display: flex;
        flex-wrap: wrap;
        gap: 0.2em 0.9em;
        margin: 0;
        padding: 0;
        list-style: none;
        font-size: 0.92em;
        color: var(--dim);
        white-space: nowrap;
      }
      @container (min-width: 38em) {
        .tiles {
          grid-template-columns: repeat(3, minmax(0, 1fr));
        }
        .six .nodes,
        .tile:last-child:nth-child(even) {
          grid-column: auto;
        }
      }
      @container (min-width: 66em) {
        .tiles,
        .six {
          grid-template-columns: minmax(0, 2fr) repeat(var(--others), minmax(0, 1fr));
        }
        .tile.nodes {
          grid-column: auto;
        }
      }
    `,
  ];

  render() {
    const gpuless = this.tally?.total > 0 && this.tally.unit === "CPU";
    const names = (this.tiles ?? ALL).split(" ").filter((name) => !(name === "gpus" && gpuless));
    return html`<div class=${classMap({ tiles: true, six: names.length === 6 })} ${share("--others", names.length - 1)}>
      ${repeat(names, (name) => name, (name) => this[name]())}
    </div>`;
  }

  nodes() {
    const { tally, summary } = this;
    const told = tally ?? statesOf(summary?.nodes);
    return html`<section class="tile nodes">
      <h2>Nodes</h2>
      <p class="big">${tint(known(told?.room))}</p>
      <p class="sub dim cut">${told ? html`of ${count(told.total)} ${told.free === true ? "are free" : told.room === 1 ? "has room" : "have room"}` : NOTHING}</p>
      <div class="foot">
        <div class="stack" aria-hidden="true">
          ${told ? OFFERS.filter((what) => told[what]).map((what) => html`<i class=${what} ${share("flex", `${told[what]} 1 0`)}></i>`) : ""}
        </div>
        <ul class="key">
          ${OFFERS.filter((what) => what !== "unknown" || told?.unknown).map(
            (what) => html`<li>${glyph(what)} <b>${tint(known(told?.[what]))}</b> ${what}</li>`,
          )}
        </ul>
      </div>
    </section>`;
  }

  running() {
    const jobs = this.summary?.jobs;
    const before = hourAgo(this.trend, "runningJobs");
    return this.tile("running", "Running jobs", known(jobs?.running), before === undefined ? NOTHING : `${count(before)} an hour ago`, {
      field: "runningJobs",
    });
  }

  queued() {
    const jobs = this.summary?.jobs;
    return this.tile("queued", "Queued jobs", known(jobs?.queued), jobs ? html`and <b>${tint(count(jobs.held))}</b> held` : NOTHING, {
      field: "queuedJobs",
    });
  }

  gpus() {
    return this.usage("gpus", "GPUs in use", (gpus) => `${count(gpus.used)} of ${count(gpus.total)}`);
  }

  cpus() {
    return this.usage("cpus", "CPUs in use", (cpus) => `${count(cpus.used)} of ${count(cpus.total)}`);
  }

  memory() {
    return this.usage("memory", "Memory in use", (memory) => memoryOf(memory.used, memory.total));
  }

  usage(name, title, words) {
    const usage = this.summary?.[name];
    const used = usage?.utilization;
    const big = used === undefined ? known(used) : html`<span>${tint(percent(used))}</span><small> %</small>`;
    const field = { gpus: "gpuUtilization", cpus: "cpuUtilization", memory: "memoryUtilization" }[name];
    return this.tile(name, title, big, usage ? words(usage) : NOTHING, { field, ceiling: 100 });
  }

  tile(name, title, big, sub, { field, ceiling }) {
    return html`<section class="tile ${name}">
      <h2>${title}</h2>
      <p class="big">${typeof big === "string" ? tint(big) : big}</p>
      <p class="sub dim cut">${sub}</p>
      <div class="foot">
        <rt-sparkline class=${name} .trend=${this.trend} field=${field} .ceiling=${ceiling} label=${title}></rt-sparkline>
      </div>
    </section>`;
  }
}

const NOTHING = "\u00a0";
/** A number, or a dash as long as nothing is known at all. */
const known = (number) => (number === undefined ? "–" : count(number));

/** The states of the `summary` topic, in place of a tally: free ones may be full. */
function statesOf(nodes) {
  return nodes?.total === undefined ? undefined : { ...nodes, room: nodes.free, full: nodes.busy, free: true };
}

function hourAgo(trend, field) {
  const points = Object.values(trend ?? {});
  const newest = Math.max(...points.map(({ ts }) => ts));
  return points.find(({ ts }) => Math.abs(newest - HOUR - ts) < 30_000)?.[field];
}

customElements.define("rt-headlines", Headlines);
