"""Which encoding of `pbs_node_state` a source speaks.

Four are in use, and they contradict each other:

- `exporter`: 1 free, 2 busy, 3 offline, 4 down: what pbs-exporter emits, where 4 is also every state that it has no word for.
- `seed`: 0 free, 1 busy, 2 offline, 3 down: what the replaced backend's README says; no released exporter emits it.
- `fork`: as `exporter`, but 2 means PBS's job-busy (all CPUs allocated) and not a high load average. Nothing in the data tells it
  apart from `exporter`, so it is chosen by configuration or never.
- `label`: one series a state, `pbs_node_state{node="…",state="…"} 1`.

The evidence, in this order: a state label; a code that only one encoding has; the distance between the codes' histogram and
`pbs_node_count_*`; metric names that only one of them has; and at last what really ships.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

ENCODINGS: Final = {
    "exporter": {1: "free", 2: "busy", 3: "offline", 4: "down"},
    "seed": {0: "free", 1: "busy", 2: "offline", 3: "down"},
    "fork": {1: "free", 2: "job-busy", 3: "offline", 4: "down"},
}
"""Dialect → code → PBS's word for the state."""

_ONLY_EXPORTER: Final = {
    "pbs_node_memory_total_gb",
    "pbs_node_memory_used_gb",
    "qstat_que_by_queue",
    "qstat_jobs_by_status",
}
_ONLY_SEED: Final = {"pbs_node_mem_total", "pbs_node_mem_used"}


class Dialect(NamedTuple):
    """A decision, and what decided it."""

    name: str
    decided_by: str
    """`label`, `code`, `counts`, `names` or `assumed`."""


def detect(
    codes: Iterable[float], *, labelled: bool, counts: Mapping[str, float], names: Collection[str]
) -> Dialect:
    """Decide from one snapshot of a source.

    `codes` are the values of `pbs_node_state`, `counts` the reported nodes by class (`free`, `busy`, `offline`, `down`), and `names` the
    metrics that the source has.
    """
    if labelled:
        return Dialect("label", "label")
    histogram = Counter(int(code) for code in codes)
    if histogram[4] or histogram[0]:
        return Dialect("exporter" if histogram[4] >= histogram[0] else "seed", "code")
    if counts and histogram:
        distances = {name: _distance(histogram, name, counts) for name in ("exporter", "seed")}
        if distances["exporter"] != distances["seed"]:
            return Dialect(min(distances, key=lambda name: distances[name]), "counts")
    if not _ONLY_EXPORTER.isdisjoint(names):
        return Dialect("exporter", "names")
    if not _ONLY_SEED.isdisjoint(names):
        return Dialect("seed", "names")
    return Dialect("exporter", "assumed")


def _distance(histogram: Counter[int], dialect: str, counts: Mapping[str, float]) -> float:
    """How far the codes are from the reported counts; a code that the dialect does not have counts double."""
    words = ENCODINGS[dialect]
    found = Counter[str]()
    unknown = 0
    for code, nodes in histogram.items():
        if code in words:
            found[words[code]] += nodes
        else:
            unknown += nodes
    return sum(abs(found[word] - count) for word, count in counts.items()) + 2 * unknown
