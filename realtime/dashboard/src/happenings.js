/** Events as a list for people: the newest first, and what befell many nodes at once on one line. Pure. */

/** @typedef {{ at: number, kind: string, key: string, from?: string, to?: string, inferred?: boolean }} Event an entity of the `events` topic */
/** @typedef {{ id: string, at: number, kind: string, from?: string, to?: string, inferred: boolean, keys: string[] }} Happening */

/** @param {Record<string, Event>} events number (as text) → event @returns {Happening[]} */
export function happenings(events) {
  const found = [];
  const numbers = Object.keys(events).sort((a, b) => b - a);
  let group = new Map();
  let moment;
  for (const number of numbers) {
    const { at, kind, key, from, to, inferred } = events[number];
    if (at !== moment) [moment, group] = [at, new Map()];
    const same = kind.startsWith("node.") ? `${kind} ${from} ${to}` : number;
    let happening = group.get(same);
    if (!happening) {
      happening = { id: number, at, kind, from, to, inferred: false, keys: [] };
      group.set(same, happening);
      found.push(happening);
    }
    happening.keys.unshift(key);
    happening.inferred ||= inferred === true;
    // An event keeps its number; the group is known by its first one, so that its line stays the same line.
    happening.id = number;
  }
  return found;
}

const FAULTS = {
  PBSNODES_FAILED: "pbsnodes fails",
  QSTAT_FAILED: "qstat fails",
  FROZEN: "numbers stand still",
  COUNT_MISMATCH: "counts contradict each other",
  TRUNCATED_NAMES: "names are cut short",
  QUE_LIMIT: "a queue tells its run limit",
  ODD_NAMES: "odd names are left out",
  SHIFTED_COLUMNS: "columns are shifted",
  DUPLICATE_EXPORTER: "reports twice",
  OTHER_NODES: "reports other nodes",
  MIXED_CLUSTERS: "mixes two clusters",
  EXPORTER_DOWN: "exporter is gone",
  CLOCK_SKEW: "clocks differ",
};

/** What happened, in few words. @param {Happening} happening */
export function telling({ kind, from, to, inferred }) {
  // Of all states only busy is ever inferred.
  const called = (state) => (inferred && state === "busy" ? "busy*" : state);
  if (kind === "node.state") return `${called(from)} → ${called(to)}`;
  if (kind === "node.added") return `is new, ${called(to)}`;
  if (kind === "node.removed") return "is gone";
  if (kind === "source.fault") return FAULTS[to] ?? to;
  if (kind === "source.ok") return `no longer: ${FAULTS[from] ?? from}`;
  return kind;
}
