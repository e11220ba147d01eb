"""What a day of a screen weighs on the network: the stream, beside the polling of the frontend that it replaces.

    make bench        or        python -m tests.bench.traffic [--hours H] [--scrape S] [--pace P] [--nodes N]

A day of the simulated cluster, in a few minutes: the same assembler, store, hub and REST as ever, on a clock that the bench moves. A scrape
each 60 s is what pbs-exporter gives. The stream counts everything after the first snapshot, heartbeats too, without TCP's own headers; a page that
polls asks for six endpoints each 60 s, and counts the answers with their headers but not its questions. `304` is what a browser does by itself;
gzip is level 6 of each body. The replaced backend answers without gzip, and its bodies have the same rows, with fewer fields.
"""

import argparse
import asyncio
import gzip
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import structlog
from aiohttp import web

from realtime.config import Settings
from realtime.loading import load
from realtime.pbs.assemble import Assembler
from realtime.pbs.trend import Trend
from realtime.source.poller import Poller
from realtime.source.simulator import SimulatedCluster, SimulatedSource
from realtime.state.store import Store
from realtime.state.view import TOPICS, View
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.stream.messages import CHUNK, FRAME, Encoding, Message, squeezing
from realtime.web.routes import application
from realtime.web.site import Site
from tests.bench.fanout import progress, show

NOON_MS: Final = 1_794_139_200_000
"""When the day begins, epoch ms."""

WARM_HOURS: Final = 3
"""Before it, so that the trend has its length."""

POLLED: Final = (
    "/api/nodes",
    "/api/jobs",
    "/api/queues",
    "/api/stats/cluster",
    "/api/analytics/jobs?timeRange=24h",
    "/api/analytics/resources?timeRange=24h",
)
POLL_SECONDS: Final = 60

UNCHANGED: Final = "304 where unchanged"

VIEWS: Final = {
    "everything": View(),
    "what those six tell": View(("summary", "nodes", "queues", "users", "trend")),
    "summary": View(("summary",)),
}


class Meter:
    """A reader that counts the bytes of what it is told, in each encoding."""

    def __init__(self, encodings: dict[str, Encoding]) -> None:
        self._encodings = encodings
        self.sizes = Counter[str]()
        self.types = Counter[str]()

    def send(self, message: Message) -> int:
        self.types[message.type] += 1
        for name, encode in self._encodings.items():
            self.sizes[name] += len(encode(message))
        return 0

    def unsent(self) -> int:
        return 0

    def taken(self) -> int:
        return 0

    def owed(self) -> bool:
        return False

    def handed_over(self) -> int:
        return 0

    def end(self, message: Message, code: int) -> None: ...

    def abort(self) -> None: ...


class Page:
    """One that polls: it counts what the answers weigh."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tags: dict[str, str] = {}
        self.sizes = Counter[str]()
        self.unchanged = 0
        self.history = 0
        """Bytes of the two endpoints of analytics, which tell a day's rows each time."""

    async def poll(self) -> None:
        """Ask for all six."""
        for path in POLLED:
            head, body = await self._ask(path)
            packed = gzip.compress(body, 6)
            self.sizes["whole answers"] += len(head) + len(body)
            self.sizes["whole answers, gzip"] += len(head) + len(GZIP) + len(packed)
            tag = header(head, b"ETag")
            again, rest = await self._ask(path, self._tags[path]) if path in self._tags else (head, body)
            unchanged = again.startswith(b"HTTP/1.1 304")
            self.unchanged += unchanged
            if "analytics" in path:
                self.history += len(again) + len(rest)
            self.sizes[UNCHANGED] += len(again) + len(rest)
            self.sizes[f"{UNCHANGED}, gzip"] += len(again) + (0 if unchanged else len(GZIP) + len(packed))
            if tag:
                self._tags[path] = tag

    async def _ask(self, path: str, tag: str = "") -> tuple[bytes, bytes]:
        known = f"If-None-Match: {tag}\r\n" if tag else ""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{known}\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        # A page's connections stay open.
        return head.replace(b"Connection: close\r\n", b"") + b"\r\n\r\n", body


GZIP: Final = b"Content-Encoding: gzip\r\n"


def header(head: bytes, name: bytes) -> str:
    """A header's value; empty if there is none."""
    lines = (line.partition(b": ") for line in head.split(b"\r\n"))
    return next((value.decode() for found, _, value in lines if found == name), "")


