"""One node: from its readings to the entity that every reader sees."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

from realtime.pbs.dialect import ENCODINGS, Dialect
from realtime.pbs.names import NODE_COUNTS, NODE_MEMORY, NODE_STATE, first

CLASSES: Final = {
    "free": "free",
    "job-busy": "busy",
    "job-exclusive": "busy",
    "resv-exclusive": "busy",
    "busy": "busy",
    "job-sharing": "busy",
    "reserve": "busy",
    "offline": "offline",
    "offline_by_mom": "offline",
    "maintenance": "offline",
    "sleep": "offline",
    "down": "down",
    "stale": "down",
    "state-unknown": "down",
    "unresolvable": "down",
    "initializing": "unknown",
    "provisioning": "unknown",
    "wait-provisioning": "unknown",
}
"""PBS's word for a node's state → ours (pbs_node_attributes.7B; pbs_nodes.h:280). An unlisted word is `unknown`."""

WORST_FIRST: Final = ("down", "offline", "unknown", "busy", "free")
"""Where a node is in several states at once, the one that keeps jobs away counts: a drained node is not free (SchedMD's and PBS's
own order)."""

GIB: Final = 2**30


def state_words(dialect: Dialect, readings: Mapping[str, float], labels: Collection[str]) -> list[str]:
    """PBS's words for the node's state, as far as the dialect tells; none if it does not."""
    if dialect.name == "label":
        return sorted(word for label in labels for word in label.lower().split(","))
    code = first(dict(readings), NODE_STATE)
    return [word for number, word in ENCODINGS[dialect.name].items() if number == code]


CAPACITY: Final = ("totalCpus", "totalGpus", "totalMemoryGiB")

COARSE_FROM_GIB: Final = 1000
"""From here on pbsnodes prints whole tb, so installed and used memory of `_gb` metrics are each up to half a TiB off."""


def resources(readings: dict[str, float], unit: str) -> dict[str, Any]:
    """What the node has and uses, and how many jobs it runs. What cannot be is unknown:

    - GPUs without a CPU: memory that PBS prints as `0 b` shifts the exporter's columns, and CPUs arrive as GPUs;
    - less than nothing.
    """
    found: dict[str, Any] = {}
    for field, names in NODE_COUNTS.items():
        value = first(readings, names)
        if value is not None and value >= 0:
            found[field] = round(value)
    if is_shifted(readings):
        return {"jobCount": found["jobCount"]} if "jobCount" in found else {}
    for field, names in NODE_MEMORY.items():
        gib = _memory_gib(readings, names, unit)
        if gib is not None and gib >= 0:
            found[field] = gib
    if found.get("totalMemoryGiB", 0) >= COARSE_FROM_GIB and NODE_MEMORY["totalMemoryGiB"][0] in readings:
        found["memoryCoarse"] = True
    return found


def is_shifted(readings: Mapping[str, float]) -> bool:
    """Whether the exporter's columns have slipped for this node."""
    return readings.get("pbs_node_cpus_total") == 0 and readings.get("pbs_node_gpus_total", 0) > 0


def entity(
    name: str,
    readings: dict[str, float],
    labels: Collection[str],
    dialect: Dialect,
    *,
    memory_unit: str,
    capacity: Mapping[str, Any] | None = None,
    infer: bool = False,
    outlived: bool = False,
) -> dict[str, Any]:
    """A node as readers see it.

    `labels` are the states that the label dialect names; `memory_unit` is `GiB` or `bytes`, of metrics whose name does not tell. `capacity` is
    what it was last seen to have: a node of which PBS prints 0/0 has not lost its GPUs.

    Where the exporter has no word for full nodes (`infer`), one that it calls down is `busy` and `stateInferred` if it runs jobs on all of its
    CPUs or GPUs, or if its jobs have `outlived` the time after which PBS takes them from a dead node. Until then a node that is down
    and has jobs is `suspect`.
    """
    node: dict[str, Any] = {"id": name, "name": name} | resources(readings, memory_unit)
    if capacity and not node.get("totalCpus"):
        node |= {**capacity, "capacityRemembered": True}
    words = state_words(dialect, readings, labels)
    classes = {CLASSES.get(word, "unknown") for word in words} or {"unknown"}
    state = next(each for each in WORST_FIRST if each in classes)
    if state == "down" and node.get("jobCount"):
        if infer and (is_full(node) or outlived):
            state, words = "busy", ["job-busy" if is_full(node) else "job-exclusive"]
            node["stateInferred"] = True
        else:
            node["suspect"] = True
    node["state"] = state
    detail = _detail(state, words, node)
    if detail:
        node["stateDetail"] = detail
    return node


def _memory_gib(readings: dict[str, float], names: tuple[str, ...], unit: str) -> float | None:
    for name in names:
        if name in readings:
            in_bytes = name.endswith("_bytes") or (unit == "bytes" and not name.endswith("_gb"))
            return round(readings[name] / (GIB if in_bytes else 1), 1)
    return None


def memory_unit(totals: Collection[float]) -> str:
    """The unit of `pbs_node_mem_total`, which its name does not tell: no node has a million GiB."""
    return "bytes" if any(math.isfinite(total) and total >= 1e6 for total in totals) else "GiB"


def is_full(node: Mapping[str, Any]) -> bool:
    """Whether a node runs jobs and has no CPU, or no GPU, left."""
    return bool(node.get("jobCount")) and any(
        0 < node.get(total, 0) <= node.get(used, 0)
        for total, used in (("totalCpus", "usedCpus"), ("totalGpus", "usedGpus"))
    )


def _detail(state: str, words: list[str], node: Mapping[str, Any]) -> str | None:
    """What the class leaves open: `idle`, `mixed` or `full` of a free node, `full` or `overloaded` of a busy one, `draining` of an offline
    one that still runs jobs; else PBS's own word where it says more than the class.
    """
    jobs = node.get("jobCount", 0)
    if state == "free":
        if is_full(node) and node.get("usedCpus", 0) >= node.get("totalCpus", 1):
            return "full"
        return "mixed" if jobs or node.get("usedCpus") or node.get("usedGpus") else "idle"
    if state == "busy":
        return {"job-busy": "full", "busy": "overloaded"}.get(words[-1], words[-1])
    if state == "offline" and jobs:
        return "draining"
    return next((word for word in words if word != state and CLASSES.get(word, "unknown") == state), None)
