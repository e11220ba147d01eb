"""A server that may open no more files: EMFILE, which the two event loops meet in two bad ways, and this server in one good one."""

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from realtime.files import SPARE_FILES
from tests.resilience.crowd import Crowd, eventually
from tests.resilience.daemon import Daemon, started
from tests.resilience.line import Line
from tests.resilience.oracle import Oracle
from tests.resilience.rude import WEBSOCKET, connected, heard
from tests.upstream import Prometheus

GOOD: Final = 32
LATE: Final = 40
TRIES: Final = 5
"""Of each late reader."""

LEFT: Final = 4
"""Files that may yet be opened, perhaps by as many late readers."""

FILES: Final = 300

REFUSES: Final = "no more connections can be accepted"
FEWER: Final = "max_connections lowered to fit the open-file limit"


class Kept:
    """Somebody who was connected before, and asks on the same connection."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def faults(self) -> list[dict[str, Any]]:
        """What `/api/health` says is wrong."""
        async with self._session.get(f"{self._url}/api/health") as response:
            (cluster,) = (await response.json())["clusters"]
        faults: list[dict[str, Any]] = cluster["faults"]
        return faults


@asynccontextmanager
async def kept(url: str) -> AsyncIterator[Kept]:
    """Connect now."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        asking = Kept(url, session)
        await asking.faults()
        yield asking


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
async def test_without_files_whoever_is_here_stays(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path, event_loop: str
) -> None:
    """When a server may open hardly another file, new readers are reset, those who are here go on hearing, and a source whose connection broke is
    asked again; when it may open none at all and loses its source, health says so; it is logged once, costs no processor, and ends by itself.
    """
    async with Line(prometheus.port) as line:
        server = Daemon(tmp_path / "server", PROMETHEUS_URL=line.url, EVENT_LOOP=event_loop)
        with started(server) as daemon:
            await daemon.until_ready()
            async with Crowd(daemon.url, oracle, readers=GOOD) as crowd, kept(daemon.url) as asking:
                await crowd.until_all_know()
                for reader in crowd.readers:
                    reader.patience_seconds = 60
                enough = daemon.allow_files(daemon.open_files + LEFT)
                async with Crowd(daemon.url, oracle, readers=LATE, seed=1_000) as late:
                    await late.until_connections(TRIES * LATE)
                    line.cut()
                    await crowd.until_newer()
                    assert sum(reader.standing.scrape > 0 for reader in late.readers) <= LEFT

                    daemon.allow_files(1)
                    line.cut()
                    used, began = daemon.cpu_seconds, time.monotonic()
                    await crowd.until_quality("down")
                    share = (daemon.cpu_seconds - used) / (time.monotonic() - began)
                    (fault,) = [each for each in await asking.faults() if each["code"] == "POLL_FAILED"]
                    assert crowd.connections == GOOD

                    daemon.allow_files(enough)
                    await late.until_all_know()
                    await crowd.until_newer()
                    await crowd.until_quality("live")
                    assert await crowd.settle() + await late.settle() == GOOD + LATE
                    figures = await daemon.figures()

                assert crowd.connections == GOOD
            daemon.assert_quiet(REFUSES)
            lines = [each for each in daemon.logged() if each["event"] == REFUSES]

    assert fault["detail"].startswith("this server has no file descriptors left")
    assert figures["realtime_turned_away_total",] >= (TRIES - 1) * LATE
    assert share < 0.5
    (said,) = lines
    assert "LimitNOFILE" in said["do"]
    assert "max_connections" in said["do"]


async def test_a_limit_that_is_too_low_is_told_at_the_start(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path
) -> None:
    """A server that may open fewer files than `max_connections` says so once, with both numbers, and lets in as many as it can; one more is
    told when to come back.
    """
    places = FILES - SPARE_FILES
    daemon = Daemon(tmp_path / "server", PROMETHEUS_URL=prometheus.url)
    daemon.start(files=FILES)
    try:
        await daemon.until_ready()
        with ExitStack() as sockets:
            for _ in range(places):
                plain = sockets.enter_context(await connected(daemon.port, WEBSOCKET))
                await heard(plain, b'"type":"snapshot"')
            refused = sockets.enter_context(await connected(daemon.port, WEBSOCKET))
            bye = await heard(refused, b"retryMs")

            async def asked_again() -> bool:
                async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/readyz") as answer:
                    return answer.status == 200

            # Requests still have files.
            await eventually(asked_again, "answered")
        async with Crowd(daemon.url, oracle, readers=16) as crowd:
            await crowd.until_all_know()
            await crowd.settle()
        daemon.assert_quiet()
        (warning,) = [each for each in daemon.logged() if each["event"] == FEWER]
    finally:
        daemon.kill()

    assert b'"type":"bye","code":1013' in bye
    assert warning["level"] == "warning"
    assert (warning["max_connections"], warning["files"], warning["connections"]) == (20_000, FILES, places)