class Weighed(NamedTuple):
    """What a day weighed."""

    meters: dict[str, Meter]
    page: Page
    hours: float
    revisions: int
    first: dict[str, int]
    """The first snapshot of each view, in bytes."""


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[int]:
    """The REST of it, on a port."""
    runner = web.AppRunner(application(site), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def live(hours: float, scrape_seconds: int, pace: float, nodes: int) -> Weighed:
    """A day, second by second."""
    now_ms = NOON_MS - WARM_HOURS * 3_600_000
    settings: Settings = load(data_cache_ttl=0)
    store = Store("bench", TOPICS, tombstones=settings.tombstones)
    hub = Hub("hopper", store, settings, now_ms=lambda: now_ms, clock=lambda: now_ms / 1000)
    cluster = SimulatedCluster(nodes, pace=pace)
    source = SimulatedSource(cluster, now_ms=lambda: now_ms)
    poller = Poller(
        source, Assembler(), Trend(settings.trend_minutes), hub.publish, hub.freshen, now_ms=lambda: now_ms,
        interval_seconds=5, refetch_seconds=30, backoff_max_seconds=60, torn_scrape_seconds=2,
    )  # fmt: skip
    encodings = {
        "WebSocket": FRAME,
        "WebSocket, compressed": squeezing(15, settings.compress_min_bytes),
        "SSE": CHUNK,
    }
    meters: dict[str, Meter] = {}
    site = Site(settings, {"hopper": hub}, {"hopper": source.history}, messages.PONG, "bench")
    began = revisions = 0
    async with listening(site) as port:
        page = Page(port)
        for second in range(int((WARM_HOURS + hours) * 3600)):
            if second % scrape_seconds == 0:
                await poller.poll()
                await hub.fan_out()
            if second == WARM_HOURS * 3600:
                began, revisions = time.monotonic_ns(), store.revision
                meters = {name: Meter(encodings) for name in VIEWS}
                for name, view in VIEWS.items():
                    hub.subscribe(view, None, meters[name])
                first = {name: meter.sizes["WebSocket"] for name, meter in meters.items()}
                for meter in meters.values():
                    meter.sizes.clear()
                    meter.types.clear()
            await hub.sweep()
            # Between two scrapes, wherever the page happened to be opened.
            if began and second % POLL_SECONDS == POLL_SECONDS // 2:
                await page.poll()
            if second % 3600 == 0:
                progress(f"hour {second // 3600 - WARM_HOURS}")
            now_ms += 1000
    return Weighed(meters, page, hours, store.revision - revisions, first)


def told(day: Weighed) -> Iterator[tuple[str, ...]]:
    """A line for each way."""
    yield "screen", "how", "KiB/hour", "× polling with 304", "messages/hour", "first KiB"
    polled = day.page.sizes[UNCHANGED]
    for how, size in day.page.sizes.items():
        asked = f"{len(POLLED) * 3600 / POLL_SECONDS:.0f}"
        yield "six endpoints each 60 s", how, kib(size / day.hours), f"{size / polled:.3f}", asked, ""
    live = polled - day.page.history
    asked = f"{4 * 3600 / POLL_SECONDS:.0f}"
    yield "the four without analytics", UNCHANGED, kib(live / day.hours), f"{live / polled:.3f}", asked, ""
    for view, meter in day.meters.items():
        for how, size in meter.sizes.items():
            count = meter.types.total() / day.hours
            yield (
                view,
                how,
                kib(size / day.hours),
                f"{size / polled:.3f}",
                f"{count:.0f}",
                kib(day.first[view]),
            )


def kib(size: float) -> str:
    return f"{size / 1024:,.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.traffic", description="What a day of a screen weighs on the network."
    )
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--scrape", type=int, default=60, help="seconds between scrapes (60)")
    parser.add_argument(
        "--pace", type=float, default=0.05, help="share of the nodes that change at each (0.05)"
    )
    parser.add_argument("--nodes", type=int, default=46)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    day = asyncio.run(live(given.hours, given.scrape, given.pace, given.nodes))
    show(
        f"{given.nodes} nodes, {given.hours:g} h, a scrape each {given.scrape} s: {day.revisions} revisions,"
        f" {day.page.unchanged} answers unchanged",
        told(day),
    )


if __name__ == "__main__":
    main()
