/**
 * What a wall display's address asks for. Pure. What cannot be read is left out and said in a sentence, and the rest holds: nobody stands
 * at the wall to correct it.
 */

import { CARDS, PAGES, TOPICS, isShown } from "./pages.js";

/** Text takes its time to be read from five metres; an hour is no rotation any more. */
const SECONDS = { least: 5, most: 3600, usual: 20 };
/** The server's limits as they come (docs/protocol.md); it says itself if its own are narrower. */
const LONGEST_SCREEN = 64;
const LONGEST_GLOB = 128;
const MOST_GLOBS = 32;

const KNOWN = ["cluster", "nodes", "pages", "screen", "seconds", "theme", "topics", "users"];

/** The part of a query that has a meaning here, as it was written: the rest may be anything, a token among it. @param {string} search */
export function meant(search) {
  const kept = search.slice(1).split("&").filter((each) => KNOWN.some((name) => new URLSearchParams(each).has(name)));
  return kept.length ? `?${kept.join("&")}` : "";
}

const PRINTABLE = /^[^\p{C}\p{Zl}\p{Zp}]+$/u;
const short = (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);

/**
 * @param {string} search `location.search`
 * @param {{ people: boolean }} [may] whether the screen's token lets it see people
 * @returns {{ cluster?: string, topics: string[], nodes: string[], screen?: string, pages: string[], seconds: number,
 *   theme: "dark" | "light" | "auto", mistakes: string[] }} `topics` are those to subscribe to, `pages` those that have something to show of them
 */
export function read(search, may = { people: true }) {
  const query = new URLSearchParams(search);
  const mistakes = [];
  for (const name of new Set(query.keys())) if (!KNOWN.includes(name)) mistakes.push(`unknown: ${short(name)}`);

  /** The items of a list, and what is wrong with those that are left out. */
  const list = (name, isGood, allowed) => {
    const items = [...new Set(query.getAll(name).flatMap((text) => text.split(",")).filter(Boolean))];
    for (const item of items.filter((each) => !isGood(each))) mistakes.push(`${name} cannot be ${short(item)}, but ${allowed}`);
    return items.filter(isGood);
  };
  const choice = (name, allowed) => {
    const text = query.get(name) || allowed[0];
    if (allowed.includes(text)) return text;
    mistakes.push(`${name} cannot be ${short(text)}, but ${allowed.join(", ")}`);
    return allowed[0];
  };

  // Who may not be shown is not asked for either: what no screen has been told, no screen can tell.
  const wantsPeople = choice("users", ["hide", "show"]) === "show";
  const people = wantsPeople && may.people;
  if (wantsPeople && !people) mistakes.push("users cannot be shown: this screen's token may not see them");
  let wished = list("topics", (topic) => TOPICS.includes(topic), TOPICS.join(", "));
  if (wished.includes("users") && !people) {
    if (!wantsPeople) mistakes.push("topics: users are shown with users=show alone");
    wished = wished.filter((topic) => topic !== "users");
  }
  if (wished.length && !Object.values(PAGES).flat(2).some((card) => isShown(card, wished))) {
    mistakes.push(`topics: nothing is made of ${wished.join(", ")} alone`);
    wished = [];
  }
  let nodes = list("nodes", (glob) => glob.length <= LONGEST_GLOB && PRINTABLE.test(glob), `up to ${LONGEST_GLOB} printable characters`);
  if (nodes.length > MOST_GLOBS) {
    mistakes.push(`nodes can be ${MOST_GLOBS} globs, not ${nodes.length}`);
    nodes = nodes.slice(0, MOST_GLOBS);
  }
  const turns = list("pages", (page) => Object.hasOwn(PAGES, page), Object.keys(PAGES).join(", "));
  const pages = pagesOf(turns, wished, mistakes);
  return {
    cluster: query.get("cluster") || undefined,
    topics: topicsOf(pages, wished).filter((topic) => topic !== "users" || people),
    nodes,
    screen: screenOf(query.get("screen"), mistakes),
    pages,
    seconds: secondsOf(query.get("seconds"), mistakes),
    theme: choice("theme", ["dark", "light", "auto"]),
    mistakes,
  };
}

/** Those that have a card to show; if none has, the first page that does. */
function pagesOf(turns, wished, mistakes) {
  const shown = (page) => !wished.length || PAGES[page].flat().some((card) => isShown(card, wished));
  for (const page of turns.filter((each) => !shown(each))) mistakes.push(`pages: ${page} shows nothing of these topics`);
  const found = (turns.length ? turns : ["overview"]).filter(shown);
  return found.length ? found : Object.keys(PAGES).filter(shown).slice(0, 1);
}

/** What the cards need of what is wished, and `source` always: what is wrong with the numbers is told whichever are shown. */
function topicsOf(pages, wished) {
  const needed = new Set(pages.flatMap((page) => PAGES[page].flat().flatMap((card) => CARDS[card])));
  return TOPICS.filter((topic) => topic === "source" || (needed.has(topic) && (!wished.length || wished.includes(topic))));
}

function secondsOf(text, mistakes) {
  if (!text) return SECONDS.usual;
  const seconds = Number(text);
  if (seconds >= SECONDS.least && seconds <= SECONDS.most) return seconds;
  mistakes.push(`seconds can be ${SECONDS.least} to ${SECONDS.most}, not ${short(text)}`);
  return SECONDS.usual;
}

function screenOf(text, mistakes) {
  if (text === null) return undefined;
  if (text.trim() && text.length <= LONGEST_SCREEN && PRINTABLE.test(text)) return text;
  mistakes.push(`screen can be 1 to ${LONGEST_SCREEN} printable characters`);
  return undefined;
}
