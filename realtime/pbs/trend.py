"""The last hours of a few headline numbers, a point a minute, so that a screen has its sparklines when it connects.

A point stands at the end of its minute and is the mean of what was sampled in it; a minute without samples has no point. Points never
change once made: each new one is a small diff, and the oldest leaves.
"""

from collections.abc import Mapping
from typing import Any, Final

from realtime.state.grid import Grid

STEP_SECONDS: Final = 60

LATE_SECONDS: Final = 5 * STEP_SECONDS
"""No sample comes later: VictoriaMetrics shows none that is older, nor does Prometheus."""

EARLY_MOMENTS: Final = 3
"""One or two may be of a clock that is wrong for that long."""

SEEDED: Final = {
    "runningJobs": ("jobs", "running"),
    "queuedJobs": ("jobs", "queued"),
    "heldJobs": ("jobs", "held"),
    "cpuUtilization": ("cpus", "utilization"),
    "gpuUtilization": ("gpus", "utilization"),
    "memoryUtilization": ("memory", "utilization"),
}
"""Field of a point → where in the `summary` topic it is read. The source's history is asked for these at the start."""

LIVE: Final = {
    "freeNodes": ("nodes", "free"),
    "busyNodes": ("nodes", "busy"),
    "offlineNodes": ("nodes", "offline"),
    "downNodes": ("nodes", "down"),
}
"""Only in points that we saw being made: the history holds the exporter's states, which are not ours."""


class Trend:
    """The `trend` topic: epoch ms (as text) → point."""

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes
        self._points: dict[int, dict[str, Any]] = {}
        self._step: int | None = None
        self._sums: dict[str, tuple[float, int]] = {}
        self._early = 0
        """How many moments in a row were of long before."""

    def grid(self, now_seconds: float) -> Grid:
        """What to ask the source's history for."""
        return Grid.ending(now_seconds, STEP_SECONDS, self._minutes)

    def seed(self, grid: Grid, history: Mapping[str, list[float | None]]) -> None:
        """Take in the source's history; points that were seen being made stay."""
        for row, instant in enumerate(grid.instants):
            point = {
                field: round(value, 1)
                for field, values in history.items()
                if (value := values[row]) is not None
            }
            if point:
                self._points.setdefault(instant, point)
        self._points = dict(sorted(self._points.items()))

    def add(self, at_ms: int, summary: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in the headline numbers of one moment. A moment of a minute that is over changes nothing; several in a row of long before say that the clock
        was ahead, and with it every point since.
        """
        step = -(-at_ms // (STEP_SECONDS * 1000)) * STEP_SECONDS
        if self._step is not None and step < self._step:
            self._early += self._step - step > LATE_SECONDS
            if self._early < EARLY_MOMENTS:
                return
            self._points = {at: point for at, point in self._points.items() if at < step}
            self._step, self._sums = step, {}
        self._early = 0
        if step != self._step:
            self._close()
            self._step = step
        for field, (key, name) in (SEEDED | LIVE).items():
            value = summary.get(key, {}).get(name)
            if value is not None:
                total, count = self._sums.get(field, (0.0, 0))
                self._sums[field] = (total + value, count + 1)

    def _close(self) -> None:
        if self._step is not None and self._sums:
            self._points[self._step] = {
                field: round(total / count, 1) for field, (total, count) in self._sums.items()
            }
        self._sums = {}

    def entities(self) -> dict[str, dict[str, Any]]:
        """The points of the last minutes, oldest first."""
        if self._points:
            oldest = max(self._points) - (self._minutes - 1) * STEP_SECONDS
            self._points = {at: point for at, point in self._points.items() if at >= oldest}
        return {str(at * 1000): {"ts": at * 1000, **point} for at, point in self._points.items()}
