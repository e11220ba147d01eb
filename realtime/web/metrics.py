"""`GET /metrics`: the server's own figures, for Prometheus. `docs/operations.md` says what each is good for.

Nothing is counted here: what is, is looked at when somebody asks, and what happened was counted by the room that knows (`realtime/counts.py`).
No label holds a path, an address, a user or anything else that a caller or a source can make many of.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, Generic, NamedTuple, TypeVar

from aiohttp import hdrs, web
from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from realtime.counts import Door, Durations, Polls
from realtime.state.freshness import Quality
from realtime.state.view import TOPICS
from realtime.stream.hub import Hub
from realtime.stream.messages import PROTOCOL
from realtime.web.longpoll import OneAnswer
from realtime.web.site import SITE, Site
from realtime.web.sse import EventWire
from realtime.web.websocket import SocketWire

TRANSPORTS: Final = {SocketWire: "websocket", EventWire: "sse", OneAnswer: "longpoll"}

GAUGE: Final = GaugeMetricFamily
COUNTER: Final = CounterMetricFamily
HISTOGRAM: Final = HistogramMetricFamily

T = TypeVar("T")


class Family(NamedTuple, Generic[T]):
    """One name, and how its figures are read from what they are about."""

    kind: Any
    name: str
    says: str
    read: Callable[[T], float | Mapping[Any, float] | Durations | None]
    """A figure, figures by label (or labels), durations, or None: not known."""
    labels: tuple[str, ...] = ()


class Audience(NamedTuple):
    """Who listens to a hub now."""

    readers: Mapping[str, int]
    """By transport."""
    lagging: int
    unsent: int


OF_CLUSTER: Final[tuple[Family[Hub], ...]] = (
    Family(GAUGE, "data_age_seconds", "Age of the newest sample; absent before the first", lambda hub: _seconds(hub.data_age_ms)),
    Family(GAUGE, "quality", "1 at the quality that the data has now", lambda hub: {each.value: hub.quality is each for each in Quality}, ("quality",)),
    Family(GAUGE, "faults", "What is wrong with the source now", lambda hub: Counter(fault["code"] for fault in hub.faults), ("code",)),
    Family(GAUGE, "revision", "The newest revision", lambda hub: hub.store.revision),
    Family(GAUGE, "published_timestamp_seconds", "When that was published", lambda hub: _seconds(hub.store.at or None)),
    Family(GAUGE, "horizon_revision", "A cursor from before it gets a snapshot", lambda hub: hub.store.horizon),
    Family(GAUGE, "tombstones", "Removals that are remembered", lambda hub: hub.store.tombstones),
    Family(GAUGE, "entities", "Entities now", lambda hub: {topic: len(hub.store.entities(topic)) for topic in TOPICS}, ("topic",)),
    Family(GAUGE, "views", "Different views that have readers", lambda hub: hub.views),
    Family(COUNTER, "subscriptions", "Subscriptions, by what they brought", lambda hub: hub.counts.answers, ("answer",)),
    Family(COUNTER, "messages", "Messages given to readers; heartbeats include those that a long-poll leaves out", lambda hub: hub.counts.given, ("type",)),
    Family(COUNTER, "encoded_messages", "Messages made: once for all readers at one cursor of a view", lambda hub: hub.counts.encoded, ("type",)),
    Family(COUNTER, "passed_over", "Times that a lagging reader was not told of a publication, to be told later", lambda hub: hub.counts.passed_over),
    Family(COUNTER, "slow_readers_cut_off", "Readers that accepted nothing for too long", lambda hub: hub.counts.cut_off),
    Family(HISTOGRAM, "commit_seconds", "Making what was read the truth", lambda hub: hub.counts.commits),
    Family(HISTOGRAM, "fan_out_seconds", "Telling every reader of a publication", lambda hub: hub.counts.fan_outs),
)  # fmt: skip

OF_AUDIENCE: Final[tuple[Family[Audience], ...]] = (
    Family(GAUGE, "readers", "Subscribed readers", lambda audience: audience.readers, ("transport",)),
    Family(GAUGE, "lagging_readers", "Readers to whom too much is unsent to tell them more", lambda audience: audience.lagging),
    Family(GAUGE, "unsent_bytes", "Handed over and not taken by the kernel", lambda audience: audience.unsent),
)  # fmt: skip

OF_POLLS: Final[tuple[Family[Polls], ...]] = (
    Family(COUNTER, "polls", "Polls: the probe saw nothing new (unchanged) or less than before (older), a scrape was visible in part (torn), fetched, or a fault's code", lambda polls: polls.outcomes, ("outcome",)),
    Family(HISTOGRAM, "poll_seconds", "From a poll's question to the publication", lambda polls: polls.durations),
    Family(GAUGE, "source_series", "Series in the last fetch", lambda polls: polls.series),
)  # fmt: skip

OF_DOOR: Final[tuple[Family[Door], ...]] = (
    Family(COUNTER, "connects", "Readers that came", lambda door: {each: door.connects[each] for each in TRANSPORTS.values()}, ("transport",)),
    Family(COUNTER, "closes", "Streams that ended", lambda door: door.closes, ("transport", "side", "code")),
    Family(COUNTER, "refusals", "Requests, streams and commands that were refused", lambda door: door.refusals, ("code",)),
    Family(COUNTER, "turned_away", "Connections that were reset because this server may open too few files", lambda door: door.turned_away),
    Family(COUNTER, "requests", "Requests that were answered, streams too", lambda door: door.requests, ("method", "route", "status")),
    Family(COUNTER, "handed_over_bytes", "Bytes of messages handed to connections", lambda door: door.handed_over_by_now, ("transport",)),
    Family(HISTOGRAM, "event_loop_lag_seconds", "By how much the event loop was late", lambda door: door.loop_lag),
)  # fmt: skip


class Figures:
    """A server's figures, as of when they are asked for."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        site = self._site
        info = {"version": site.version, "build": site.build, "protocol": str(PROTOCOL)}
        yield InfoMetricFamily("realtime_build", "What runs here", value=info)
        yield from _told(OF_CLUSTER, site.hubs)
        yield from _told(OF_AUDIENCE, {name: audience(hub) for name, hub in site.hubs.items()})
        yield from _told(OF_POLLS, site.polls)
        for family in OF_DOOR:
            yield _metric(family, (), [((), site.door)])


