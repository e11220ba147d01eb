/** The wall as a template: what is on it for a given moment. Pure, but for what the parts do with it. */

import { html, nothing } from "lit";

import { day } from "../format.js";
import { tally } from "../offer.js";
import "../parts/events.js";
import "../parts/headlines.js";
import "../parts/node-map.js";
import "../parts/notice.js";
import "../parts/pill.js";
import "../parts/queues.js";
import "../parts/room.js";
import "../parts/users.js";
import { share } from "../parts/share.js";
import { PAGES, isShown } from "./pages.js";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const pad = (number) => String(number).padStart(2, "0");

/**
 * @param {object} view
 * @param {import("../realtime-client.js").State} view.state
 * @param {ReturnType<import("./address.js").read>} view.asked
 * @param {string} view.page which of `asked.pages` has its turn
 * @param {ReturnType<import("../freshness.js").freshness>} view.freshness
 * @param {number | undefined} view.ageMs
 * @param {string} view.cluster
 * @param {number} view.now epoch ms
 */
export function wall({ state, asked, page, freshness, ageMs, cluster, now }) {
  return html`<header>
      <h1>${cluster}</h1>
      ${freshness.none ? nothing : html`<rt-pill .freshness=${freshness} .ageMs=${ageMs}></rt-pill>`}
      ${asked.nodes.length ? html`<p class="scope">of the nodes only <b>${asked.nodes.join(", ")}</b></p>` : nothing}
      <span class="space"></span>
      ${asked.pages.length > 1 ? turns(asked.pages, page) : nothing}
      ${time(new Date(now))}
    </header>
    ${freshness.what ? sentence(freshness) : nothing}
    ${freshness.none ? nothing : html`<main class=${page}>${columns(page, state, asked, now)}</main>`}
    ${asked.mistakes.length ? html`<footer>In this page's address: ${asked.mistakes.join(" · ")}</footer>` : nothing}`;
}

const sentence = (freshness) =>
  freshness.none
    ? html`<rt-notice role="main" class="alone" .freshness=${freshness}></rt-notice>`
    : html`<rt-notice role="region" aria-label="What is wrong" .freshness=${freshness}></rt-notice>`;

function turns(pages, page) {
  return html`<ol class="turns" aria-label="Pages">
    ${pages.map((each) => html`<li aria-current=${each === page ? "page" : nothing}>${each}</li>`)}
  </ol>`;
}

function time(now) {
  return html`<p class="clock"><span>${DAYS[now.getDay()]} ${day(now)}</span> <time>${pad(now.getHours())}:${pad(now.getMinutes())}</time></p>`;
}

/** The page's cards that there are topics for, in columns. */
function columns(page, state, asked, now) {
  return PAGES[page]
    .map((column) => column.filter((card) => isShown(card, asked.topics)))
    .filter((column) => column.length)
    .map((column) => html`<div class=${column.some((card) => NARROW.has(card)) ? "column side" : "column"}>${column.map((card) => CARD[card](state, now))}</div>`);
}

/** These need no more than a side's width. */
const NARROW = new Set(["headlines", "room"]);

const CARD = {
  headlines: ({ summary, trend, nodes }) =>
    html`<rt-headlines tiles=${summary?.gpus?.total ? "nodes running queued gpus cpus" : "nodes running queued cpus memory"} .summary=${summary} .trend=${trend} .tally=${nodes && tallied(nodes)}></rt-headlines>`,
  map: ({ nodes }) => html`<rt-node-map fit legend .nodes=${nodes}></rt-node-map>`,
  room: ({ nodes, summary }) => html`<rt-room .tally=${nodes && tallied(nodes)} .summary=${summary}></rt-room>`,
  // As high as its rows, if there is place for them and for some events.
  queues: ({ queues }) => html`<rt-queues fit .queues=${queues} ${share("--rows", Object.keys(queues ?? {}).length)}></rt-queues>`,
  users: ({ users }) => html`<rt-users fit .users=${users}></rt-users>`,
  events: ({ events }, now) => html`<rt-events fit .events=${events} .now=${now}></rt-events>`,
};

let last = {};

/** The tally of these nodes, counted once while they stay as they are. */
function tallied(nodes) {
  if (last.nodes !== nodes) last = { nodes, tally: tally(Object.values(nodes)) };
  return last.tally;
}
