"""`GET /api/ws`: the stream over WebSocket, with commands.

Data frames are the hub's shared bytes, written to the transport; aiohttp writes control frames. That is safe because neither awaits
between the bytes of one frame, and because each compressed frame stands alone: aiohttp's own compressor, whose frames build on those before,
would corrupt the stream in silence, so no data frame may ever go through `send_str` and its kin.
"""

import asyncio
import time
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from realtime.errors import RequestError
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.stream.messages import FRAME, Message, squeezing
from realtime.stream.subscriber import Subscriber
from realtime.web.access import FORBIDDEN, Visit, begun, hello_to
from realtime.web.asked import cursor_of, hub_of, make_view, screen_of, view_of
from realtime.web.caller import caller_of
from realtime.web.cors import origin_allowed
from realtime.web.limits import BURST_SECONDS, OVERLOADED, after
from realtime.web.refusal import can_open
from realtime.web.screens import SCREENS, Screen, Screens
from realtime.web.site import SITE, Site
from realtime.web.wire import Wire

PINGED_AFTER: Final = 4
"""A silent WebSocket is pinged after this many times `slow_reader_timeout_seconds`, to find peers that vanished while there was nothing to send. The
pong has half that long: it may wait behind a large snapshot, and whether a reader is too slow is for the sweeper to judge.
"""

EXTENSIONS: Final = "Sec-WebSocket-Extensions"
UNANSWERABLE: Final = "server_max_window_bits=15"
"""An offer that aiohttp accepts without naming the window in its answer (RFC 7692, section 7.1.2.1), at which a strict client hangs up."""

BAD_REQUEST: Final = 4501
"""What was asked can never be served: do not come back with the same."""


