/** The wall display: one feed, one picture, and what keeps the two alive while nobody is near. */

import { render } from "lit";

import { judgement } from "../judgement.js";
import { connect } from "../realtime-client.js";
import { read } from "./address.js";
import { stayAwake } from "./awake.js";
import { drift } from "./drift.js";
import { freshPage, pageAnswers } from "./fresh-page.js";
import { rotate } from "./rotation.js";
import { wall } from "./wall.js";

const root = document.documentElement;
const asked = read(location.search);
// Under the page's own path, which a proxy may have moved.
const url = new URL(".", location.href).href;
const feed = connect({ url, cluster: asked.cluster, topics: asked.topics, nodes: asked.nodes, screen: asked.screen });
const fresh = freshPage({ feed, reachable: pageAnswers, reload: () => location.reload() });

const judge = judgement(Date.now());
const FAILED = { kind: "closed", word: "failed", old: true, what: "This page has failed, and will soon load itself anew.", since: "" };

let page = asked.pages[0];
let failed = false;
let putOff = false; // whether a drawing is

for (const type of ["error", "unhandledrejection"])
  addEventListener(type, (event) => {
    // Without an error it is the browser's remark about an observer's loop, or a file that it could not load.
    if (!(event.error ?? event.reason instanceof Error)) return;
    failed = true;
    // At once and whatever else still works: a picture that has stopped changing must not pass for a live one.
    root.dataset.freshness = FAILED.kind;
    fresh.failed();
  });

/** Draw what is known now. */
function draw() {
  putOff = false;
  const now = Date.now();
  const { status, state } = feed;
  const { freshness, ageMs } = judge(feed, now);
  const told = failed ? { ...freshness, ...FAILED } : freshness;
  root.dataset.freshness = told.kind;
  render(wall({ state, asked, page, freshness: told, ageMs, cluster: status.cluster ?? asked.cluster ?? "", now }), document.body);
}

/** Draw at the end of this task, and once for all that it brings. Not with the next frame: a screen that sleeps has none. */
function drawSoon() {
  if (!putOff) queueMicrotask(draw);
  putOff = true;
}

feed.addEventListener("change", drawSoon);
feed.addEventListener("status", drawSoon);

/** Once a second, at its beginning: the clock and the age of the data. */
(function tick() {
  setTimeout(tick, 1000 - (Date.now() % 1000));
  draw();
})();

rotate(asked.pages, asked.seconds, (next) => {
  page = next;
  draw();
});
drift((right, down) => {
  document.body.style.setProperty("--drift-x", `${right}px`);
  document.body.style.setProperty("--drift-y", `${down}px`);
});
stayAwake();
dress();

/** In the theme that is asked for, or in the system's. */
function dress() {
  const system = matchMedia("(prefers-color-scheme: light)");
  const wear = () => (root.dataset.theme = asked.theme === "auto" ? (system.matches ? "light" : "dark") : asked.theme);
  system.addEventListener("change", wear);
  wear();
}

// Take back the refresh of the page's head: the script runs. Sooner than at its end the page would not be allowed to load.
addEventListener("load", () => stop());
