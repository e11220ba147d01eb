/**
 * What a node offers to a job that is not there yet: room, full, offline, down or unknown. That is how both pages show nodes, and not as
 * PBS's state: a node that PBS calls free and that has no GPU left offers nothing. Pure.
 *
 * A field that the source does not tell is absent; nothing here takes absent for zero.
 */

/**
 * @typedef {object} Node an entity of the `nodes` topic (docs/protocol.md)
 * @property {string} name
 * @property {"free"|"busy"|"offline"|"down"|"unknown"} state
 * @property {string} [stateDetail]
 * @property {boolean} [stateInferred]
 * @property {boolean} [suspect]
 * @property {number} [stateSince]
 * @property {number} [jobCount]
 * @property {number} [totalCpus] @property {number} [usedCpus]
 * @property {number} [totalGpus] @property {number} [usedGpus]
 * @property {number} [totalMemoryGiB] @property {number} [usedMemoryGiB]
 * @property {boolean} [memoryCoarse] @property {boolean} [capacityRemembered]
 */
/** @typedef {"room"|"full"|"offline"|"down"|"unknown"} Offer */

import { plural } from "./format.js";

/** In the order in which they are listed everywhere. @type {Offer[]} */
export const OFFERS = ["room", "full", "offline", "down", "unknown"];

/** PBS's states as they look like here, for events, which tell a state and nothing more. */
export const LOOKS = { free: "room", busy: "full", offline: "offline", down: "down", unknown: "unknown" };

const spent = (total, used) => total > 0 && used >= total;

/** @type {WeakMap<Node, Offer>} An entity never changes (a changed one is another object), so one judgement of it is enough. */
const judged = new WeakMap();

/** @param {Node} node @returns {Offer} */
export function offer(node) {
  let found = judged.get(node);
  if (!found) judged.set(node, (found = judge(node)));
  return found;
}

function judge(node) {
  if (node.state === "offline" || node.state === "down") return node.state;
  if (node.state === "busy") return "full";
  if (node.state !== "free") return "unknown";
  return spent(node.totalGpus, node.usedGpus) || spent(node.totalCpus, node.usedCpus) ? "full" : "room";
}

/** GPUs that a job can have there; undefined if the source does not tell. @param {Node} node @returns {number | undefined} */
export function freeGpus(node) {
  return offer(node) === "room" ? unused(node.totalGpus, node.usedGpus) : 0;
}

/** CPUs that a job can have there, also beside GPUs that are all in use. @param {Node} node @returns {number | undefined} */
export function freeCpus(node) {
  return node.state === "free" ? unused(node.totalCpus, node.usedCpus) : 0;
}

function unused(total, used) {
  if (total === 0) return 0;
  return total === undefined || used === undefined ? undefined : Math.max(0, total - used);
}

/**
 * What is drawn of a node: its GPUs one by one, or, of a node without, its CPUs as one bar.
 *
 * `used` + `free` + `lost` + `untold` = `total`: `lost` are those that are not in use and that no job can have, `untold` those of which the source
 * does not say whether they are in use.
 * @param {Node} node
 * @returns {{ unit: "GPU" | "CPU" | undefined, total: number, used: number, free: number, lost: number, untold: number }}
 */
export function bars(node) {
  const gpus = node.totalGpus > 0;
  const total = gpus ? node.totalGpus : (node.totalCpus ?? 0);
  const told = gpus ? node.usedGpus : node.usedCpus;
  const unit = gpus ? "GPU" : total > 0 ? "CPU" : undefined;
  if (told === undefined) return { unit, total, used: 0, free: 0, lost: 0, untold: total };
  const used = Math.min(told, total);
  const rest = total - used;
  const free = offer(node) === "room" ? rest : 0;
  return { unit, total, used, free, lost: rest - free, untold: 0 };
}

/** What a node offers, in few words: "3 GPUs free", "full, 4 jobs", "offline, 2 jobs". @param {Node} node */
export function saying(node) {
  const what = offer(node);
  if (what === "room") {
    const unit = bars(node).unit;
    const free = unit === "CPU" ? freeCpus(node) : freeGpus(node);
    return unit === undefined || free === undefined ? "room" : `${plural(free, unit)} free`;
  }
  return node.jobCount ? `${what}, ${plural(node.jobCount, "job")}` : what;
}

