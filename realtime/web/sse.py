"""`GET /api/events`: the stream as server-sent events.

aiohttp-sse's response gives the headers and `last_event_id`; the events are the hub's shared bytes, each framed once as an HTTP chunk.
"""

import asyncio

from aiohttp import HttpVersion11, web
from aiohttp_sse import EventSourceResponse

from realtime.config import NO_COMMENT_PING_SECONDS
from realtime.stream.messages import CHUNK, EVENT, chunk
from realtime.web.access import begun, hello_to
from realtime.web.asked import cursor_of, hub_of, screen_of, view_of
from realtime.web.caller import caller_of
from realtime.web.screens import SCREENS
from realtime.web.site import SITE
from realtime.web.wire import Wire


class EventWire(Wire):
    """An event stream as an outlet."""

    __slots__ = ("_chunked", "ended", "finished")

    def __init__(self, request: web.Request) -> None:
        transport = request.transport
        assert transport is not None  # noqa: S101 — a prepared connection has one
        self._chunked = request.version >= HttpVersion11
        super().__init__(transport, CHUNK if self._chunked else EVENT, request.app[SITE])
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.finished = asyncio.Event()
        """Whether the body's end was written, or never will be."""

    def prelude(self, retry_ms: int) -> None:
        """Tell the browser when to come back, should this stream break; another time for each."""
        line = b"retry: %d\n\n" % retry_ms
        self._transport.write(chunk(line) if self._chunked else line)

    async def close(self, code: int) -> None:  # noqa: ARG002 — `bye` has told it; HTTP has nowhere to put it
        if not self.ended.done():
            self.ended.set_result(None)
        await self.finished.wait()

    def abort(self) -> None:
        super().abort()
        if not self.ended.done():
            self.ended.set_result(None)


async def events(request: web.Request) -> web.StreamResponse:
    """Serve one event stream until the reader leaves or we say `bye`. A `Last-Event-ID` outranks `since`: it is the newer one."""
    site = request.app[SITE]
    screens = request.app[SCREENS]
    hub = hub_of(request)
    view = view_of(request.query, site.settings, caller_of(request).topics)
    name = screen_of(request.query)
    response = EventSourceResponse(
        headers={},
        # It would have the kernel end readers that take little at a time.
        send_timeout=None,
        ping_interval=NO_COMMENT_PING_SECONDS,
    )
    response.headers["Cache-Control"] = "no-cache, no-transform"
    await response.prepare(request)
    wire = EventWire(request)
    begun(request, wire)
    async with response:
        wire.prelude(site.retry_ms())
        wire.send(hello_to(request))
        cursor = cursor_of(response.last_event_id or request.query.get("since"))
        site.door.enter("sse", wire)
        subscriber = hub.subscribe(view, cursor, wire)
        screen = screens.enter(name, "sse", wire, {hub: subscriber})
        try:
            await wire.ended
            await response.write_eof()
        finally:
            screens.leave(screen)
            hub.unsubscribe(subscriber)
            wire.finished.set()
            site.door.leave(wire, ours=wire.end_code)
    return response
