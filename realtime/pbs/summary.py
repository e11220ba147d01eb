"""The cluster in a few numbers, added up from its nodes and jobs."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from realtime.pbs.names import REPORTED_NODES, first

Entity = Mapping[str, Any]


def summarise(nodes: Iterable[Entity], totals: dict[str, float], jobs: Entity) -> dict[str, dict[str, Any]]:
    """The `summary` topic: `nodes`, `jobs`, `cpus`, `gpus` and `memory`.

    `nodes` counts states as we understand them, and beside them, as `reported…`, what the exporter counted: it counts full nodes
    as down.
    """
    nodes = list(nodes)
    summary: dict[str, dict[str, Any]] = {"nodes": {}, "jobs": dict(jobs)}
    if nodes:
        states = Counter(node["state"] for node in nodes)
        summary["nodes"] = {"total": len(nodes)} | {
            state: states[state] for state in ("free", "busy", "offline", "down", "unknown")
        }
        inferred = sum(bool(node.get("stateInferred")) for node in nodes)
        if inferred:
            summary["nodes"]["inferred"] = inferred
    for state, names in REPORTED_NODES.items():
        value = first(totals, names)
        if value is not None:
            summary["nodes"][f"reported{state.title()}"] = round(value)
    for key, suffix, digits in (("cpus", "Cpus", 0), ("gpus", "Gpus", 0), ("memory", "MemoryGiB", 1)):
        summary[key] = _resource(nodes, f"total{suffix}", f"used{suffix}", digits)
    return summary


def _resource(nodes: list[Entity], total_field: str, used_field: str, digits: int) -> dict[str, Any]:
    """Installed and used over the nodes that say so, and the percentage in use over those that say both."""
    resource: dict[str, Any] = {}
    totals = [node[total_field] for node in nodes if total_field in node]
    if totals:
        resource["total"] = round(sum(totals), digits or None)
    used = [node[used_field] for node in nodes if used_field in node]
    if used:
        resource["used"] = round(sum(used), digits or None)
    both = [
        (node[total_field], node[used_field]) for node in nodes if total_field in node and used_field in node
    ]
    if installed := sum(total for total, _ in both):
        resource["utilization"] = round(100 * sum(used for _, used in both) / installed, 1)
    return resource
