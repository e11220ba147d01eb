"""Which encoding of `pbs_node_state` an exporter speaks.

Four are in use, and they contradict each other:

- `exporter`: 1 free, 2 busy, 3 offline, 4 down: what pbs-exporter emits, where 4 is also every state that it has no word for.
- `seed`: 0 free, 1 busy, 2 offline, 3 down: what the replaced backend's README says; no released exporter emits it.
- `fork`: as `exporter`, but 2 means PBS's job-busy (all CPUs allocated) and not a high load average. A node that is busy by code and runs
  jobs on all its CPUs gives it away: PBS names job-busy before busy, so pbs-exporter would have called that node 4.
- `label`: one series a state, `pbs_node_state{node="…",state="…"} 1`.

The evidence, in this order: a state label; a code that only one encoding has; the distance between the codes' histogram and
`pbs_node_count_*`; metric names that only one of them has; and at last what really ships.
"""

from collections import Counter
from collections.abc import Collection, Mapping
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
    """`configured`, `label`, `code`, `counts`, `names` or `assumed`."""


def detect(
    codes: Counter[int],
    *,
    labelled: bool,
    counts: Mapping[str, float],
    names: Collection[str],
    full_and_busy: bool = False,
) -> Dialect:
    """Decide from one snapshot of a source.

    `codes` counts the nodes by value of `pbs_node_state`, `counts` are the reported nodes by class (`free`, `busy`, `offline`, `down`), `names`
    the metrics that the source has, and `full_and_busy` says that some node of code 2 runs jobs on all its CPUs.
    """
    if labelled:
        return Dialect("label", "label")
    exporter = "fork" if full_and_busy else "exporter"
    if codes[4] or codes[0]:
        return Dialect(exporter if codes[4] >= codes[0] else "seed", "code")
    if counts and codes:
        distances = {name: _distance(codes, name, counts) for name in ("exporter", "seed")}
        if distances["exporter"] != distances["seed"]:
            return Dialect("seed" if distances["seed"] < distances["exporter"] else exporter, "counts")
    if not _ONLY_EXPORTER.isdisjoint(names):
        return Dialect(exporter, "names")
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
