/**
 * `<rt-history>`: jobs and utilization of the last 1 h, 24 h, 7 d or 30 d, from `/api/analytics`. Where the source knows nothing, the line is
 * broken. It is asked anew once a step of its grid, while somebody looks.
 *
 * - `cluster`: whose; undefined: the server's first
 * - `range`: one of RANGES
 * - `gpus`: whether there are any
 * - `open`: whether the server lets the page in and answers; while it does not, it is not asked
 *
 * Sends `rt-range` `{ range }` when another one is chosen. Not in a shadow root: uPlot brings a style sheet of its own.
 */

import { LitElement, html, nothing } from "lit";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { clock, count, day, percent } from "../format.js";
import { Looks } from "../parts/looks.js";
import { RANGES } from "./address.js";

const MINUTE = 60_000;
/** How far apart the rows of each range are; nothing new comes sooner. */
const STEPS = { "1h": MINUTE, "24h": 5 * MINUTE, "7d": 30 * MINUTE, "30d": 240 * MINUTE };
const WORDS = { "1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d" };
const AGAIN_MS = 30_000;
const LOST = "Not loaded: the server cannot be reached, or no longer lets this page in.";

/** The two charts: what is asked for and what is drawn of it. Dashes tell lines apart where colours do not. */
const CHARTS = [
  {
    name: "jobs",
    title: "Jobs",
    top: undefined,
    unit: "",
    lines: [
      { field: "runningJobs", word: "running", colour: "running", fill: true },
      { field: "queuedJobs", word: "queued", colour: "queued" },
      { field: "heldJobs", word: "held", colour: "held", dash: [5, 4] },
    ],
  },
  {
    name: "resources",
    title: "In use",
    top: 100,
    unit: " %",
    lines: [
      { field: "gpuUtilization", word: "GPUs", colour: "running", fill: true },
      { field: "cpuUtilization", word: "CPUs", colour: "ink", dash: [1, 0] },
      { field: "memoryUtilization", word: "memory", colour: "dim", dash: [5, 4] },
    ],
  },
];

class History extends LitElement {
  static properties = {
    cluster: {},
    range: {},
    gpus: { type: Boolean },
    open: { type: Boolean },
    answers: { state: true },
    cursor: { state: true },
  };

