"""How old what we show is, and what to call that."""

from enum import StrEnum
from typing import NamedTuple


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


class Freshness(NamedTuple):
    """What the poller knows about the age of what it published. Ages are judged by sample timestamps: that a query succeeded says
    nothing about how old its answer is.
    """

    sampled_at: int | None = None
    """The newest published sample's timestamp, epoch ms; None before the first."""
    polled: bool = False
    """Whether the source was asked at all."""
    problem: str = ""
    """Why the last poll failed; empty if it did not."""
    reachable: bool = True
    """Whether the source answered the last poll, be it with nothing."""
    partial: bool = False

    def data_age_ms(self, now_ms: int) -> int | None:
        """How old the newest sample is; None before the first. A sample from the future is of now."""
        return None if self.sampled_at is None else max(0, now_ms - self.sampled_at)

    def quality(self, now_ms: int, stale_after_ms: float) -> Quality:
        """What to call it."""
        age = self.data_age_ms(now_ms)
        if age is None:
            return Quality.STARTING if self.reachable else Quality.DOWN
        if age > stale_after_ms:
            return Quality.STALE if self.reachable else Quality.DOWN
        return Quality.PARTIAL if self.partial else Quality.LIVE