class WebSocket(web.WebSocketResponse):
    """A WebSocket that says why before aiohttp closes it.

    It has no attribute of its own: with one more than aiohttp's, Python 3.11 no longer keeps their names once for all connections, and each
    weighs 1.3 KiB more.
    """

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close; where aiohttp does so because a command is too long, an `error` goes first."""
        request = self._req
        if code == WSCloseCode.MESSAGE_TOO_BIG and not self.closed and isinstance(request, web.Request):
            transport = request.transport
            if transport is not None and not transport.is_closing():
                most = request.app[SITE].settings.max_command_kib
                transport.write(messages.error("too_long", f"a command has at most {most} KiB").frame)
        return await super().close(code=code, message=message, drain=drain)

    async def pong(self, message: bytes = b"") -> None:
        """Answer a ping, of which thousands may have come at once: others have their turn."""
        await asyncio.sleep(0)
        await super().pong(message)

    def forget(self) -> None:
        """Ping no more. Where the peer breaks the connection aiohttp leaves the ping's timer, and by it all that the connection was: 10 KiB each,
        for as long as `PINGED_AFTER` says.
        """
        self._cancel_heartbeat()


class SocketWire(Wire):
    """A WebSocket as an outlet; several subscribers (one a cluster) may share it."""

    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocket, request: web.Request) -> None:
        transport = request.transport
        assert transport is not None  # noqa: S101 — a prepared connection has one
        site = request.app[SITE]
        # aiohttp's word for the window it agreed on: 9 to 15 bits, or 0 for no compression.
        window_bits = int(socket.compress)
        encoding = squeezing(window_bits, site.settings.compress_min_bytes) if window_bits else FRAME
        super().__init__(transport, encoding, site)
        self._socket = socket

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)

    def let_go(self, seconds: float) -> None:
        """Drop after so long what the reader has not taken. aiohttp closes when all is sent, which to who reads nothing is never."""
        if self.unsent():
            asyncio.get_running_loop().call_later(seconds, self.abort)


async def websocket(request: web.Request) -> web.StreamResponse:
    """Serve one connection: hello, the view of the query, then commands until it closes."""
    site = request.app[SITE]
    limits = site.settings
    socket = WebSocket(
        compress=limits.compress_min_bytes > 0 and UNANSWERABLE not in request.headers.get(EXTENSIONS, ""),
        timeout=limits.shutdown_seconds,
        heartbeat=PINGED_AFTER * limits.slow_reader_timeout_seconds,
        max_msg_size=limits.max_command_kib * 1024,
    )
    if not can_open(socket, request):
        raise web.HTTPUpgradeRequired(
            text="this is a WebSocket; /api/events has the same as server-sent events",
            headers={"Upgrade": "websocket"},
        )
    if not origin_allowed(request):
        raise RequestError(
            "forbidden_origin", "this origin may not read this server; see CORS_ORIGIN", status=403
        )
    await socket.prepare(request)
    wire = SocketWire(socket, request)
    conversation = Conversation(
        site, wire, request.app[SCREENS], caller_of(request).topics, begun(request, wire)
    )
    site.sockets.add(wire)
    site.door.enter("websocket", wire)
    try:
        conversation.say(hello_to(request))
        conversation.open(request)
        await conversation.follow(socket)
    finally:
        conversation.leave()
        site.sockets.discard(wire)
        site.door.leave(wire, ours=wire.end_code, theirs=socket.close_code)
        wire.let_go(limits.shutdown_seconds)
        socket.forget()
    return socket


class Conversation:
    """What one connection has subscribed to: one view per cluster."""

    __slots__ = (
        "_due",
        "_misunderstood",
        "_owed",
        "_screen",
        "_screens",
        "_seen",
        "_site",
        "_subscribers",
        "_visit",
        "_wire",
    )

    def __init__(
        self, site: Site, wire: SocketWire, screens: Screens, seen: tuple[str, ...], visit: Visit | None
    ) -> None:
        self._seen = seen
        """The topics that exist for this reader."""
        self._visit = visit
        self._due = 0.0
        """When its commands will have been no more than its share (see `limits.py`)."""
        self._site = site
        self._wire = wire
        self._screens = screens
        self._screen: Screen | None = None
        self._subscribers: dict[Hub, Subscriber] = {}
        self._misunderstood = 0
        self._owed = 0
        """Bytes of answers that were sent while too much waited already."""

    def say(self, message: Message) -> None:
        """Send something that belongs to no view."""
        most = self._site.settings.max_unsent_kib * 1024
        self._owed = self._owed + len(message.frame) if self._wire.unsent() > most else 0
        # Behind a large snapshot answers wait their turn; who asks on and on without reading gets no more of them.
        if self._owed <= most:
            self._wire.send(message)

    def open(self, request: web.Request) -> None:
        """Subscribe to what the query asks for. If that cannot be served: an error, then 4501."""
        try:
            hub = hub_of(request)
            view = view_of(request.query, self._site.settings, self._seen)
            name = screen_of(request.query)
        except RequestError as error:
            self._site.door.refusals[error.code] += 1
            code = FORBIDDEN if error.status == HTTPStatus.FORBIDDEN else BAD_REQUEST
            self._wire.end(messages.error(error.code, error.detail), code)
            return
        self._subscribers[hub] = hub.subscribe(view, cursor_of(request.query.get("since")), self._wire)
        self._screen = self._screens.enter(name, "websocket", self._wire, self._subscribers)

    def leave(self) -> None:
        """Unsubscribe from everything."""
        self._screens.leave(self._screen)
        for hub, subscriber in self._subscribers.items():
            hub.unsubscribe(subscriber)

    async def follow(self, socket: WebSocket) -> None:
        """Obey commands until the connection closes, or too many in a row make no sense."""
        limit = self._site.settings.max_bad_commands
        interval = 1 / self._site.settings.max_commands_per_second
        async for frame in socket:
            try:
                due = after(self._due, time.monotonic(), interval, BURST_SECONDS)
                if due is None:
                    raise RequestError("too_fast", "too many commands; this one was not obeyed", status=429)
                self._due = due
                if frame.type is not WSMsgType.TEXT:
                    raise RequestError("bad_message", "commands are JSON in text frames")
                await self._obey(frame.data)
                self._misunderstood = 0
            except RequestError as error:
                self._site.door.refusals[error.code] += 1
                self._misunderstood += 1
                message = messages.error(error.code, error.detail)
                if self._misunderstood < limit:
                    self.say(message)
                else:
                    self._wire.end(message, OVERLOADED if error.code == "too_fast" else BAD_REQUEST)
                # Thousands may have come at once: others have their turn, and the close.
                await asyncio.sleep(0)

    async def _obey(self, text: str) -> None:
        try:
            command = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise RequestError("bad_message", "a command must be JSON") from None
        if not isinstance(command, dict) or not isinstance(command.get("type"), str):
            raise RequestError("bad_message", 'a command must be an object with a "type"')
        match command["type"]:
            case "subscribe":
                self._subscribe(command)
            case "unsubscribe":
                hub = self._site.hub(_text(command, "cluster"))
                subscriber = self._subscribers.pop(hub, None)
                if subscriber is not None:
                    hub.unsubscribe(subscriber)
            case "ping":
                self.say(messages.PONG)
            case "authenticate":
                await self._authenticate(_text(command, "token") or "")
            case other:
                raise RequestError(
                    "unknown_type",
                    f"unknown type {other[:64]!r}; allowed: subscribe, unsubscribe, ping, authenticate",
                )

    async def _authenticate(self, token: str) -> None:
        """Go on by leave of another token; where nobody is asked for one there is nothing to do."""
        until = None
        if self._visit is not None:
            await self._visit.renew(token)
            until = self._visit.caller.expires_at
        self.say(messages.authenticated(None if until is None else int(until * 1000)))

    def _subscribe(self, command: dict[str, Any]) -> None:
        """Replace the cluster's view; only if all of the command makes sense."""
        hub = self._site.hub(_text(command, "cluster"))
        topics, nodes = _texts(command, "topics"), _texts(command, "nodes")
        view = make_view(topics, nodes, self._site.settings, self._seen)
        cursor = cursor_of(_text(command, "since"))
        before = self._subscribers.pop(hub, None)
        self._subscribers[hub] = hub.subscribe(view, cursor, self._wire, instead=before)


def _text(command: dict[str, Any], name: str) -> str | None:
    value = command.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError("bad_message", f"{name} must be a string")
    return value


def _texts(command: dict[str, Any], name: str) -> list[str]:
    value = command.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RequestError("bad_message", f"{name} must be an array of strings")
    return value