def audience(hub: Hub) -> Audience:
    """Look at everyone who listens, once."""
    subscribers = list(hub.subscribers())
    readers = Counter(dict.fromkeys(TRANSPORTS.values(), 0))
    for kind, number in Counter([type(each.outlet) for each in subscribers]).items():
        readers[TRANSPORTS.get(kind, "other")] += number
    waiting = [each for each in subscribers if each.waiting]
    return Audience(
        readers, sum(each.lagging for each in waiting), sum(each.outlet.unsent() for each in waiting)
    )


def _told(table: tuple[Family[T], ...], clusters: Mapping[str, T]) -> Iterator[Metric]:
    """A table's families, of each cluster."""
    for family in table:
        yield _metric(family, ("cluster",), [((name,), of) for name, of in clusters.items()])


def _metric(family: Family[T], labels: tuple[str, ...], subjects: list[tuple[tuple[str, ...], T]]) -> Metric:
    metric: Any = family.kind(f"realtime_{family.name}", family.says, labels=(*labels, *family.labels))
    for values, subject in subjects:
        told = family.read(subject)
        if isinstance(told, Durations):
            bounds = (*map(str, told.bounds), "+Inf")
            metric.add_metric(values, list(zip(bounds, accumulate(told.counts), strict=True)), told.seconds)
        elif isinstance(told, Mapping):
            for key, figure in told.items():
                own = key if isinstance(key, tuple) else (key,)
                metric.add_metric((*values, *map(str, own)), figure)
        elif told is not None:
            metric.add_metric(values, told)
    found: Metric = metric
    return found


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


class Families(NamedTuple):
    """What an encoder takes for a registry."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        """All of them."""
        return self.families


FIGURES: Final = web.AppKey("figures", Figures)

PROCESS: Final = ProcessCollector(registry=None)


async def metrics(request: web.Request) -> web.Response:
    """The figures, in the format that the asker reads."""
    encode, media = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
    # Counting 10,000 open files takes the system 20 ms.
    process = await asyncio.to_thread(lambda: list(PROCESS.collect()))
    body = encode(Families([*request.app[FIGURES].collect(), *process]))
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: media, hdrs.CACHE_CONTROL: "no-store"})


async def count(request: web.Request, response: web.StreamResponse) -> None:
    """Count every answer by its route's pattern: paths are as many as callers think of."""
    resource = request.match_info.route.resource
    where = (request.method, resource.canonical) if resource else ("other", "none")
    request.app[SITE].door.requests[*where, response.status] += 1