  constructor() {
    super();
    /** @type {Record<string, { rows?: object[], error?: string, loading?: boolean }>} chart → what is known */
    this.answers = {};
    this.plots = {};
    this.due = 0;
    this.seen = () => document.visibilityState === "visible" && Date.now() >= this.due && this.ask();
    new Looks(this, () => this.draw(true));
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.seen);
    this.resizer = new ResizeObserver(() => this.fitIn());
    for (const place of this.querySelectorAll(".plot")) this.resizer.observe(place);
    if (this.hasUpdated) this.ask();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.seen);
    this.resizer.disconnect();
    clearTimeout(this.timer);
    this.asked?.abort();
  }

  willUpdate(changed) {
    // Before it was let in for the first time it is about to be.
    this.left ||= changed.get("open") === true;
  }

  updated(changed) {
    if (changed.has("range") || changed.has("cluster")) {
      this.answers = {};
      this.ask();
      return;
    }
    if (changed.has("open")) this.seen();
    if (changed.has("answers") || changed.has("gpus")) this.draw(changed.has("gpus"));
  }

  /** Ask for both charts; of an older question nobody wants the answer any more. */
  async ask() {
    this.asked?.abort();
    clearTimeout(this.timer);
    this.due = 0;
    if (!this.open) return;
    const asked = (this.asked = new AbortController());
    const answers = await Promise.all(CHARTS.map(({ name }) => this.fetch(name, asked.signal)));
    if (asked.signal.aborted) return;
    this.answers = Object.fromEntries(
      // What could not be refreshed is kept, and said to be old.
      CHARTS.map(({ name }, i) => [name, answers[i].error ? { ...this.answers[name], error: answers[i].error } : answers[i]]),
    );
    const step = STEPS[this.range];
    const wait = answers.some(({ error }) => error) ? AGAIN_MS : step - (Date.now() % step) + 5_000;
    this.due = Date.now() + wait;
    this.timer = setTimeout(this.seen, wait);
  }

  async fetch(name, signal) {
    const asked = new URLSearchParams({ timeRange: this.range, ...(this.cluster && { cluster: this.cluster }) });
    try {
      const response = await fetch(`api/analytics/${name}?${asked}`, { signal });
      const body = await response.json();
      return response.ok ? { rows: body } : { error: body.detail ?? `the server answered ${response.status}` };
    } catch {
      return { error: "the server cannot be reached" };
    }
  }

  render() {
    return html`<header>
        <h2>History</h2>
        <div class="seg" role="group" aria-label="Time range">
          ${RANGES.map(
            (range) => html`<button type="button" aria-pressed=${String(range === this.range)} @click=${() => this.choose(range)}>${WORDS[range]}</button>`,
          )}
        </div>
      </header>
      <div class="charts">${CHARTS.map((chart) => this.chart(chart))}</div>`;
  }

  choose(range) {
    if (range !== this.range) this.dispatchEvent(new CustomEvent("rt-range", { detail: { range }, bubbles: true }));
  }

  chart(chart) {
    const { rows, error } = this.answers[chart.name] ?? {};
    const lines = this.linesOf(chart);
    const at = this.cursor === undefined ? rows?.findLastIndex((row) => lines.some(({ field }) => row[field] !== null)) : this.cursor;
    const row = rows?.[at];
    const known = rows?.some((each) => lines.some(({ field }) => each[field] !== null));
    return html`<section class="chart">
      <div class="head">
        <h3>${chart.title}</h3>
        <span class="at">${row ? `at ${minute(row.ts)}` : ""}</span>
        <p class="key">
          ${lines.map(
            ({ field, word, colour, dash }) => html`<span class="line ${colour} ${dash?.[1] ? "dashed" : ""}"></span
              ><span>${word} <b>${row ? said(row[field], chart.unit) : "–"}</b></span>`,
          )}
        </p>
      </div>
      <div class="plot" role="img" aria-label=${this.summary(chart, rows)} data-chart=${chart.name}></div>
      ${known
        ? error
          ? html`<p class="says warn">Not refreshed: ${error}. ${this.again()}</p>`
          : nothing
        : html`<div class="says over">
            ${error ? html`<p>The history could not be loaded: ${error}.</p><p>${this.again()}</p>` : html`<p>${rows ? "The source has no history of this time." : this.left && !this.open ? LOST : "Loading …"}</p>`}
          </div>`}
    </section>`;
  }

  again() {
    return html`<button type="button" class="link" @click=${() => this.ask()}>Try again</button>`;
  }

  linesOf({ lines }) {
    return lines.filter(({ field }) => this.gpus || field !== "gpuUtilization");
  }

  summary({ title, unit, lines }, rows) {
    if (!rows) return `${title}: not loaded`;
    const words = lines.map(({ field, word }) => {
      const values = rows.map((row) => row[field]).filter((value) => value !== null);
      return values.length ? `${word} between ${said(Math.min(...values), unit)} and ${said(Math.max(...values), unit)}` : `${word} unknown`;
    });
    return `${title}, the last ${WORDS[this.range]}: ${words.join(", ")}`;
  }

  /** Give the plots their data; `anew` with new colours or lines. */
  draw(anew = false) {
    for (const chart of CHARTS) {
      const place = this.querySelector(`[data-chart="${chart.name}"]`);
      const rows = this.answers[chart.name]?.rows;
      if (!place) continue;
      if (anew || !rows) {
        this.plots[chart.name]?.destroy();
        delete this.plots[chart.name];
      }
      if (!rows) continue;
      const lines = this.linesOf(chart);
      const data = [rows.map(({ ts }) => ts / 1000), ...lines.map(({ field }) => rows.map((row) => row[field]))];
      if (this.plots[chart.name]) this.plots[chart.name].setData(data);
      else {
        this.plots[chart.name] = new uPlot(this.options(chart, lines, place), data, place);
        this.resizer.observe(place);
      }
    }
  }

  fitIn() {
    for (const { name } of CHARTS) {
      const plot = this.plots[name];
      const { clientWidth: width, clientHeight: height } = this.querySelector(`[data-chart="${name}"]`) ?? {};
      if (plot && width && (width !== plot.width || height !== plot.height)) plot.setSize({ width, height });
    }
  }

  options(chart, lines, place) {
    const style = getComputedStyle(this);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = { stroke: colour("dim"), font: `12px ${style.fontFamily}`, ticks: { show: false } };
    const grid = { stroke: colour("line"), width: 1 };
    return {
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "history" }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_, __, max) => [0, chart.top ?? Math.max(1, max * 1.08)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 64, values: (_, splits) => splits.map(timeOf) },
        { ...axis, grid, size: 40, space: (_, __, ___, ____, height) => Math.max(28, height / 6), values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? count(value) : "")) },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.word,
          stroke: colour(line.colour),
          width: 1.75,
          dash: line.dash?.[1] ? line.dash : undefined,
          fill: line.fill ? colour("full-wash") : undefined,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [({ cursor: { idx } }) => (this.cursor = idx ?? undefined)] },
    };
  }
}

const said = (value, unit) => (value === null || value === undefined ? "–" : `${unit ? percent(value) : count(value)}${unit}`);

/** The time of a row: rows stand at whole minutes. */
const minute = (at) => clock(at, Date.now()).replace(/^(\d\d:\d\d):00$/, "$1");

function timeOf(seconds) {
  const time = new Date(seconds * 1000);
  const [hours, minutes] = [time.getHours(), time.getMinutes()];
  return hours + minutes === 0 ? day(time) : `${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
}

customElements.define("rt-history", History);
