"""Where one cluster's state is published, and its subscribers wait.

Law 2: `publish` and `subscribe` are plain `def`: no `await` can stand between "what is true now" and "you are listening".

`publish` commits and rings a bell; `fan_out` then writes to every subscriber in slices, giving the event loop its turn between them.
Since each subscriber is its cursor, a publication in the middle of a fan-out needs no care: whoever was told the older revision is
told the difference.

The sweeper is a task of its own, so that no fan-out and no stalled reader can keep it from its work: wake those who lagged and have
drained, cut off those who accept nothing, send the heartbeats that are due.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

import structlog

from realtime.clock import now_ms
from realtime.config import Settings
from realtime.counts import Telling
from realtime.state.cursor import Cursor
from realtime.state.entities import Fault
from realtime.state.freshness import Freshness, Instant, Quality
from realtime.state.store import Store
from realtime.state.view import View
from realtime.stream import messages
from realtime.stream.edition import Edition
from realtime.stream.subscriber import Outlet, Subscriber

BATCH: Final = 32
"""Readers between two looks at the clock: some 0.4 ms of writing."""

TURNS: Final = 4
"""The event loop's turns between two slices: from its first byte to its answer a request takes as many. With one, requests took 103 ms while
10,000 readers were written to; with four, 2.4 (p50, measured).
"""

IDLE_EDITIONS: Final = 1_024
"""Editions kept of views that nobody is subscribed to, for REST and those who come back: after a network's failure that is everyone."""

IDLE_BYTES: Final = 32 * 2**20
"""What those may hold prepared. A snapshot of 5,000 nodes is 1.3 MB."""

log = structlog.get_logger()


