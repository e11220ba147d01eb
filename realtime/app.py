"""The only room that knows all rooms: start-up and shutdown, as a story.

Up: for each cluster a source, a store, a hub and a poller, then the door. Down, in reverse: the polling stops, every reader is told `bye`
and when to come back, the door closes, the sources are given back.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from realtime import __version__
from realtime.clock import now_ms
from realtime.config import Cluster, Settings
from realtime.pbs.assemble import Assembler, Policy
from realtime.pbs.trend import Trend
from realtime.process import cannot_listen, watch_loop
from realtime.source.census import Census
from realtime.source.poller import Poller
from realtime.source.source import Source
from realtime.source.victoria import Victoria
from realtime.state.store import Store
from realtime.state.view import TOPICS
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.web.accepting import Accepting
from realtime.web.certificate import tls
from realtime.web.listening import Runner
from realtime.web.pages import DIST
from realtime.web.routes import application
from realtime.web.site import Site

log = structlog.get_logger()

MakeSource = Callable[[Cluster, Settings], Source]


class Feed(NamedTuple):
    """One cluster, from its source to its readers."""

    cluster: Cluster
    source: Source
    poller: Poller
    hub: Hub
    census: Census | None
    """Only where clusters are discovered from the data."""


class Server(NamedTuple):
    """A server that is up."""

    url: str
    feeds: dict[str, Feed]


def victoria(cluster: Cluster, settings: Settings) -> Source:
    """The source that the configuration names."""
    return Victoria(cluster, settings.max_fetch_mib * 2**20)


def policy(cluster: Cluster, settings: Settings) -> Policy:
    """What the operator decided about a cluster's source."""
    return Policy(
        prefix=cluster.pbs_exporter_prefix,
        dialect=cluster.pbs_node_state_dialect,
        memory_unit=cluster.pbs_memory_unit,
        infer_busy=cluster.pbs_infer_busy,
        grace_ms=round(settings.node_grace_seconds * 1000),
    )


def feed(cluster: Cluster, settings: Settings, source: Source) -> Feed:
    """Wire one cluster: what the poller finds is published to the hub."""
    store = Store(secrets.token_hex(4), TOPICS, tombstones=settings.tombstones)
    hub = Hub(cluster.name, store, settings, now_ms=now_ms)
    # A cluster that was discovered has its labels already.
    looks = settings.looks_for_clusters and not cluster.pbs_exporter_labels
    census = Census(cluster, source) if looks else None
    poller = Poller(
        source,
        Assembler(policy(cluster, settings)),
        Trend(settings.trend_minutes),
        hub.publish,
        hub.freshen,
        now_ms=now_ms,
        interval_seconds=settings.poll_interval_seconds,
        refetch_seconds=settings.refetch_seconds,
        backoff_max_seconds=settings.backoff_max_seconds,
        torn_scrape_seconds=settings.torn_scrape_seconds,
        strangers=census.strangers if census else None,
    )
    return Feed(cluster, source, poller, hub, census)


@asynccontextmanager
async def serving(settings: Settings, make_source: MakeSource = victoria) -> AsyncIterator[Server]:
    """A running server. Raises ConfigError, or HostError, if it cannot listen where it should."""
    feeds = {
        cluster.name: feed(cluster, settings, make_source(cluster, settings)) for cluster in settings.feeds
    }
    site = Site(
        settings=settings,
        hubs={},
        histories={},
        hello=_hello(settings, feeds),
        version=__version__,
        build=build(),
    )
    _introduce(site, feeds)
    runner = Runner(application(site))
    await runner.setup()
    try:
        url = await _listen(runner, settings)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_live(site, feeds, each, make_source)) for each in feeds.values()]
            tasks.append(group.create_task(watch_loop(site.door.loop_lag)))
            log.info("serving", url=url, clusters=list(feeds), version=__version__)
            yield Server(url, feeds)
            site.stopping = True
            await asyncio.sleep(settings.drain_seconds)
            for task in tasks:
                task.cancel()
    finally:
        await runner.cleanup()
        for each in feeds.values():
            await each.source.close()


def _introduce(site: Site, feeds: dict[str, Feed]) -> None:
    """Let readers choose among these clusters."""
    site.hubs = {name: each.hub for name, each in feeds.items()}
    site.histories = {name: each.source.history for name, each in feeds.items()}
    site.polls = {name: each.poller.counts for name, each in feeds.items()}
    site.hello = _hello(site.settings, feeds)


def _hello(settings: Settings, feeds: dict[str, Feed]) -> messages.Message:
    return messages.hello(
        server=__version__,
        build=build(),
        heartbeat_seconds=settings.heartbeat_seconds,
        clusters=list(feeds),
        topics=TOPICS,
    )


async def _live(site: Site, feeds: dict[str, Feed], one: Feed, make_source: MakeSource) -> None:
    """Run one feed; where its source turns out to hold several clusters, run those instead."""
    async with asyncio.TaskGroup() as group:
        hub = group.create_task(one.hub.run())
        polling = group.create_task(_poll(one))
        if one.census is None:
            return
        found = await one.census.several()
        polling.cancel()
        log.info("several clusters found", clusters=[cluster.name for cluster in found])
        del feeds[one.cluster.name]
        for cluster in found:
            feeds[cluster.name] = feed(cluster, site.settings, make_source(cluster, site.settings))
        _introduce(site, feeds)
        # Who was waiting for the one cluster chooses anew.
        one.hub.close(messages.RESTART, "several clusters were found", site.retry_ms)
        hub.cancel()
        await one.source.close()
        for cluster in found:
            group.create_task(feeds[cluster.name].hub.run())
            group.create_task(_poll(feeds[cluster.name]))


async def _poll(one: Feed) -> None:
    """Poll for one cluster, whose name is on every line that is logged meanwhile."""
    bind_contextvars(cluster=one.cluster.name)
    await one.poller.run()


async def _listen(runner: web.AppRunner, settings: Settings) -> str:
    context = tls(settings)
    site = Accepting(runner, settings.api_host, settings.api_port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        raise cannot_listen(f"api_host {settings.api_host}, api_port {settings.api_port}", error) from None
    port = runner.addresses[0][1]
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    return f"{'https' if context else 'http'}://{host}:{port}"


@cache
def build() -> str:
    """What is installed, in twelve digits: a page that was loaded from another build should load itself anew."""
    digest = sha256()
    for folder, pattern in ((Path(__file__).parent, "*.py"), (DIST, "*.*")):
        for path in sorted(folder.rglob(pattern)):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
