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
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import structlog

from realtime.config import Settings
from realtime.state.cursor import Cursor
from realtime.state.freshness import Freshness, Quality
from realtime.state.store import Store
from realtime.state.view import View
from realtime.stream import messages
from realtime.stream.edition import Edition
from realtime.stream.subscriber import Outlet, Subscriber

IDLE_EDITIONS: Final = 64
"""Editions kept of views that nobody is subscribed to, for REST and those who come back."""

log = structlog.get_logger()


class Hub:
    """One cluster: its store, its subscribers, and how fresh it is."""

    def __init__(
        self,
        name: str,
        store: Store,
        settings: Settings,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.store = store
        self.freshness = Freshness()
        self.now_ms = now_ms
        self._clock = clock
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._slow_seconds = settings.slow_reader_timeout_seconds
        self._sweep_seconds = settings.sweep_interval_seconds
        self._stale_after_ms = settings.stale_after_seconds * 1000
        self._max_unsent = settings.max_unsent_kib * 1024
        self._slice = settings.fan_out_slice
        self._audiences: dict[View, set[Subscriber]] = {}
        self._editions: dict[View, Edition] = {}
        self._published = asyncio.Event()

    # -- what is true now, and you are listening: no await here (law 2)

    def publish(self, state: Mapping[str, Mapping[str, Any]], at: int) -> bool:
        """Make `state` the truth; subscribers hear of it in the loop's next turns. Returns whether anything changed."""
        changed = self.store.commit(state, at)
        if changed:
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
        edition = self.edition(view)
        known = None if self.store.refusal(cursor, view) else cursor
        subscriber = Subscriber(edition, outlet, known, max_unsent=self._max_unsent)
        self._audiences.setdefault(view, set()).add(subscriber)
        now = self._clock()
        if instead is not None:
            self.unsubscribe(instead)
            subscriber.take_over(instead)
        if subscriber.lagging:
            # A connection that asks again and again without reading is told when it has drained, or is cut off.
            if not subscriber.waiting:
                subscriber.await_drain(now)
            return subscriber
        message = edition.since(cursor)
        if message is not None:
            subscriber.tell(message, now)
        subscriber.beat(now, self.now_ms(), self.quality, self.data_age_ms)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop listening. Doing it twice does nothing."""
        view = subscriber.edition.view
        audience = self._audiences.get(view, set())
        audience.discard(subscriber)
        if not audience:
            self._audiences.pop(view, None)
            self._trim()

    # -- what it is now

    @property
    def known(self) -> bool:
        """Whether anything was ever published."""
        return self.store.revision > 0

    @property
    def quality(self) -> Quality:
        """What to call the data now."""
        return self.freshness.quality(self.now_ms(), self._stale_after_ms)

    @property
    def data_age_ms(self) -> int | None:
        """How old the newest sample is."""
        return self.freshness.data_age_ms(self.now_ms())

    @property
    def faults(self) -> list[dict[str, str]]:
        """What is wrong with the source, as `{code, detail}`."""
        sources = self.store.entities("source").values()
        of_sources = [fault for source in sources for fault in source.get("faults", ())]
        return self.freshness.faults(self.now_ms(), self._stale_after_ms) + of_sources

    def edition(self, view: View) -> Edition:
        """The view's messages."""
        edition = self._editions.get(view)
        if edition is None:
            self._trim()
            edition = self._editions[view] = Edition(self.name, self.store, view)
        return edition

    def _trim(self) -> None:
        idle = [view for view in self._editions if view not in self._audiences]
        for view in idle[: max(0, len(idle) - IDLE_EDITIONS)]:
            del self._editions[view]

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
        for written, subscriber in enumerate(self.subscribers(), 1):
            subscriber.catch_up(self.store.epoch, self._clock())
            if written % self._slice == 0:
                await asyncio.sleep(0)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            await self.sweep()

    async def sweep(self) -> None:
        """Look after whom a publication does not reach."""
        now = self._clock()
        written = 0
        quality = self.quality
        at, age = self.now_ms(), self.data_age_ms
        for subscriber in self.subscribers():
            if subscriber.waiting:
                if subscriber.stuck(now) >= self._slow_seconds:
                    log.info("slow reader cut off", cluster=self.name, unsent=subscriber.outlet.unsent())
                    self.unsubscribe(subscriber)
                    subscriber.outlet.abort()
                    continue
                if subscriber.lagging:
                    continue
                subscriber.catch_up(self.store.epoch, now)
            if subscriber.quality != quality or now - subscriber.spoken_at >= self._heartbeat_seconds:
                subscriber.beat(now, at, quality, age)
                written += 1
                if written % self._slice == 0:
                    await asyncio.sleep(0)

    def close(self, code: int, reason: str, retry_ms: Callable[[], int]) -> None:
        """Say goodbye to everyone; each is told another time to come back."""
        for subscriber in self.subscribers():
            self.unsubscribe(subscriber)
            subscriber.outlet.end(messages.bye(code, reason, retry_ms()), code)
