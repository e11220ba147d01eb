"""What every handler needs: the clusters, the settings, and who is connected."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from realtime.config import Settings
from realtime.counts import Door, Polls
from realtime.errors import RequestError
from realtime.state.grid import Grid
from realtime.stream.hub import Hub
from realtime.stream.messages import Message
from realtime.stream.subscriber import Outlet

History = Callable[[Collection[str], Grid], Awaitable[dict[str, list[float | None]]]]
"""Each field's mean over each step of a grid; raises SourceError."""


@dataclass
class Site:
    """One server's clusters, as the web sees them."""

    settings: Settings
    hubs: dict[str, Hub]
    """By cluster name; the first serves whoever names none."""
    histories: dict[str, History]
    hello: Message
    """The first message of every stream."""
    version: str
    build: str = ""
    """What is installed."""
    polls: Mapping[str, Polls] = field(default_factory=dict)
    """How the polling of each cluster goes."""
    door: Door = field(default_factory=Door)
    stopping: bool = False
    """Whether the server is about to stop: no balancer should send anyone."""
    closing: set[asyncio.Task[Any]] = field(default_factory=set)
    """Polite goodbyes under way."""
    sockets: set[Outlet] = field(default_factory=set)
    """Every open WebSocket: one that has unsubscribed from everything is no hub's subscriber, and is told `bye` all the same."""

    def hub(self, cluster: str | None) -> Hub:
        """The cluster by name, or the first. Raises RequestError (404)."""
        if cluster is None:
            return next(iter(self.hubs.values()))
        hub = self.hubs.get(cluster)
        if hub is None:
            raise RequestError(
                "unknown_cluster",
                f"unknown cluster {cluster[:64]!r}; allowed: {', '.join(self.hubs)}",
                status=404,
            )
        return hub

    def retry_ms(self) -> int:
        """When a reader should come back: at random, so that not all do at once."""
        return random.randint(1_000, self.settings.retry_max_ms)  # noqa: S311 — no secret

    def retry_seconds(self, code: str) -> float:
        """When it may help to ask again what was answered with a 503 of this code."""
        match code:
            case "restarting":
                return self.retry_ms() / 1000
            case "no_keys":
                return self.settings.jwt_keys_retry_seconds
        return self.settings.poll_interval_seconds  # by then there may be data

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a goodbye to its end without waiting for it."""
        task = asyncio.create_task(work)
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)


SITE: Final = web.AppKey("site", Site)
