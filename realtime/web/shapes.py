"""The REST bodies, made of entities: pure, one function a shape.

The fields and their order are the replaced backend's (tests/data/reference holds its real answers). Where it invented, these say what is
known: `jobs` of a node is as long as the truth and holds nulls, since no metric names a job; what is unknown is absent.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from realtime.web.bodies import Jobs, JobSummary, NodeRow, QueueJobs, QueueRow, Stats, UserJobs

Entity = Mapping[str, Any]

MOST_JOBS: Final = 10_000
"""Nulls in a node's `jobs`; more jobs than this on one node are an exporter's slip, which `jobCount` shows."""

Entities = Mapping[str, Entity]


def jobs(summary: Entities, users: Entities, queues: Entities, *, limit: int | None) -> Jobs:
    """`{summary, byUser, byQueue}`: the busiest first; `limit` cuts `byUser`."""
    totals = dict(summary.get("jobs", {}))
    known = {new: totals.pop(old) for new, old in _JOB_NAMES.items() if old in totals}
    by_user: list[UserJobs] = [
        {"user": name, "count": user["runningJobs"]} for name, user in users.items() if "runningJobs" in user
    ]
    by_queue = [
        cast(
            "QueueJobs",
            {"queue": name} | {new: queue[old] for new, old in _QUEUE_NAMES.items() if old in queue},
        )
        for name, queue in queues.items()
    ]
    return {
        "summary": cast("JobSummary", {**known, **totals}),
        "byUser": sorted(by_user, key=lambda row: (-row["count"], row["user"]))[:limit],
        "byQueue": sorted(by_queue, key=lambda row: (-row.get("count", 0), row["queue"])),
    }


_JOB_NAMES = {"total": "total", "running": "running", "queued": "queued", "hold": "held"}
_QUEUE_NAMES = {"count": "totalJobs", "running": "runningJobs", "queued": "queuedJobs"}


def nodes(entities: Iterable[Entity]) -> list[NodeRow]:
    """Every node, in the order in which a person would count them."""
    return [node(entity) for entity in sorted(entities, key=lambda entity: natural(entity["name"]))]


def node(entity: Entity) -> NodeRow:
    """One node: as streamed, and what the old frontend reads besides."""
    shape = dict(entity)
    for new, old in (("totalMemory", "totalMemoryGiB"), ("usedMemory", "usedMemoryGiB")):
        if old in entity:
            shape[new] = f"{entity[old]:g}GiB"
    shape |= {"jobs": [None] * min(entity.get("jobCount", 0), MOST_JOBS), "properties": []}
    return cast("NodeRow", shape)


def queues(entities: Entities) -> list[QueueRow]:
    """Every queue, the fullest first. `enabled`, `started` and `priority` are in no metric, so they are not here."""
    return sorted(
        (cast("QueueRow", dict(queue)) for queue in entities.values()),
        key=lambda queue: (-queue.get("totalJobs", 0), queue["name"]),
    )


_STATS = {
    "totalNodes": ("nodes", "total"),
    "freeNodes": ("nodes", "free"),
    "busyNodes": ("nodes", "busy"),
    "offlineNodes": ("nodes", "offline"),
    "unknownNodes": ("nodes", "unknown"),
    "reportedFreeNodes": ("nodes", "reportedFree"),
    "reportedBusyNodes": ("nodes", "reportedBusy"),
    "reportedOfflineNodes": ("nodes", "reportedOffline"),
    "reportedDownNodes": ("nodes", "reportedDown"),
    "totalJobs": ("jobs", "total"),
    "runningJobs": ("jobs", "running"),
    "queuedJobs": ("jobs", "queued"),
    "heldJobs": ("jobs", "held"),
    "totalCpus": ("cpus", "total"),
    "usedCpus": ("cpus", "used"),
    "totalGpus": ("gpus", "total"),
    "usedGpus": ("gpus", "used"),
    "cpuUtilization": ("cpus", "utilization"),
    "gpuUtilization": ("gpus", "utilization"),
    "memoryUtilization": ("memory", "utilization"),
}


def stats(summary: Entities) -> Stats:
    """The cluster in a few numbers; `downNodes` counts offline ones too, as it always did."""
    shape = {
        field: summary[key][name] for field, (key, name) in _STATS.items() if name in summary.get(key, {})
    }
    counts = summary.get("nodes", {})
    if "down" in counts and "offline" in counts:
        shape["downNodes"] = counts["down"] + counts["offline"]
    return cast("Stats", shape)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that counts: node-9 stands before node-10."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    ]