class Hub:
    """One cluster: its store, its subscribers, and how fresh it is."""

    def __init__(
        self,
        name: str,
        store: Store,
        settings: Settings,
        *,
        now_ms: Callable[[], int] = now_ms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.store = store
        self.freshness = Freshness()
        self.counts = Telling()
        self.now_ms = now_ms
        self._clock = clock
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._slow_seconds = settings.slow_reader_timeout_seconds
        self._sweep_seconds = settings.sweep_interval_seconds
        self._stale_after_ms = settings.stale_after_seconds * 1000
        self._max_unsent = settings.max_unsent_kib * 1024
        self._slice_seconds = settings.fan_out_slice_ms / 1000
        # In the order in which they came, which is how they lie in memory: a set's order costs a delivery a tenth more.
        self._audiences: dict[View, dict[Subscriber, None]] = {}
        self._editions: dict[View, Edition] = {}
        self._idle: dict[View, Edition] = {}
        """Of views without an audience, those last looked at last."""
        self._published = asyncio.Event()

    # -- what is true now, and you are listening: no await here (law 2)

    def publish(self, state: Mapping[str, Mapping[str, Any]], at: int) -> bool:
        """Make `state` the truth; subscribers hear of it in the loop's next turns. Returns whether anything changed."""
        began = self._clock()
        changed = self.store.commit(state, at)
        self.counts.commits.note(self._clock() - began)
        if changed:
            # The poll's id, by which its question is found again, comes from whoever polls.
            cursor = self.store.cursor
            log.debug("published", cluster=self.name, revision=cursor.revision, cursor=str(cursor), at=at)
            self._published.set()
        return changed

    def freshen(self, freshness: Freshness) -> None:
        """Note how old the data is. Never a diff: ages travel in heartbeats."""
        self.freshness = freshness

    def subscribe(
        self, view: View, cursor: Cursor | None, outlet: Outlet, *, instead: Subscriber | None = None
    ) -> Subscriber:
        """Begin to listen: the outlet is at once told what it has missed, then a heartbeat, then every change.

        Before anything is known that is the heartbeat alone; the first publication then comes as a snapshot. `instead` is the subscriber of
        the same outlet that this one replaces.
        """
        edition = self._editions[view] = self.edition(view)
        self._idle.pop(view, None)
        reason = self.store.why_snapshot(cursor, view)
        known = None if reason else cursor
        subscriber = Subscriber(edition, outlet, known, max_unsent=self._max_unsent)
        self._audiences.setdefault(view, {})[subscriber] = None
        now = self._clock()
        if instead is not None:
            self.unsubscribe(instead)
            subscriber.take_over(instead)
        if subscriber.lagging:
            # A connection that asks again and again without reading is told when it has drained, or is cut off.
            if not subscriber.waiting:
                subscriber.watch_drain(now)
            self.counts.answers["later"] += 1
            return subscriber
        message = edition.since(cursor)
        if message is not None:
            subscriber.tell(message, now)
        self.counts.answers[self._answer(reason, message)] += 1
        subscriber.beat(now, self.now_ms(), self.quality, self.data_age_ms)
        return subscriber

    def _answer(self, reason: str | None, message: messages.Message | None) -> str:
        """What a subscription brought, in a word; a diff that would be larger than the snapshot counts as one from beyond the horizon."""
        if message is None:
            return "current" if self.known else "later"
        return "diff" if message.type == "diff" else reason or "horizon"

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop listening. Doing it twice does nothing."""
        subscriber.left = True
        view = subscriber.edition.view
        audience = self._audiences.get(view, {})
        audience.pop(subscriber, None)
        if view in self._audiences and not audience:
            del self._audiences[view]
            self._keep(view, self._editions.pop(view))

    # -- what it is now

    @property
    def known(self) -> bool:
        """Whether anything was ever published."""
        return self.store.revision > 0

    @property
    def _now(self) -> Instant:
        return Instant(self.now_ms(), self._clock())

    @property
    def quality(self) -> Quality:
        """What to call the data now."""
        return self.freshness.quality(self._now, self._stale_after_ms)

    @property
    def data_age_ms(self) -> int | None:
        """How old the newest sample is."""
        return self.freshness.data_age_ms(self._now)

    @property
    def faults(self) -> list[Fault]:
        """What is wrong with the source, as `{code, detail}`."""
        sources = self.store.entities("source").values()
        of_sources = [fault for source in sources for fault in source.get("faults", ())]
        return self.freshness.faults(self._now, self._stale_after_ms) + of_sources

    def edition(self, view: View) -> Edition:
        """The view's messages."""
        edition = self._editions.get(view)
        if edition is None:
            edition = self._idle.pop(view, None) or Edition(self.name, self.store, view, self.counts)
            self._keep(view, edition)
        return edition

    def _keep(self, view: View, edition: Edition) -> None:
        self._idle[view] = edition
        if len(self._idle) > IDLE_EDITIONS:
            del self._idle[next(iter(self._idle))]

    def _trim(self) -> None:
        """Forget the editions that nobody has looked at for longest and that hold too much together."""
        room = IDLE_BYTES
        for view in reversed(tuple(self._idle)):
            room -= self._idle[view].size
            if room < 0:
                del self._idle[view]

    @property
    def views(self) -> int:
        """How many views have readers."""
        return len(self._audiences)

    def subscribers(self) -> Iterator[Subscriber]:
        """Everyone who listens."""
        for audience in list(self._audiences.values()):
            yield from list(audience)

    # -- telling it

    async def run(self) -> None:
        """Fan out and sweep until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fan_out_for_ever())
            tasks.create_task(self._sweep_for_ever())

    async def _fan_out_for_ever(self) -> None:
        while True:
            await self._published.wait()
            self._published.clear()
            await self.fan_out()

    async def fan_out(self) -> None:
        """Tell every subscriber that does not lag what it has missed."""
        began = self._clock()
        async for some, now in self._in_slices():
            for subscriber in some:
                subscriber.catch_up(now)
            self.counts.brought += len(some)
        self.counts.fan_outs.note(self._clock() - began)

    async def _in_slices(self) -> AsyncIterator[tuple[list[Subscriber], float]]:
        """Everyone who listens, a few at a time, and the time; the event loop has its turn when a slice has lasted long enough."""
        now = self._clock()
        turn = now + self._slice_seconds
        for audience in list(self._audiences.values()):
            readers = list(audience)
            for start in range(0, len(readers), BATCH):
                if now >= turn:
                    for _ in range(TURNS):
                        await asyncio.sleep(0)
                    now = self._clock()
                    turn = now + self._slice_seconds
                yield readers[start : start + BATCH], now
                now = self._clock()

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            await self.sweep()

    async def sweep(self) -> None:
        """Look after whom a publication does not reach."""
        self._trim()
        async for some, now in self._in_slices():
            # Asked anew for every few readers: a poll may have come in between.
            quality, at, age = self.quality, self.now_ms(), self.data_age_ms
            silent_since = now - self._heartbeat_seconds
            looked_since = now - self._slow_seconds
            for subscriber in some:
                if subscriber.left:
                    continue
                waited = subscriber.waiting
                # Of one that vanished the kernel may take all; so everyone is looked at, if not often.
                looked_at = waited or subscriber.stuck_since <= looked_since
                if looked_at and subscriber.stuck(now) >= self._slow_seconds:
                    self._cut_off(subscriber)
                    continue
                if waited:
                    if subscriber.lagging:
                        continue
                    subscriber.catch_up(now)
                    self.counts.brought += 1
                if subscriber.spoken_at <= silent_since or subscriber.quality is not quality:
                    subscriber.beat(now, at, quality, age)

    def _cut_off(self, subscriber: Subscriber) -> None:
        log.info("slow reader cut off", cluster=self.name, unsent=subscriber.outlet.unsent())
        self.counts.cut_off += 1
        self.unsubscribe(subscriber)
        subscriber.outlet.abort()

    def close(self, code: int, reason: str, retry_ms: Callable[[], int]) -> None:
        """Say goodbye to everyone; each is told another time to come back."""
        for subscriber in self.subscribers():
            self.unsubscribe(subscriber)
            subscriber.outlet.end(messages.bye(code, reason, retry_ms()), code)
