"""`GET /api/ws`: the stream over WebSocket, with commands.

Data frames are the hub's shared bytes, written to the transport; aiohttp writes control frames. That is safe because neither awaits
between the bytes of one frame, and because nothing is compressed (`compress=False`): raw frames beside a compressor would corrupt
its stream in silence.
"""

from typing import Any, Final

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from realtime.errors import RequestError
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.stream.messages import Message
from realtime.stream.subscriber import Subscriber
from realtime.web.asked import cursor_of, hub_of, make_view, view_of
from realtime.web.cors import origin_allowed
from realtime.web.site import SITE, Site
from realtime.web.wire import Wire

BAD_REQUEST: Final = 4501
"""What was asked can never be served: do not come back with the same."""


class WebSocket(web.WebSocketResponse):
    """A WebSocket that says why before aiohttp closes it."""

    oversize: Message

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close; where aiohttp does so because a command is too long, an `error` goes first."""
        request = self._req
        if code == WSCloseCode.MESSAGE_TOO_BIG and not self.closed and request is not None:
            transport = request.transport
            if transport is not None and not transport.is_closing():
                transport.write(self.oversize.frame)
        return await super().close(code=code, message=message, drain=drain)


class SocketWire(Wire):
    """A WebSocket as an outlet; several subscribers (one a cluster) may share it."""

    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocket, request: web.Request) -> None:
        transport = request.transport
        assert transport is not None  # noqa: S101 — a prepared connection has one
        super().__init__(transport, request.app[SITE])
        self._socket = socket

    def encode(self, message: Message) -> bytes:
        return message.frame

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)


async def websocket(request: web.Request) -> web.StreamResponse:
    """Serve one connection: hello, the view of the query, then commands until it closes."""
    site = request.app[SITE]
    limits = site.settings
    socket = WebSocket(
        compress=False,
        timeout=limits.shutdown_seconds,
        heartbeat=limits.slow_reader_timeout_seconds,
        max_msg_size=limits.max_command_kib * 1024,
    )
    socket.oversize = messages.error("too_long", f"a command has at most {limits.max_command_kib} KiB")
    if not socket.can_prepare(request):
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
    conversation = Conversation(site, wire)
    site.sockets.add(wire)
    try:
        conversation.say(site.hello)
        conversation.open(request)
        await conversation.follow(socket)
    finally:
        conversation.leave()
        site.sockets.discard(wire)
    return socket


class Conversation:
    """What one connection has subscribed to: one view per cluster."""

    def __init__(self, site: Site, wire: SocketWire) -> None:
        self._site = site
        self._wire = wire
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
            view = view_of(request.query, self._site.settings)
        except RequestError as error:
            self._wire.end(messages.error(error.code, error.detail), BAD_REQUEST)
            return
        self._subscribers[hub] = hub.subscribe(view, cursor_of(request.query.get("since")), self._wire)

    def leave(self) -> None:
        """Unsubscribe from everything."""
        for hub, subscriber in self._subscribers.items():
            hub.unsubscribe(subscriber)

    async def follow(self, socket: WebSocket) -> None:
        """Obey commands until the connection closes, or too many in a row make no sense."""
        limit = self._site.settings.max_bad_commands
        async for frame in socket:
            try:
                if frame.type is not WSMsgType.TEXT:
                    raise RequestError("bad_message", "commands are JSON in text frames")
                self._obey(frame.data)
                self._misunderstood = 0
            except RequestError as error:
                self._misunderstood += 1
                message = messages.error(error.code, error.detail)
                if self._misunderstood < limit:
                    self.say(message)
                else:
                    self._wire.end(message, BAD_REQUEST)

    def _obey(self, text: str) -> None:
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
            case other:
                raise RequestError(
                    "unknown_type", f"unknown type {other[:64]!r}; allowed: subscribe, unsubscribe, ping"
                )

    def _subscribe(self, command: dict[str, Any]) -> None:
        """Replace the cluster's view; only if all of the command makes sense."""
        hub = self._site.hub(_text(command, "cluster"))
        view = make_view(_texts(command, "topics"), _texts(command, "nodes"), self._site.settings)
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
