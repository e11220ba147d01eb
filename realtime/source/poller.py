"""The one loop that asks the source, so that nobody else need.

Law 4: a failed poll changes freshness and nothing else. An outage is never an empty cluster.

A poll is a probe, and only if that saw something new (or too long ago was the last look) a fetch of everything. One poll after each
new scrape everything is fetched once more, for the series that are brand-new: those are visible later than others.

A fetch that is in doubt (see `doubt.py`) publishes nothing, and nothing remembers it: what is shown stays, and grows old. After half a scrape the
next poll comes at once.
"""

import asyncio
import gc
import random
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any, Final, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from realtime.config import ASK_AGAIN_SECONDS
from realtime.counts import Polls
from realtime.errors import SourceEmpty, SourceError, SourcePartial, SourceUnavailable
from realtime.pbs.assemble import Assembler
from realtime.pbs.trend import SEEDED, Trend
from realtime.source.doubt import Doubt
from realtime.source.exposition import Exposition, Reading
from realtime.source.sample import Group, Sample, groups_of
from realtime.source.source import Source
from realtime.state.freshness import Freshness, Instant

T = TypeVar("T")

ENOUGH: Final = 3
"""So many distances of scrapes are needed for a median that one outage cannot make."""

LONGEST_INTERVAL_MS: Final = 300_000
"""VictoriaMetrics forgets a sample after 5 minutes; who scrapes less often has no live data at all."""


SET_ASIDE: Final = 5_000
"""New series from which on they are set aside: a cluster of 500 nodes when it is first seen, some 20,000 objects."""

INTERVALS: Final = 9
"""The scrape interval is the median of so many: a missed scrape or two does not stretch it."""

Publish = Callable[[Mapping[str, Mapping[str, Any]], int], bool]
"""Hands over every topic's entities and the time (epoch ms); answers whether anything changed."""

Strangers = Callable[[set[Group]], Awaitable[int]]
"""Asked before a reading is taken in: how many groups there are of which nobody knows whose they are. May raise SourceError."""

log = structlog.get_logger()


