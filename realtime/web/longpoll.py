"""`GET /api/changes`: the stream for those who can only ask. One message an answer, or 204 if nothing happened."""

import asyncio

from aiohttp import web

from realtime.errors import RequestError
from realtime.stream.messages import Message
from realtime.web.access import begun
from realtime.web.asked import cursor_of, hub_of, integer, known_hub_of, screen_of, view_of
from realtime.web.caller import caller_of
from realtime.web.rest import live_headers
from realtime.web.screens import SCREENS
from realtime.web.site import SITE

DEFAULT_WAIT = 25
"""Seconds; below the 30 s after which many balancers cut a silent request."""


class OneAnswer:
    """An outlet that keeps the first message that says something new."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

    def send(self, message: Message) -> int:
        """Answer with a snapshot or diff; a heartbeat is no news to whom asks again anyway."""
        if message.type in ("snapshot", "diff") and not self.answer.done():
            self.answer.set_result(message)
        return 0

    def unsent(self) -> int:
        """Never anything: nothing is written before the answer is complete."""
        return 0

    def taken(self) -> int:
        """Never anything."""
        return 0

    def owed(self) -> bool:
        """Never anything."""
        return False

    def handed_over(self) -> int:
        """Never anything."""
        return 0

    def end(self, message: Message, code: int) -> None:  # noqa: ARG002 — a 204 says: ask again
        """Answer that nothing happened."""
        self.abort()

    def abort(self) -> None:
        """Answer that nothing happened."""
        if not self.answer.done():
            self.answer.set_result(None)


async def changes(request: web.Request) -> web.Response:
    """Answer at once if the reader has missed something, else when something changes, or after `wait` seconds with 204."""
    site = request.app[SITE]
    screens = request.app[SCREENS]
    most = int(site.settings.long_poll_max_seconds)
    wait = integer(request.query, "wait", least=0, most=most)
    hub = hub_of(request)
    view = view_of(request.query, site.settings, caller_of(request).topics)
    name = screen_of(request.query)
    cursor = cursor_of(request.query.get("since"))
    outlet = OneAnswer()
    site.door.connects["longpoll"] += 1
    begun(request, outlet)
    subscriber = hub.subscribe(view, cursor, outlet)
    screen = screens.enter(name, "longpoll", outlet, {hub: subscriber})
    try:
        await asyncio.wait({outlet.answer}, timeout=min(DEFAULT_WAIT, most) if wait is None else wait)
    finally:
        screens.leave(screen)
        hub.unsubscribe(subscriber)
    message = outlet.answer.result() if outlet.answer.done() else None
    known_hub_of(request)
    headers = live_headers(hub)
    if message is None:
        if cursor is None or not cursor.epoch:
            raise RequestError("restarting", "the server is restarting; ask again", status=503)
        return web.Response(status=204, headers={**headers, "X-Cursor": str(cursor)})
    site.door.handed_over["longpoll"] += len(message.json)
    return web.Response(
        body=message.json,
        content_type="application/json",
        headers={**headers, "X-Cursor": str(message.cursor)},
    )
