"""What happened, in plain numbers that only grow. Each is kept by the room that knows, and read by `web/metrics.py` when somebody asks.

Nothing is counted per delivery: the readers of a publication are counted once a batch, and in the few places where one of them is not told after
all, it is subtracted again.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

MILLISECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Bounds, in seconds, for what must not hold up the event loop."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for what waits for a network."""


class Durations:
    """How often something took how long."""

    __slots__ = ("bounds", "counts", "seconds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """So many took at most the bound at their place, and more than the one before; the last: more than all bounds."""
        self.seconds = 0.0
        """All together."""

    def note(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds


def _milliseconds() -> Durations:
    return Durations(MILLISECONDS)


@dataclass(slots=True)
class Polls:
    """One cluster's polls."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """`unchanged` (the probe saw nothing new), `older` (it saw less than before), `torn` (the new scrape was visible in part), `fetched`, or a fault's code."""
    durations: Durations = field(default_factory=lambda: Durations(SECONDS))
    series: int = 0
    """In the last fetch."""


@dataclass(slots=True)
class Telling:
    """What one hub told its readers."""

    answers: Counter[str] = field(default_factory=Counter)
    """Subscriptions, by what they brought: `current` (nothing was missed), `diff`, a snapshot's reason, `later` (nothing is known yet, or the
    connection lags)."""
    brought: int = 0
    """Readers that publications were brought to, each time."""
    unmoved: int = 0
    """Of these, those whose view did not change."""
    passed_over: int = 0
    """Of these, those that lagged, and are told later, all in one."""
    snapshots: Counter[str] = field(default_factory=Counter)
    """Given, by reason."""
    heartbeats: int = 0
    """Given."""
    encoded: Counter[str] = field(default_factory=Counter)
    """Messages made, by type."""
    cut_off: int = 0
    """Readers that accepted nothing for too long."""
    commits: Durations = field(default_factory=_milliseconds)
    fan_outs: Durations = field(default_factory=_milliseconds)

    @property
    def given(self) -> dict[str, int]:
        """Messages given, by type."""
        return {"diff": self.diffs, "snapshot": self.snapshots.total(), "heartbeat": self.heartbeats}

    @property
    def diffs(self) -> int:
        """Diffs given: what was told, less the snapshots among it."""
        told = self.brought - self.unmoved - self.passed_over
        answered = self.answers.total() - self.answers["current"] - self.answers["later"]
        return told + answered - self.snapshots.total()


class Stream(Protocol):
    """An open connection."""

    def handed_over(self) -> int:
        """Bytes of messages that it was given."""


CLOSE_CODES: Final = frozenset(range(1000, 1016))
"""Readers' close codes that are counted one by one. A reader may send thousands of others; these are counted together, as `other`."""


@dataclass(slots=True)
class Door:
    """Who came to this server, and who was turned away."""

    connects: Counter[str] = field(default_factory=Counter)
    """Readers, by transport."""
    closes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Streams that ended, by transport, side and close code."""
    turned_away: int = 0
    """Connections that were reset because too few files are left."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Requests and commands, by an error's code."""
    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Requests that were answered, by method, route and status; a stream's when it began."""
    handed_over: Counter[str] = field(default_factory=Counter)
    """Bytes of messages to connections that are closed, by transport."""
    open: dict[Stream, str] = field(default_factory=dict)
    """Every open stream, and its transport."""
    loop_lag: Durations = field(default_factory=_milliseconds)
    """By how much the event loop was late."""

    @property
    def handed_over_by_now(self) -> Counter[str]:
        """As `handed_over`, with the streams that are open."""
        handed = self.handed_over.copy()
        for stream, transport in self.open.items():
            handed[transport] += stream.handed_over()
        return handed

    def enter(self, transport: str, stream: Stream) -> None:
        """A stream begins."""
        self.connects[transport] += 1
        self.open[stream] = transport

    def leave(self, stream: Stream, *, ours: int, theirs: int | None = None) -> None:
        """A stream has ended: `ours` is the code with which this side ended it, 0 if it did not, `theirs` the reader's."""
        transport = self.open.pop(stream)
        self.handed_over[transport] += stream.handed_over()
        side, code = ("server", ours) if ours else ("reader", theirs)
        told = "none" if code is None else str(code) if ours or code in CLOSE_CODES else "other"
        self.closes[transport, side, told] += 1
