"""A simulated PBS cluster that speaks pbs-exporter's metrics.

A server takes it as its source (`SimulatedSource`), or a real VictoriaMetrics scrapes it
(`simulated_exporter`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from random import Random
from typing import Final

from aiohttp import web

from realtime.clock import now_ms
from realtime.source.simulated_page import Page
from realtime.source.simulated_past import Past, headline
from realtime.source.simulated_pbs import SimulatedPBS
from realtime.state.grid import Grid

SCRAPED: Final = 'instance="simulated:8888",job="pbs-exporter"'
"""The labels that a scrape adds."""

DAY_SECONDS: Final = 86_400
COARSE_SECONDS: Final = 1_800
FINE_SECONDS: Final = 60
"""Steps of the past, the last for its last day: those of the grids of a week and an hour, whose rows so have
one tick each."""

COARSE_PACE: Final = 0.4
"""Of the nodes change within half an hour: enough for the jobs to follow day and night."""

PAST_CHANGES: Final = 120_000
"""Changes of nodes that the past may cost, at 20 µs each. Large clusters live through theirs more slowly."""


class SimulatedCluster:
    """A PBS, the exporter beside it, and what a month's scrapes would keep. `at_ms` is its last tick's time.

    Raises ConfigError for a size, prefix or pace that cannot be.
    """

    def __init__(self, nodes: int = 46, *, prefix: str = "hopper", seed: int = 1, pace: float = 0.05) -> None:
        self.pbs = SimulatedPBS(nodes, prefix=prefix, pace=pace, rng=Random(seed))
        self.past = Past()
        self.at_ms = 0
        self._pages: dict[str, Page] = {}

    def advance(self, at_ms: int, pace: float | None = None) -> None:
        """One tick: about `pace` of the nodes change, and at least one number does."""
        self.pbs.advance(at_ms, pace)
        self.at_ms = at_ms
        self.past.note(at_ms, headline(self.pbs))

    def live_through(self, past_seconds: int, now_ms: int) -> None:
        """Live until now from so long ago, in steps of half an hour, and of a minute for the last day."""
        recent = now_ms - min(past_seconds, DAY_SECONDS) * 1_000
        coarse = range(now_ms - past_seconds * 1_000, recent, COARSE_SECONDS * 1_000)
        fine = range(recent, now_ms + 1, FINE_SECONDS * 1_000)
        # Not coarser steps: they would leave rows empty that a small cluster fills.
        at_most = PAST_CHANGES / (len(coarse) + len(fine)) / len(self.pbs.nodes)
        for instants, pace in ((coarse, COARSE_PACE), (fine, self.pbs.pace)):
            for at_ms in instants:
                self.advance(at_ms, min(pace, at_most))

    def exposition(self, *, timestamps: bool) -> bytes:
        """The text format at the last tick: with its time and the labels of a scrape, as a store gives it;
        or as the exporter does.
        """
        labels, end = (SCRAPED, f" {self.at_ms}\n") if timestamps else ("", "\n")
        page = self._pages.get(labels)
        if page is None:
            page = self._pages[labels] = Page(self.pbs, labels)
        return page.render(end.encode())

    def fail(self, node: str) -> None:
        """A node goes down and its jobs with it; KeyError if there is none of that name, here and below."""
        self.pbs.fail(node)

    def drain(self, node: str) -> None:
        """A node goes offline; its jobs go on."""
        self.pbs.drain(node)

    def restore(self, node: str) -> None:
        """A node takes jobs again."""
        self.pbs.restore(node)


class SimulatedSource:
    """A simulated cluster as a source. Each probe finds news, so a server publishes at every poll."""

    def __init__(self, cluster: SimulatedCluster, *, now_ms: Callable[[], int]) -> None:
        self.partial = False
        self._cluster = cluster
        self._now_ms = now_ms

    async def probe(self) -> int | None:
        """Let the cluster live on until now; the time of that."""
        self._cluster.advance(self._now_ms())
        return self._cluster.at_ms

    async def fetch(self) -> bytes:
        """Every sample, as of the last probe."""
        return self._cluster.exposition(timestamps=True)

    async def history(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        """Each field's mean over each step; None without a tick, and for a field that it does not know."""
        return {field: self._cluster.past.means(field, grid) for field in fields}

    async def groups(self) -> list[dict[str, str]]:
        """One cluster, whatever its labels."""
        return [{"cluster": "", "job": "pbs-exporter"}]

    async def close(self) -> None:
        """Nothing was opened."""


def simulated_exporter(
    cluster: SimulatedCluster,
    *,
    tick_seconds: float,
    now_ms: Callable[[], int] = now_ms,
) -> web.Application:
    """`GET /metrics` like the exporter's, of a cluster that ticks every `tick_seconds` while this runs."""
    ticker: asyncio.Task[None] | None = None

    async def tick() -> None:
        while True:
            cluster.advance(now_ms())
            await asyncio.sleep(tick_seconds)

    async def live(_: web.Application) -> AsyncIterator[None]:
        nonlocal ticker
        ticker = asyncio.create_task(tick())
        yield
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker

    async def metrics(_: web.Request) -> web.Response:
        if ticker and ticker.done():
            ticker.result()  # raises: numbers must not stand still, as the real ones do
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=cluster.exposition(timestamps=False), headers=headers)

    app = web.Application()
    app.cleanup_ctx.append(live)
    app.router.add_get("/metrics", metrics)
    return app
