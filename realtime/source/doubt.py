"""What a source tells that is not believed yet. It asks nobody and reads no clock.

Nobody is shown half a scrape. VictoriaMetrics makes a scrape visible in pieces now and then, the new numbers of some nodes beside the old ones
of others: what has more samples astray than the source always has is torn, until it is whole or has had its time.

Nobody is taken back. A source that was killed has lost its last seconds, one whose storage was put back its last day, and tells of what was
as if it were news: nodes that came since are gone, and those that fell are up. What it tells is old, until it tells of later than that.
"""

from typing import Final

SCRAPES_BEHIND: Final = 3
"""A source that goes on from an earlier time for so many scrapes has not lost its last ones: its clock was set back, and it is believed."""


class Doubt:
    """What is known of one source's word."""

    def __init__(self, torn_scrape_seconds: float) -> None:
        self._torn_scrape_seconds = torn_scrape_seconds
        self._torn_since: float | None = None
        self._always_stray = 0
        """Samples that were still stray when that time was over: who pushes each series by itself always has some, and so have rules."""
        self._reached = 0
        """The time up to which what is shown goes, epoch ms; by our clock, if the source's is ahead."""
        self._behind: list[int] = []
        """What a source that went back has told since."""

    @property
    def awaits(self) -> bool:
        """Whether the newest scrape was visible in part, and the rest is awaited."""
        return self._torn_since is not None

    def await_nothing(self) -> None:
        """The rest of that scrape is not what comes next."""
        self._torn_since = None

    def believe(self, newest: int, now_ms: int) -> None:
        """What is shown goes up to the newest sample now."""
        self._reached = min(newest, now_ms)

    def went_back(self, newest: int) -> bool:
        """Whether a probe tells of less than is shown, and is not believed."""
        if newest >= self._reached:
            self._behind.clear()
        elif not self._behind or newest < self._behind[0]:
            self._behind = [newest]
        elif newest not in self._behind:
            # Two servers in turn may each tell of another time.
            self._behind.append(newest)
        return 0 < len(self._behind) <= SCRAPES_BEHIND

    def is_older(self, newest: int, probed: int) -> bool:
        """Whether a body is of less than is shown, and than the probe before it told of."""
        return newest < min(probed, self._reached)

    def is_torn(self, stray: int, now_seconds: float) -> bool:
        """Whether the rest of a scrape is worth waiting for."""
        began = now_seconds if self._torn_since is None else self._torn_since
        if stray > self._always_stray and now_seconds - began < self._torn_scrape_seconds:
            self._torn_since = began
            return True
        self._always_stray, self._torn_since = stray, None
        return False
