"""The even grid that history is told on.

A row stands at the end of its step and tells the mean of `(at - step, at]`. Steps are aligned to the epoch, so two
readers who ask within one step get the same rows.
"""

from typing import NamedTuple, Self

from realtime.errors import RequestError


class Grid(NamedTuple):
    """`rows` instants, `step_seconds` apart, the last at `end_seconds` (Unix time, a multiple of the step)."""

    end_seconds: int
    step_seconds: int
    rows: int

    @classmethod
    def ending(cls, now_seconds: float, step_seconds: int, rows: int) -> Self:
        """The last `rows` whole steps before now."""
        return cls(int(now_seconds) // step_seconds * step_seconds, step_seconds, rows)

    @property
    def start_seconds(self) -> int:
        """The first row's instant."""
        return self.end_seconds - (self.rows - 1) * self.step_seconds

    @property
    def instants(self) -> range:
        """Every row's instant, in Unix seconds."""
        return range(self.start_seconds, self.end_seconds + 1, self.step_seconds)


# The old backend's four ranges and steps: 60, 288, 336 and 180 rows.
TIME_RANGES: dict[str, tuple[int, int]] = {
    "1h": (3_600, 60),
    "24h": (86_400, 300),
    "7d": (604_800, 1_800),
    "30d": (2_592_000, 14_400),
}


def grid_of(time_range: str, now_seconds: float) -> Grid:
    """The grid of one of the four time ranges, or a RequestError that names them."""
    try:
        span_seconds, step_seconds = TIME_RANGES[time_range]
    except KeyError:
        allowed = ", ".join(TIME_RANGES)
        raise RequestError("bad_parameter", f"timeRange must be one of {allowed}") from None
    return Grid.ending(now_seconds, step_seconds, span_seconds // step_seconds)
