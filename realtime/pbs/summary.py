"""The cluster in a few numbers, kept as its nodes change: a poll pays for the nodes that changed, not for all of them.

Two questions are told apart, since people ask both: how much of what is installed is in use, and how much of what can be used
(`usable…`: nodes that are free or busy; a drained or dead node's GPUs help nobody).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

Entity = Mapping[str, Any]

STATES: Final = ("free", "busy", "offline", "down", "unknown")
USABLE: Final = ("free", "busy")
LARGEST_BIN: Final = 8
"""Nodes with so many free GPUs or more share the histogram's last bin."""


class Usage:
    """Sums of one resource over nodes. Memory is summed in tenths of a GiB, which is how nodes are rounded: whole numbers can be taken off
    again without a rest.
    """

    __slots__ = ("_scale", "_total_field", "_used_field", "both", "free", "total", "usable", "used")

    def __init__(self, total_field: str, used_field: str, scale: int = 1) -> None:
        self._total_field = total_field
        self._used_field = used_field
        self._scale = scale
        # Each is how many nodes say so, and what they say. `both` and `usable` say what they have and what they use.
        self.total = [0, 0]
        self.used = [0, 0]
        self.free = [0, 0]
        self.both = [0, 0, 0]
        self.usable = [0, 0, 0]

    def count(self, node: Entity, sign: int, *, usable: bool) -> None:
        """Add a node (`sign` 1) or take it off (-1)."""
        total, used = node.get(self._total_field), node.get(self._used_field)
        if total is not None:
            total = round(total * self._scale)
            self.total[0] += sign
            self.total[1] += sign * total
        if used is not None:
            used = round(used * self._scale)
            self.used[0] += sign
            self.used[1] += sign * used
        if total is None or used is None:
            return
        for share in (self.both, self.usable) if usable else (self.both,):
            share[0] += sign
            share[1] += sign * total
            share[2] += sign * used
        if usable:
            self.free[0] += sign
            self.free[1] += sign * max(0, total - used)

    def told(self) -> dict[str, Any]:
        """Installed and used over the nodes that say so; percentages over those that say both."""
        found: dict[str, Any] = {}
        for field, (nodes, amount) in (("total", self.total), ("used", self.used), ("free", self.free)):
            if nodes:
                found[field] = self._unscaled(amount)
        for field, (_, total, used) in (("utilization", self.both), ("usableUtilization", self.usable)):
            if total:
                found[field] = round(100 * used / total, 1)
        if self.usable[1]:
            found["usableTotal"] = self._unscaled(self.usable[1])
        return found

    def _unscaled(self, amount: int) -> float:
        return amount if self._scale == 1 else round(amount / self._scale, 1)


class Tally:
    """Sums over nodes, to which a node can be added and from which it can be taken."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, str | int]] = Counter()
        self._usages: dict[str, Usage] = {
            "cpus": Usage("totalCpus", "usedCpus"),
            "gpus": Usage("totalGpus", "usedGpus"),
            "memory": Usage("totalMemoryGiB", "usedMemoryGiB", scale=10),
        }

    def replace(self, before: Entity | None, after: Entity | None) -> None:
        """Count `after` in place of `before`; None is no node."""
        for node, sign in ((before, -1), (after, 1)):
            if node is None:
                continue
            usable = node["state"] in USABLE
            for usage in self._usages.values():
                usage.count(node, sign, usable=usable)
            for key, amount in _contributions(node, usable=usable):
                self._sums[key] += sign * amount
                if not self._sums[key]:
                    del self._sums[key]

    def nodes(self) -> dict[str, Any]:
        """Nodes by state and detail; empty while there is none."""
        sums = self._sums
        states = {state: sums["state", state] for state in STATES}
        if not any(states.values()):
            return {}
        found = {"total": sum(states.values())} | states
        found["usable"] = sum(states[state] for state in USABLE)
        found |= {detail: sums["detail", detail] for detail in ("idle", "mixed", "full")}
        found |= {"draining": sums["detail", "draining"], "drainingJobs": sums["jobs", "draining"]}
        if sums["nodes", "inferred"]:
            found["inferred"] = sums["nodes", "inferred"]
        return found

    def resource(self, kind: str) -> dict[str, Any]:
        """`cpus`, `gpus` or `memory` (GiB)."""
        return self._usages[kind].told()

    def gpu_blocks(self) -> dict[str, Any]:
        """Where the free GPUs are: on one node together, or scattered, or where no job can have them.

        `freeHistogram[n]` is how many usable GPU nodes have n GPUs that a job can have (the last bin: that many or more), `largestFree` the
        most on one node. `stranded` are those that are free on a node without a free CPU, or on one that is busy: PBS starts nothing
        there.
        """
        free = {
            int(key): count for (what, key), count in self._sums.items() if what == "nodes with free GPUs"
        }
        if not free and not self._sums["nodes", "out of service"]:
            return {}
        histogram = [0] * (LARGEST_BIN + 1)
        for gpus, nodes in free.items():
            histogram[min(gpus, LARGEST_BIN)] += nodes
        return {
            "freeHistogram": histogram,
            "largestFree": max(free, default=0),
            "stranded": self._sums["gpus", "stranded"],
            "outOfService": self._sums["gpus", "out of service"],
        }


def _contributions(node: Entity, *, usable: bool) -> Iterator[tuple[tuple[str, str | int], int]]:
    """What one node adds to which sum."""
    state, detail = node["state"], node.get("stateDetail")
    yield ("state", state), 1
    if detail:
        yield ("detail", detail), 1
    if detail == "draining":
        yield ("jobs", "draining"), node["jobCount"]
    if node.get("stateInferred"):
        yield ("nodes", "inferred"), 1
    total, used = node.get("totalGpus", 0), node.get("usedGpus")
    if not total or used is None:
        return
    free = max(0, total - used)
    if not usable:
        yield ("nodes", "out of service"), 1
        yield ("gpus", "out of service"), free
    elif state == "busy" or node.get("usedCpus", 0) >= node.get("totalCpus", 1):
        yield ("nodes with free GPUs", 0), 1
        yield ("gpus", "stranded"), free
    else:
        yield ("nodes with free GPUs", free), 1


def pressure(jobs: Entity) -> dict[str, Any]:
    """How hard the queue presses: waiting jobs for each running one, and the share of all that is held (percent)."""
    found: dict[str, Any] = {}
    running, queued, total = (jobs.get(field) for field in ("running", "queued", "total"))
    if running is not None and queued is not None:
        found["pressure"] = round(queued / max(running, 1), 2)
    if total:
        found["heldShare"] = round(100 * jobs["held"] / total, 1)
    return found


def summarise(tally: Tally, counted: Mapping[str, float], jobs: Entity) -> dict[str, dict[str, Any]]:
    """The `summary` topic: `nodes`, `jobs`, `cpus`, `gpus` and `memory`.

    `nodes` counts states as we understand them, and beside them, as `reported…`, what the exporter counted (`counted`): it counts full
    nodes as down.
    """
    reported = {f"reported{state.title()}": round(count) for state, count in counted.items()}
    return {
        "nodes": tally.nodes() | reported,
        "jobs": dict(jobs) | pressure(jobs),
        "cpus": tally.resource("cpus"),
        "gpus": tally.resource("gpus") | tally.gpu_blocks(),
        "memory": tally.resource("memory"),
    }
