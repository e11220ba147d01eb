"""The simulated past: what a month's scrapes of a cluster would keep of its headline numbers."""

from array import array
from collections.abc import Iterable, Mapping
from typing import Final

from realtime.source.simulated_server import Server
from realtime.state.grid import Grid

KEEP_MINUTES: Final = 31 * 1_440
"""What is remembered: 30 days are the longest time range. 3 MB."""


class Past:
    """The headline numbers of the last month: for each minute `(at - 60 s, at]` their sum over its ticks."""

    def __init__(self) -> None:
        self._first = 0
        self._ticks = array("l")
        self._sums: dict[str, array[float]] = {}

    def note(self, at_ms: int, numbers: Mapping[str, float]) -> None:
        """Add a tick's numbers, the same fields each time. What is older than the first tick is not kept."""
        minute = -(-at_ms // 60_000)
        if not self._ticks or minute - self._first - len(self._ticks) > KEEP_MINUTES:
            self._first = minute
            self._ticks = array("l")
            self._sums = {field: array("d") for field in numbers}
        at = minute - self._first
        if at < 0:
            return
        columns: Iterable[array[int] | array[float]] = (self._ticks, *self._sums.values())
        missing = at + 1 - len(self._ticks)
        for column in columns:
            if missing > 0:
                column.frombytes(bytes(missing * column.itemsize))
        self._ticks[at] += 1
        for field, number in numbers.items():
            self._sums[field][at] += number
        if len(self._ticks) > KEEP_MINUTES + 1_440:  # a day at a time, since all that is kept must move
            for column in columns:
                del column[:1_440]
            self._first += 1_440

    def means(self, field: str, grid: Grid) -> list[float | None]:
        """A field's mean over each step, None without a tick. Steps are whole minutes, as all grids' are."""
        sums = self._sums.get(field)
        rows: list[float | None] = []
        for at in grid.instants:
            low = max(0, (at - grid.step_seconds) // 60 + 1 - self._first)
            high = max(0, at // 60 + 1 - self._first)
            ticks = sum(self._ticks[low:high])
            rows.append(sum(sums[low:high]) / ticks if sums and ticks else None)
        return rows


def headline(server: Server) -> dict[str, float]:
    """The fields of history now: counts, and percent of the whole cluster."""
    return {
        "runningJobs": server.letters["R"],
        "queuedJobs": server.letters["Q"],
        "heldJobs": server.letters["H"],
        "cpuUtilization": 100 - 100 * server.free_cpus / server.total_cpus,
        "gpuUtilization": 100 - 100 * server.free_gpus / server.total_gpus,
        "memoryUtilization": 100 - 100 * server.free_memory_gib / server.total_memory_gib,
        "nodeUtilization": 100 * server.occupied / len(server.nodes),
    }