/** The same for one who cannot see the tile. @param {Node} node */
export function sentence(node) {
  const what = offer(node);
  const { unit, total } = bars(node);
  const words = [`${node.name}: ${saying(node)}`];
  if (what === "room" && unit) words.push(`of ${total}`);
  if (what === "room" && node.jobCount !== undefined) words.push(plural(node.jobCount, "job"));
  if (node.stateInferred) words.push("state inferred");
  if (node.suspect) words.push("perhaps full instead");
  return words.join(", ");
}

/**
 * What all nodes offer together. `free[n]` is how many nodes have n GPUs (of a cluster without any: CPUs) that a job can have; `unit`
 * says which of the two.
 * @param {Iterable<Node>} nodes
 */
export function tally(nodes) {
  const found = {
    total: 0, room: 0, full: 0, offline: 0, down: 0, unknown: 0,
    inferred: 0, idle: 0, lost: 0, untold: 0, largest: 0, free: /** @type {number[]} */ ([]), unit: /** @type {"GPU" | "CPU"} */ ("CPU"),
  };
  for (const node of nodes) {
    const what = offer(node);
    found.total += 1;
    found[what] += 1;
    if (node.stateInferred) found.inferred += 1;
    if (node.state === "free" && node.stateDetail === "idle") found.idle += 1;
    if (node.totalGpus > 0) {
      if (found.unit === "CPU") Object.assign(found, { unit: "GPU", largest: 0, free: [], lost: 0, untold: 0 });
      add(found, node.totalGpus, freeGpus(node), node);
    } else if (found.unit === "CPU" && node.totalCpus > 0) {
      add(found, node.totalCpus, freeCpus(node), node);
    }
  }
  return found;
}

function add(found, total, free, node) {
  found.largest = Math.max(found.largest, total);
  if (free === undefined) found.untold += 1;
  else found.free[free] = (found.free[free] ?? 0) + 1;
  if (node.state === "free" || node.state === "busy") found.lost += bars(node).lost;
}

/** How many nodes have at least so many free. @param {number[]} free as in `tally` @param {number} least */
export function atLeast(free, least) {
  let nodes = 0;
  for (let n = least; n < free.length; n += 1) nodes += free[n] ?? 0;
  return nodes;
}

/** The most that are free on one node, on how many nodes, and in all. @param {number[]} free as in `tally` */
export function blocks(free) {
  let all = 0;
  free.forEach((nodes, n) => (all += nodes * n));
  const most = Math.max(0, free.length - 1);
  return { most, on: most ? free[most] : 0, all };
}

/** Sizes of jobs to ask for, from 1 to the largest node: 1 2 4 8; of large numbers 1 4 16 64 112. @param {number} largest */
export function ladder(largest) {
  const factor = largest > 32 ? 4 : 2;
  const steps = [];
  for (let step = 1; step < largest; step *= factor) steps.push(step);
  // 96 and 100 side by side would be two columns for one question.
  if (steps.length && largest < steps.at(-1) * 1.5) steps.pop();
  return largest > 0 ? [...steps, largest] : [];
}

/**
 * How many characters all names begin with and tiles can leave out: "hopper-07" → "07". It ends before a number or behind a separator, and
 * leaves no name empty.
 * @param {string[]} names
 */
export function prefixLength(names) {
  if (names.length < 2) return 0;
  let length = names[0].length;
  for (const name of names) {
    let i = 0;
    while (i < length && name[i] === names[0][i]) i += 1;
    length = i;
  }
  const shared = names[0].slice(0, length).replace(/\d+$/, "");
  const whole = names.every((name) => /^\d/.test(name.slice(shared.length)));
  return whole ? shared.length : shared.length - /[^-_.\s]*$/.exec(shared)[0].length;
}

/** A name as it stands on a tile: without what all begin with, and cut in its middle, since names mostly differ at their ends. */
export function label(name, skip, most = 18) {
  const rest = name.slice(skip);
  return rest.length <= most ? rest : `${rest.slice(0, Math.ceil(most / 3))}…${rest.slice(1 - Math.floor((2 * most) / 3))}`;
}

/** Whether a name is among what someone typed: parts of names or globs, separated by blanks or commas; any of them is enough. @param {string} typed */
export function finder(typed) {
  const terms = typed.toLowerCase().split(/[\s,]+/).filter(Boolean);
  if (!terms.length) return () => true;
  const patterns = terms.map((term) =>
    /[*?]/.test(term)
      ? new RegExp(`^${term.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`)
      : { test: (name) => name.includes(term) },
  );
  return (name) => patterns.some((pattern) => pattern.test(name.toLowerCase()));
}