class Poller:
    """One cluster's poller."""

    def __init__(
        self,
        source: Source,
        assembler: Assembler,
        trend: Trend,
        publish: Publish,
        freshen: Callable[[Freshness], None],
        *,
        now_ms: Callable[[], int],
        interval_seconds: float,
        refetch_seconds: float,
        backoff_max_seconds: float,
        torn_scrape_seconds: float,
        strangers: Strangers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Polls()
        self._source = source
        self._assembler = assembler
        self._trend = trend
        self._publish = publish
        self._freshen = freshen
        self._strangers = strangers
        self._now_ms = now_ms
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._refetch_seconds = refetch_seconds
        self._backoff_max_seconds = backoff_max_seconds
        self._doubt = Doubt(torn_scrape_seconds)
        self._exposition = Exposition()
        self._probed: int | None = None
        self._changed: list[Sample] = []
        self._gone: list[Sample] = []
        """What was read, and is not taken in yet."""
        self._settled = False
        self._fetched_at = 0.0
        self._newest: int | None = None
        self._sampled_at: int | None = None
        self._seen: Instant | None = None
        self._intervals: deque[int] = deque(maxlen=INTERVALS)
        self._shown = asyncio.Event()
        """Set once the present is published."""
        self._failures = 0

    async def run(self) -> None:
        """Poll until cancelled, and beside that give the trend its past."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._seed())
            while True:
                started = loop.time()
                await self.poll()
                await asyncio.sleep(max(0.0, started + self.pause_seconds() - loop.time()))

    def pause_seconds(self) -> float:
        """From one poll's start to the next one's: the interval, or after failures longer and longer, with jitter, so that several servers
        do not ask a struggling source in step.
        """
        if not self._failures:
            if self._doubt.awaits:
                return min(self._interval_seconds, ASK_AGAIN_SECONDS)
            return self._interval_seconds
        backoff = min(self._backoff_max_seconds, self._interval_seconds * 2.0 ** min(self._failures, 16))
        return max(self._interval_seconds, backoff * random.uniform(0.5, 1.0))  # noqa: S311 — no secret

    async def poll(self) -> None:
        """Ask once; publish if anything is new; say how fresh what we have is.

        Whatever is logged meanwhile, here or by those who are asked and told, bears this poll's id: it ties a revision to its question.
        """
        began = self._clock()
        with bound_contextvars(poll=secrets.token_hex(4)):
            try:
                outcome = await self._ask()
            except SourceError as error:
                outcome = error.code
                self._failures += 1
                self._doubt.await_nothing()
                log.warning("poll failed", problem=str(error), failures=self._failures)
                self._say_how_fresh(error)
            else:
                if self._failures:
                    log.info("source answers again", failures=self._failures)
                self._failures = 0
                self._say_how_fresh()
        self.counts.outcomes[outcome] += 1
        self.counts.durations.note(self._clock() - began)

    def _say_how_fresh(self, error: SourceError | None = None) -> None:
        self._freshen(
            Freshness(
                sampled_at=self._sampled_at,
                seen=self._seen,
                interval_ms=round(median(self._intervals)) if len(self._intervals) >= ENOUGH else None,
                problem=str(error or ""),
                code=error.code if error else "",
                reachable=not isinstance(error, SourceUnavailable),
                partial=self._assembler.partial or self._source.partial,
            )
        )

    async def _ask(self) -> str:
        """Probe, and perhaps fetch and publish; says which: `unchanged`, `older`, `torn` or `fetched`."""
        newest = await self._source.probe()
        if self._source.partial:
            raise SourcePartial("part of the source's storage is missing; what it lists now may not be all")
        if newest is not None and self._doubt.went_back(newest):
            self._doubt.await_nothing()
            return "older"
        now = Instant(self._now_ms(), self._clock())
        advanced = newest is None or newest != self._probed
        if not advanced and self._settled and now.seconds - self._fetched_at < self._refetch_seconds:
            return "unchanged"
        body = await self._source.fetch()
        with collector_paused():
            # What bears no time of its own is as old as the probe says: as of now it would look young for ever.
            reading = await in_slices(self._exposition.read(body, now.ms if newest is None else newest))
        self._changed += reading.changed
        self._gone += reading.gone
        # Before anything takes it in: what must not be shown must not be remembered either.
        if doubt := await self._doubted(reading, newest, now):
            return doubt
        with collector_paused():
            changed = [sample for sample in self._changed if not sample.gone]
            gone, self._changed, self._gone = self._gone, [], []
            topics = await in_slices(self._assembler.assemble(changed, gone, now.ms))
            if reading.series - self.counts.series > SET_ASIDE:
                gc.freeze()
        if reading.newest is None or topics is None:
            raise SourceEmpty("the source holds no current PBS metrics: is pbs-exporter up, and scraped?")
        # The scrapes of the exporter that is believed: another one's, or a recording rule's, say nothing of its age.
        scraped = self._assembler.newest or reading.newest
        if scraped != self._newest:
            self._note_scrape(scraped, topics["summary"], now)
        # Before the publication: nobody may be shown numbers without their age.
        self._say_how_fresh()
        published = self._publish({**topics, "trend": self._trend.entities()}, self._now_ms())
        self._settled = not advanced
        self._probed, self._fetched_at = newest, now.seconds
        if newest is not None:
            self._doubt.believe(newest, now.ms)
        self.counts.series = reading.series
        log.debug(
            "polled",
            series=reading.series,
            changed=len(changed),
            published=published,
            sampled_at=scraped,
        )
        self._shown.set()
        return "fetched"

    async def _doubted(self, reading: Reading, probed: int | None, now: Instant) -> str | None:
        """Why a reading is not believed: `older` or `torn`; None if it is."""
        if probed is not None and self._doubt.is_older(reading.newest or probed, probed):
            self._doubt.await_nothing()
            return "older"
        strange = 0 if self._strangers is None else await self._strangers(groups_of(self._changed))
        return "torn" if self._doubt.is_torn(reading.stray + strange, now.seconds) else None

    def _note_scrape(self, scraped: int, summary: Mapping[str, Any], now: Instant) -> None:
        """The exporter that is believed has told of another scrape."""
        if self._newest is not None and scraped > self._newest and not self._failures:
            self._intervals.append(min(scraped - self._newest, LONGEST_INTERVAL_MS))
        self._newest = scraped
        # A source whose clock is ahead of ours must not look young for as long as it is ahead.
        self._sampled_at = min(scraped, now.ms)
        self._seen = now
        self._trend.add(self._sampled_at, self._assembler.measured(summary))

    async def _seed(self) -> None:
        """Give the trend its past, once. A long query keeps no screen waiting for the present, and no poll for its turn."""
        await self._shown.wait()
        with bound_contextvars(poll=secrets.token_hex(4)):
            grid = self._trend.grid(self._now_ms() / 1000)
            try:
                past = await self._source.history(SEEDED, grid)
            except SourceError as error:
                log.warning("the trend starts without a past", problem=str(error))
                return
            self._trend.seed(grid, past)
            self._publish({"trend": self._trend.entities()}, self._now_ms())


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector from looking at a large cluster's series again and again.

    They are hundreds of thousands of objects that live as long as the process and hold no cycles; one full collection over 55,000 series holds
    up the event loop for 30 to 40 ms (measured), and taking in many at once causes several. So where many are new, what is there afterwards is
    set aside for good. Only then: a connection that is set aside is a cycle that nobody collects, 3.5 KiB each (measured).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def in_slices(steps: Generator[None, None, T]) -> T:
    """Run pure work that yields where it may be interrupted, and give the event loop its turn there."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value
        await asyncio.sleep(0)
