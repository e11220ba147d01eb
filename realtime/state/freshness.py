"""How old what we show is, and what to call that.

Law: data is as old as the clock says by which it is older. The wall clock may be set back, and the steady one stands still while the
machine sleeps; neither may make data young.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from realtime.state.entities import Fault


class Quality(StrEnum):
    """What a screen should make of the numbers."""

    STARTING = "starting"
    """Nothing is known yet."""
    LIVE = "live"
    STALE = "stale"
    """The source answers, but its newest sample is old."""
    PARTIAL = "partial"
    """Some of it is missing, and shown as it last was."""
    DOWN = "down"
    """The source does not answer, and what is shown is old, or nothing is."""


class Instant(NamedTuple):
    """A moment, by both clocks."""

    ms: int
    """By the wall clock, epoch ms."""
    seconds: float
    """By one that nobody sets."""


class Freshness(NamedTuple):
    """What the poller knows about the age of what it published. Ages are judged by sample timestamps: that a query succeeded says
    nothing about how old its answer is.
    """

    sampled_at: int | None = None
    """The newest published sample's timestamp, epoch ms; None before the first."""
    seen: Instant | None = None
    """When that sample was first seen."""
    interval_ms: int | None = None
    """How far apart the source's scrapes are, as learned from their timestamps."""
    problem: str = ""
    """Why the last poll failed; empty if it did not."""
    code: str = ""
    """The problem's fault code."""
    reachable: bool = True
    """Whether the source answered the last poll, be it with nothing."""
    partial: bool = False
    """Whether something is shown as it last was, because the source has lost it."""

    def data_age_ms(self, now: Instant) -> int | None:
        """How old the newest sample is; None before the first. A sample from the future is of now."""
        if self.sampled_at is None:
            return None
        seen = self.seen or now
        since_seen = seen.ms - self.sampled_at + round(1000 * (now.seconds - seen.seconds))
        return max(0, now.ms - self.sampled_at, since_seen)

    def stale_after_ms(self, fixed_ms: float = 0) -> float:
        """The age from which data is stale: `fixed_ms` if the operator set it, else three scrapes and some slack."""
        if fixed_ms:
            return fixed_ms
        return UNLEARNED_MS if self.interval_ms is None else SCRAPES_MISSED * self.interval_ms + SLACK_MS

    def quality(self, now: Instant, fixed_ms: float = 0) -> Quality:
        """What to call it."""
        age = self.data_age_ms(now)
        if age is None:
            return Quality.STARTING if self.reachable else Quality.DOWN
        if age > self.stale_after_ms(fixed_ms):
            return Quality.STALE if self.reachable else Quality.DOWN
        return Quality.PARTIAL if self.partial else Quality.LIVE

    def faults(self, now: Instant, fixed_ms: float = 0) -> list[Fault]:
        """What is wrong with the polling, as `{code, detail}`."""
        if self.problem:
            return [{"code": self.code, "detail": self.problem}]
        age = self.data_age_ms(now)
        if age is not None and age > self.stale_after_ms(fixed_ms):
            return [{"code": "SCRAPE_LATE", "detail": LATE}]
        return []


SCRAPES_MISSED: Final = 3
"""Two scrapes may be missed before anything is called stale: the exporter empties its series for one now and then."""

SLACK_MS: Final = 15_000
"""For a scrape that takes long, and for a source that shows it late (VictoriaMetrics: 1 s, a new series 10 s)."""

UNLEARNED_MS: Final = 180_000
"""Until two scrapes were seen: the exporter's own 60 s, thrice."""

LATE: Final = "the source answers, but its newest sample is so old that it counts as stale: the exporter, or the scraping of it, is late, or the clocks differ"
