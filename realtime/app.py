"""The only room that knows all rooms: start-up and shutdown, as a story.

Up: for each cluster a source, a store, a hub and a poller, then the door. Down, in reverse: the polling stops, every reader is told `bye`
and when to come back, the door closes, the sources are given back.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from realtime import __version__
from realtime.config import Cluster, Settings
from realtime.errors import SourceEmpty, SourceError, SourceUnavailable
from realtime.pbs.assemble import Assembler, Policy
from realtime.pbs.trend import Trend
from realtime.process import cannot_listen, watch_loop
from realtime.source.poller import Poller
from realtime.source.source import Source
from realtime.source.victoria import Victoria
from realtime.state.freshness import Freshness
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
    )
    return Feed(cluster, source, poller, hub)


@asynccontextmanager
async def serving(settings: Settings, make_source: MakeSource = victoria) -> AsyncIterator[Server]:
    """A running server. Raises ConfigError if it cannot listen where it should."""
    site = Site(
        settings=settings, hubs={}, histories={}, hello=messages.PONG, version=__version__, build=build()
    )
    feeds: dict[str, Feed] = {}
    runner = Runner(application(site))
    for cluster in settings.feeds:
        feeds[cluster.name] = feed(cluster, settings, make_source(cluster, settings))
    _introduce(site, feeds)
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
    site.hello = messages.hello(
        server=__version__,
        build=site.build,
        heartbeat_seconds=site.settings.heartbeat_seconds,
        clusters=list(feeds),
        topics=TOPICS,
    )


async def _live(site: Site, feeds: dict[str, Feed], one: Feed, make_source: MakeSource) -> None:
    """Run one feed; where which clusters there are is left to the data, look first, and run those that are found."""
    async with asyncio.TaskGroup() as group:
        hub = group.create_task(one.hub.run())
        found = await clusters_of(one, site.settings) if site.settings.looks_for_clusters else ()
        if not found:
            polling = group.create_task(_poll(one))
            found = await _clusters_later(one, site.settings)
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


async def clusters_of(one: Feed, settings: Settings) -> tuple[Cluster, ...]:
    """The clusters that report to a feed's source, by their `cluster` label or else their `job`; none if there is but one.

    Waits until the source holds something, since before that nothing can be told, nor served.
    """
    while True:
        try:
            groups = await one.source.groups()
        except SourceError as error:
            problem, reachable = error, not isinstance(error, SourceUnavailable)
        else:
            if groups:
                return split(one.cluster, groups)
            problem, reachable = (
                SourceEmpty("the source holds no current PBS metrics: is pbs-exporter up, and scraped?"),
                True,
            )
        log.warning("poll failed", problem=str(problem))
        one.hub.freshen(Freshness(problem=str(problem), code=problem.code, reachable=reachable))
        await asyncio.sleep(settings.poll_interval_seconds)


async def _clusters_later(one: Feed, settings: Settings) -> tuple[Cluster, ...]:
    """Wait for a second cluster to report to a feed's source: its exporter may have been down when we looked first, and must not be
    mixed into the one that was there.
    """
    found: tuple[Cluster, ...] = ()
    while not found:
        await (
            asyncio.sleep(settings.refetch_seconds) if settings.looks_for_clusters else asyncio.Event().wait()
        )
        with suppress(SourceError):  # the poller says what is wrong
            found = split(one.cluster, await one.source.groups())
    return found


def split(cluster: Cluster, groups: list[dict[str, str]]) -> tuple[Cluster, ...]:
    """One cluster a `cluster` label, or `job` label where there is no other; none if that makes but one."""
    selectors = {
        (each["cluster"] or each["job"], not each["cluster"]): {"cluster": each["cluster"]}
        if each["cluster"]
        else {"cluster": "", "job": each["job"]}
        for each in groups
    }
    if len(selectors) < 2:
        return ()
    names: dict[str, tuple[str, bool]] = {}
    for label in sorted(selectors):
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", label[0]).strip("-._")[:60] or "unlabelled"
        while name in names:
            name += "-"
        names[name] = label
    return tuple(
        cluster.model_copy(update={"name": name, "pbs_exporter_labels": selectors[label]})
        for name, label in names.items()
    )


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
