"""What faults befall: one server that is itself shaken, one that is not, each with its line and its crowd, and the source of both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.resilience.crowd import Crowd
from tests.resilience.daemon import PATIENCE_SECONDS, STALE_AFTER_MS, Daemon, started
from tests.resilience.line import Line
from tests.resilience.numbered import ALL_SERIES, NumberedExporter
from tests.resilience.oracle import Oracle
from tests.upstream import VictoriaMetrics, running


class Stage(NamedTuple):
    """All of it."""

    shaken: Daemon
    steady: Daemon
    lines: tuple[Line, Line]
    """To the shaken server, and to the steady one."""
    crowds: tuple[Crowd, Crowd]
    oracle: Oracle
    source: VictoriaMetrics
    exporter: NumberedExporter

    async def recover(self) -> int:
        """Wait until everyone behind both servers holds the truth again; how many do. Fails if anything was wrong since the last time."""
        for crowd in self.crowds:
            await crowd.until_newer()
            await crowd.until_quality("live")
        verified = [await crowd.settle() for crowd in self.crowds]
        self.oracle.may_go_back = False
        self.shaken.assert_quiet()
        self.steady.assert_quiet()
        return sum(verified)


@asynccontextmanager
async def staged(
    folder: Path, exporter: NumberedExporter, *, readers: int, seed: int
) -> AsyncIterator[Stage]:
    """Everything up, every reader with a state."""
    config = folder / "scrape.yml"
    config.write_text(exporter.scrape_config)
    async with AsyncExitStack() as stack:
        source = stack.enter_context(running(VictoriaMetrics(folder / "source", promscrape_config=config)))
        enough = exporter.scrape + ALL_SERIES
        async with asyncio.timeout(PATIENCE_SECONDS):
            while exporter.scrape < enough:
                await asyncio.sleep(0.05)
        oracle = Oracle(exporter, STALE_AFTER_MS)
        servers, lines, crowds = [], [], []
        for name in ("shaken", "steady"):
            server = stack.enter_context(started(Daemon(folder / name, PROMETHEUS_URL=source.url)))
            await server.until_ready()
            line = await stack.enter_async_context(Line(server.port))
            crowd = Crowd(server.url, oracle, readers=readers // 2, seed=seed, via=[line.url])
            servers.append(server)
            lines.append(line)
            crowds.append(await stack.enter_async_context(crowd))
        for crowd in crowds:
            await crowd.until_all_know()
        yield Stage(
            servers[0], servers[1], (lines[0], lines[1]), (crowds[0], crowds[1]), oracle, source, exporter
        )
