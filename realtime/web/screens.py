"""`GET /api/screens`: which screens watch, since when, and how far behind each is.

A screen is a reader that names itself (`screen=`). Whoever does not is not listed and costs nothing here; whoever does costs one entry from
its coming to its leaving, and is looked at only when somebody asks. No address is kept or told.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from aiohttp import web

from realtime.clock import iso, now_ms
from realtime.state.cursor import Cursor
from realtime.state.view import View
from realtime.stream.hub import Hub
from realtime.stream.subscriber import Outlet, Subscriber

ABSENCE_MS: Final = 10_000
"""Who polls is nowhere between an answer and the next question; for so long it is listed all the same."""

Transport = Literal["websocket", "sse", "longpoll"]

Place = tuple[str, Hub, View]
"""A name, and what is watched under it."""


@dataclass(eq=False)
class Screen:
    """A named connection, or one that polls."""

    name: str
    transport: Transport
    since: int
    """When it came, epoch ms."""
    outlet: Outlet
    subscribers: Mapping[Hub, Subscriber]
    """What it watches now: a WebSocket's own table, which its commands change."""
    left_at: int = 0

    @property
    def places(self) -> Iterator[Place]:
        """Under which it can be found again."""
        for hub, subscriber in self.subscribers.items():
            yield self.name, hub, subscriber.edition.view


class Screens:
    """The named readers of one server."""

    def __init__(self, now_ms: Callable[[], int] = now_ms) -> None:
        self.now_ms = now_ms
        self._here: set[Screen] = set()
        self._between: dict[Place, Screen] = {}
        """Those that poll and are between an answer and the next question, the first to have left first."""

    def enter(
        self, name: str | None, transport: Transport, outlet: Outlet, subscribers: Mapping[Hub, Subscriber]
    ) -> Screen | None:
        """List a reader until it leaves; None if it has no name. One that polls has been here since its first question."""
        if name is None:
            return None
        screen = Screen(name, transport, self.now_ms(), outlet, subscribers)
        self._forget()
        for place in screen.places:
            before = self._between.pop(place, None)
            if before is not None and transport == before.transport:
                screen.since = before.since
        self._here.add(screen)
        return screen

    def leave(self, screen: Screen | None) -> None:
        """Take a reader off the list; one that polls a little later."""
        if screen is None:
            return
        self._here.discard(screen)
        self._forget()
        if screen.transport == "longpoll":
            screen.left_at = self.now_ms()
            for place in screen.places:
                self._between.pop(place, None)
                self._between[place] = screen

    def rows(self) -> list[dict[str, Any]]:
        """A row for each screen and cluster, by name."""
        self._forget()
        screens = sorted(
            (*self._here, *self._between.values()), key=lambda screen: (screen.name, screen.since)
        )
        return [row for screen in screens for row in _rows(screen)]

    def _forget(self) -> None:
        """Those that poll and did not come back."""
        due = self.now_ms() - ABSENCE_MS
        for place, screen in list(self._between.items()):
            if screen.left_at > due:
                break
            del self._between[place]


SCREENS: Final = web.AppKey("screens", Screens)


def _rows(screen: Screen) -> Iterator[dict[str, Any]]:
    head = {"screen": screen.name, "transport": screen.transport}
    tail = {"since": iso(screen.since), "unsentBytes": screen.outlet.unsent()}
    if not screen.subscribers:
        yield head | tail
    for hub, subscriber in screen.subscribers.items():
        edition = subscriber.edition
        view = {"topics": edition.view.topics, "nodes": edition.view.nodes}
        row: dict[str, Any] = head | {"cluster": hub.name, "view": view} | tail
        if subscriber.revision is not None:
            row["cursor"] = str(Cursor(hub.store.epoch, subscriber.revision))
            row["behind"] = max(0, edition.revision - subscriber.revision)
        if subscriber.quality is not None:
            row["quality"] = subscriber.quality.value
        yield row


async def screens(request: web.Request) -> web.Response:
    """Every screen that is connected now."""
    return web.Response(
        body=orjson.dumps(request.app[SCREENS].rows()),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
