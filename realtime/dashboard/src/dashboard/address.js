/** What the reader has chosen, kept in the page's address, so that a link shows others the same. */

import { OFFERS } from "../offer.js";

export const RANGES = ["1h", "24h", "7d", "30d"];

/**
 * @typedef {object} Choice
 * @property {string} [cluster] default: the server's first
 * @property {string} search what was typed to find nodes
 * @property {import("../offer.js").Offer[]} offers only nodes that offer this; empty: all
 * @property {string} range of the history
 * @property {string} [node] whose details stay on screen
 */

/** @param {string} query such as `location.search` @returns {Choice} */
export function read(query) {
  const asked = new URLSearchParams(query);
  const offers = (asked.get("show") ?? "").split(",");
  const range = asked.get("range");
  return {
    cluster: asked.get("cluster") ?? undefined,
    search: asked.get("search") ?? "",
    offers: OFFERS.filter((offer) => offers.includes(offer)),
    range: RANGES.includes(range) ? range : "24h",
    node: asked.get("node") ?? undefined,
  };
}

/** The query of a choice; what is as by default is left out. @param {Choice} choice */
export function write({ cluster, search, offers, range, node }) {
  const asked = new URLSearchParams();
  if (cluster) asked.set("cluster", cluster);
  if (search) asked.set("search", search);
  if (offers.length) asked.set("show", offers.join(","));
  if (range !== "24h") asked.set("range", range);
  if (node) asked.set("node", node);
  const query = asked.toString().replaceAll("%2C", ",");
  return query ? `?${query}` : "";
}
