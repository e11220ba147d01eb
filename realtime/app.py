"""The only room that knows all rooms: start-up and shutdown, as a story.

Up: for each cluster a source, a store, a hub and a poller, then the door. Down, in reverse: the polling stops, every reader is told `bye`
and when to come back, the door closes, the sources are given back.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import structlog
from aiohttp import web

from realtime import __version__
from realtime.config import Cluster, Settings
from realtime.errors import ConfigError
from realtime.pbs.assemble import Assembler
from realtime.pbs.trend import Trend
from realtime.source.poller import Poller
from realtime.source.source import Source
from realtime.source.victoria import Victoria
from realtime.state.store import Store
from realtime.state.view import TOPICS
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.web.routes import application
from realtime.web.site import Site

log = structlog.get_logger()

MakeSource = Callable[[Cluster, Settings], Source]


class Feed(NamedTuple):
    """One cluster, from its source to its readers."""

    source: Source
    poller: Poller
    hub: Hub


class Server(NamedTuple):
    """A server that is up."""

    url: str
    feeds: dict[str, Feed]


def victoria(cluster: Cluster, settings: Settings) -> Source:
    """The source that the configuration names."""
    return Victoria(cluster, settings.max_fetch_mib * 2**20)


def now_ms() -> int:
    """The wall clock, epoch ms."""
    return time.time_ns() // 1_000_000


def feed(cluster: Cluster, settings: Settings, source: Source) -> Feed:
    """Wire one cluster: what the poller finds is published to the hub."""
    store = Store(secrets.token_hex(4), TOPICS, tombstones=settings.tombstones)
    hub = Hub(cluster.name, store, settings, now_ms=now_ms)
    poller = Poller(
        source,
        Assembler(prefix=cluster.pbs_exporter_prefix, grace_ms=round(settings.node_grace_seconds * 1000)),
        Trend(settings.trend_minutes),
        hub.publish,
        hub.freshen,
        now_ms=now_ms,
        interval_seconds=settings.poll_interval_seconds,
        refetch_seconds=settings.refetch_seconds,
        backoff_max_seconds=settings.backoff_max_seconds,
    )
    return Feed(source, poller, hub)


@asynccontextmanager
async def serving(settings: Settings, make_source: MakeSource = victoria) -> AsyncIterator[Server]:
    """A running server. Raises ConfigError if it cannot listen where it should."""
    feeds = {
        cluster.name: feed(cluster, settings, make_source(cluster, settings)) for cluster in settings.feeds
    }
    site = Site(
        settings=settings,
        hubs={name: each.hub for name, each in feeds.items()},
        histories={name: each.source.history for name, each in feeds.items()},
        hello=messages.hello(
            server=__version__,
            build=build(),
            heartbeat_seconds=settings.heartbeat_seconds,
            clusters=list(feeds),
            topics=TOPICS,
        ),
        version=__version__,
    )
    runner = web.AppRunner(
        application(site),
        # Without it an event stream outlives its reader until the next write.
        handler_cancellation=True,
        # `bye` has been said and awaited by then; what is left is cut off.
        shutdown_timeout=1.0,
        access_log=None,
    )
    await runner.setup()
    try:
        url = await _listen(runner, settings)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work)
                for each in feeds.values()
                for work in (each.hub.run(), each.poller.run())
            ]
            log.info("serving", url=url, clusters=list(feeds), version=__version__)
            yield Server(url, feeds)
            for task in tasks:
                task.cancel()
    finally:
        await runner.cleanup()
        for each in feeds.values():
            await each.source.close()


async def _listen(runner: web.AppRunner, settings: Settings) -> str:
    site = web.TCPSite(runner, settings.api_host, settings.api_port, backlog=4096)
    try:
        await site.start()
    except OSError as error:
        raise ConfigError(
            f"api_host {settings.api_host}, api_port {settings.api_port}: cannot listen there: {error.strerror}"
        ) from None
    port = runner.addresses[0][1]
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    return f"http://{host}:{port}"


@cache
def build() -> str:
    """What is installed, in twelve digits: a page that was loaded from another build should load itself anew."""
    digest = sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
