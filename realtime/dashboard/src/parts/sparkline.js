/**
 * `<rt-sparkline>`: one number of the last hours, without axes. It ends at the newest point; where minutes are missing the line is broken.
 *
 * - `trend`: the `trend` topic
 * - `field`: which of its numbers, such as "runningJobs"
 * - `ceiling`: what the upper edge means (100 for percent); without it, the largest value shown. The lower edge is always 0: a slope must not
 *   look like a fall.
 * - `label`: what it is, for a screen reader, such as "running jobs"
 *
 * It takes the height of its box and the colour of `--colour`.
 */

import { LitElement, css, html, svg } from "lit";

import { age, count } from "../format.js";

const WIDTH = 200;
const HEIGHT = 40;
const MINUTE = 60_000;

class Sparkline extends LitElement {
  static properties = {
    trend: { attribute: false },
    field: {},
    ceiling: { type: Number },
    label: {},
  };

  static styles = css`
    :host {
      display: block;
      height: 2.6em;
      contain: size;
      min-width: 0;
    }
    svg {
      display: block;
      width: 100%;
      height: 100%;
      overflow: visible;
    }
    .line {
      fill: none;
      stroke: var(--colour);
      stroke-width: max(1.5px, 0.11em);
      stroke-linejoin: round;
      stroke-linecap: round;
      vector-effect: non-scaling-stroke;
    }
    .area {
      fill: var(--colour);
      opacity: 0.14;
    }
    .floor {
      stroke: var(--line);
      stroke-width: max(1px, 0.07em);
      vector-effect: non-scaling-stroke;
    }
  `;

  render() {
    const points = pointsOf(this.trend ?? {}, this.field);
    if (points.length < 2) return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${floor}</svg>`;
    const values = points.map(({ value }) => value);
    const top = this.ceiling ?? Math.max(1, ...values);
    const [from, to] = [points[0].ts, points.at(-1).ts];
    const place = ({ ts, value }) => [
      (((ts - from) / (to - from)) * WIDTH).toFixed(1),
      (HEIGHT - (Math.min(value, top) / top) * (HEIGHT - 2)).toFixed(1),
    ];
    const pieces = unbroken(points).map((piece) => piece.map(place));
    const line = pieces.map((piece) => `M${piece.map(([x, y]) => `${x} ${y}`).join("L")}`).join("");
    const area = pieces
      .map((piece) => `M${piece[0][0]} ${HEIGHT}L${piece.map(([x, y]) => `${x} ${y}`).join("L")}L${piece.at(-1)[0]} ${HEIGHT}Z`)
      .join("");
    const told = `${this.label}, the last ${age(to - from)}: from ${count(values[0])} to ${count(values.at(-1))}, between ${count(Math.min(...values))} and ${count(Math.max(...values))}`;
    return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${told}>
      ${floor}${svg`<path class="area" d=${area}></path><path class="line" d=${line}></path>`}
    </svg>`;
  }
}

const floor = svg`<path class="floor" d="M0 ${HEIGHT}H${WIDTH}"></path>`;

/** The points that have the field, the oldest first. */
function pointsOf(trend, field) {
  return Object.values(trend)
    .filter((point) => point[field] !== undefined)
    .map((point) => ({ ts: point.ts, value: point[field] }))
    .sort((one, other) => one.ts - other.ts);
}

/** The runs of points that are a minute or so apart. */
function unbroken(points) {
  const pieces = [[points[0]]];
  for (let i = 1; i < points.length; i += 1) {
    if (points[i].ts - points[i - 1].ts > 2.5 * MINUTE) pieces.push([]);
    pieces.at(-1).push(points[i]);
  }
  return pieces;
}

customElements.define("rt-sparkline", Sparkline);
