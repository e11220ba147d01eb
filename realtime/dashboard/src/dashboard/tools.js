/** What stands beside the map's heading: which nodes are shown, by what they offer and by name. */

import { html } from "lit";

import { count } from "../format.js";
import { OFFERS } from "../offer.js";
import { glyph } from "../parts/glyph.js";

/**
 * @param {import("./address.js").Choice} choice
 * @param {Record<string, number> | undefined} tally how many nodes offer what
 * @param {(change: Partial<import("./address.js").Choice>) => void} choose
 */
export function tools({ search, offers }, tally, choose) {
  const toggle = (what) => choose({ offers: OFFERS.filter((each) => offers.includes(each) !== (each === what)) });
  return html`<div slot="tools" class="tools">
    <div class="seg" role="group" aria-label="Show nodes that are">
      <button type="button" aria-pressed=${String(!offers.length)} @click=${() => choose({ offers: [] })}>all</button>
      ${OFFERS.filter((what) => what !== "unknown" || tally?.unknown || offers.includes(what)).map(
        (what) =>
          html`<button type="button" aria-pressed=${String(offers.includes(what))} @click=${() => toggle(what)}>
            ${glyph(what)} ${what} <span class="n">${tally ? count(tally[what]) : "–"}</span>
          </button>`,
      )}
    </div>
    <input
      type="search"
      aria-label="Search nodes by name"
      placeholder="Search nodes"
      autocomplete="off"
      spellcheck="false"
      .value=${search}
      @input=${({ target }) => choose({ search: target.value })}
    />
  </div>`;
}
