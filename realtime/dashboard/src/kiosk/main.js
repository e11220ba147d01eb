/** The wall display: one feed, one picture, and what keeps the two alive while nobody is near. */

import { render } from "lit";

import { judgement } from "../judgement.js";
import { connect } from "../realtime-client.js";
import { IN, OUT, logIn, tabs } from "../session.js";
import { meant, read } from "./address.js";
import { stayAwake } from "./awake.js";
import { drift } from "./drift.js";
import { freshPage, pageAnswers } from "./fresh-page.js";
import { rotate } from "./rotation.js";
import { EXPOSED, dropToken, entrance, plea, takeToken } from "./token.js";
import { wall } from "./wall.js";

const root = document.documentElement;
/** While a token is being shown there is no feed yet: it would only be refused. */
const NO_FEED = { state: {}, status: { link: "connecting" }, dataAgeMs() {}, close() {} };

let exposed = dropToken(); // whether a token stood in the query, and no other has been taken since
let asked = read(location.search);
let feed = NO_FEED;
let refusal; // why the token in the address was refused
let entered = false; // whether it was taken, and the feed has not been let in since
const fresh = freshPage({ status: () => feed.status, reachable: pageAnswers, reload: () => location.reload() });

function follow() {
  feed.close();
  // Under the page's own path, which a proxy may have moved.
  const url = new URL(".", location.href).href;
  feed = connect({ url, cluster: asked.cluster, topics: asked.topics, nodes: asked.nodes, screen: asked.screen });
  feed.addEventListener("change", drawSoon);
  feed.addEventListener("status", heed);
  feed.addEventListener("build", fresh.built);
}

/** A screen whose token may not see people shows the rest. */
function heed({ detail }) {
  drawSoon();
  if (detail.link === "open") entered = false;
  if (detail.problem !== "forbidden_topic" || !asked.topics.includes("users")) return;
  asked = read(location.search, { people: false });
  follow();
}

const enter = entrance({ logIn, answered });

/** Log in with the token that stood in the address. @param {string | undefined} token */
function show(token) {
  if (token) enter(token);
}

/** The login is another: it may see what the former might not. */
function renew() {
  const { topics } = asked;
  asked = read(location.search);
  if (String(asked.topics) === String(topics)) feed.retry();
  else follow();
}

function answered(problem, done) {
  refusal = done ? problem : undefined;
  entered = !problem;
  if (entered) {
    exposed = false;
    others.postMessage(IN);
  }
  if (feed === NO_FEED) follow();
  else if (entered) renew();
  drawSoon();
}

/** Of the other tabs, which have the same cookie: another may see more or less, and who is logged out sees nothing any more. */
const others = tabs((word) => {
  if (feed === NO_FEED) return;
  if (word === IN) renew();
  if (word !== OUT) return;
  asked = read(location.search);
  refusal = undefined;
  entered = false;
  judge = judgement(Date.now());
  follow();
  drawSoon();
});

let judge = judgement(Date.now());
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
  const address = `${location.origin}${location.pathname}${meant(location.search)}`;
  const lost = entered && status.link === "closed";
  const told = { ...freshness, ...(freshness.login && plea({ ...freshness, refusal, lost, exposed, address })), ...(failed && FAILED) };
  // Where it is not let in these are in the sentence.
  const tokens = freshness.login ? [] : [refusal && `the token was refused (${refusal})`, exposed && EXPOSED];
  const mistakes = [...asked.mistakes, ...tokens.filter(Boolean)];
  root.dataset.freshness = told.kind;
  const cluster = status.cluster ?? asked.cluster ?? (freshness.login ? "realtime" : "");
  render(wall({ state, asked: { ...asked, mistakes }, page, freshness: told, ageMs, cluster, now }), document.body);
}

/** Draw at the end of this task, and once for all that it brings. Not with the next frame: a screen that sleeps has none. */
function drawSoon() {
  if (!putOff) queueMicrotask(draw);
  putOff = true;
}

const token = takeToken();
if (!token) follow();
// What changes behind the # alone does not load the page.
addEventListener("hashchange", () => show(takeToken()));

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

// Take back the refresh of the page's head: the script runs. Sooner than at its end the page would not be allowed to load; and a token that was
// shown before would be taken back as well.
addEventListener("load", () => {
  stop();
  show(token);
});
