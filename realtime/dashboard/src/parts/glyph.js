/**
 * The glyph of each offer: an empty ring has room, a full disc is full, a half one is offline, a cross is down. Drawn, not typed: fonts
 * differ in how they draw ◐, and the compact map draws the same paths on its canvas.
 */

import { svg, html } from "lit";

/** In a box of 16 by 16: what is filled, and what is stroked (2 wide). @type {Record<import("../offer.js").Offer, { fill?: string, stroke?: string }>} */
export const GLYPHS = {
  room: { stroke: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0 -11Z" },
  full: { fill: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0 -13Z" },
  offline: { stroke: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0 -11Z", fill: "M8 2a6 6 0 0 0 0 12Z" },
  down: { stroke: "M3 3L13 13M13 3L3 13" },
  unknown: { stroke: "M5 5.6a3 3 0 1 1 4.6 2.5c-1 .7 -1.6 1.2 -1.6 2.3v.3M8 13v1.4" },
};

/** @param {import("../offer.js").Offer} offer */
export function glyph(offer) {
  const { fill, stroke } = GLYPHS[offer];
  return html`<svg class="glyph ${offer}" viewBox="0 0 16 16" aria-hidden="true">
    ${fill ? svg`<path d=${fill} fill="var(--colour)"></path>` : ""}
    ${stroke ? svg`<path d=${stroke} fill="none" stroke="var(--colour)" stroke-width="2.2" stroke-linecap="round"></path>` : ""}
  </svg>`;
}
