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
    word = None if code is None else ENCODINGS[dialect.name].get(int(code))
    return [word] if word else []


def entity(
    name: str, readings: dict[str, float], labels: Collection[str], dialect: Dialect, *, memory_unit: str
) -> dict[str, Any]:
    """A node as readers see it. `labels` are the states that the label dialect names; `memory_unit` is `GiB` or `bytes`, of metrics
    whose name does not tell.

    A full node that the exporter calls down for want of a word is `busy`, and `stateInferred`: it has jobs, and every CPU or GPU of it
    is in use, which a node that PBS cannot reach has not for long.
    """
    node: dict[str, Any] = {"id": name, "name": name}
    for field, names in NODE_COUNTS.items():
        value = first(readings, names)
        if value is not None:
            node[field] = round(value)
    for field, names in NODE_MEMORY.items():
        gib = _memory_gib(readings, names, memory_unit)
        if gib is not None:
            node[field] = gib
    words = state_words(dialect, readings, labels)
    classes = {CLASSES.get(word, "unknown") for word in words} or {"unknown"}
    state = next(each for each in WORST_FIRST if each in classes)
    if state == "down" and dialect.name == "exporter" and _is_full(node):
        node["stateInferred"] = True
        state, words = "busy", ["job-busy"]
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


def _is_full(node: Mapping[str, Any]) -> bool:
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
        if _is_full(node) and node.get("usedCpus", 0) >= node.get("totalCpus", 1):
            return "full"
        return "mixed" if jobs or node.get("usedCpus") or node.get("usedGpus") else "idle"
    if state == "busy":
        return {"job-busy": "full", "busy": "overloaded"}.get(words[-1], words[-1])
    if state == "offline" and jobs:
        return "draining"
    return next((word for word in words if word != state and CLASSES.get(word, "unknown") == state), None)
