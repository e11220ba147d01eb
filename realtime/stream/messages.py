"""What is said on the stream, as bytes: encoded once, framed once, and the same for every reader of a view.

Nothing here knows a connection, so nothing in a message can belong to one. `docs/protocol.md` is the contract.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, Final

import orjson

from realtime import deflate
from realtime.state.cursor import Cursor

PROTOCOL: Final = 1

RESTART: Final = 1012
"""Close code: the server restarts; come back after `retryMs`."""


class Message:
    """One message: its JSON, and lazily each transport's encoding of it, made once for everyone."""

    def __init__(self, kind: str, json: bytes, cursor: Cursor | None = None) -> None:
        self.type = kind
        self.json = json
        self.cursor = cursor
        """Where a reader stands who has heard this; None if it says nothing of that."""
        self.revision = None if cursor is None else cursor.revision
        self._squeezed: dict[int, bytes] = {}

    @cached_property
    def frame(self) -> bytes:
        """As one WebSocket text frame of a server (RFC 6455, section 5.2: FIN, unmasked)."""
        return text_frame(self.json)

    @cached_property
    def event(self) -> bytes:
        """As one server-sent event: `event`, `id` if it has a cursor, one `data` line."""
        identity = b"id: %s\n" % str(self.cursor).encode() if self.cursor else b""
        return b"event: %s\n%sdata: %s\n\n" % (self.type.encode(), identity, self.json)

    @cached_property
    def chunk(self) -> bytes:
        """As one server-sent event in one HTTP/1.1 chunk."""
        return chunk(self.event)

    def squeezed(self, window_bits: int) -> bytes:
        """As one WebSocket text frame compressed on its own (RFC 7692), for readers who negotiated that window."""
        frame = self._squeezed.get(window_bits)
        if frame is None:
            packed = deflate.squeeze(self.json, window_bits)
            frame = text_frame(packed, COMPRESSED) if len(packed) < len(self.json) else self.frame
            self._squeezed[window_bits] = frame
        return frame


Encoding = Callable[[Message], bytes]
"""A message's bytes on one kind of connection."""

FRAME: Final[Encoding] = attrgetter("frame")
EVENT: Final[Encoding] = attrgetter("event")
CHUNK: Final[Encoding] = attrgetter("chunk")


@cache
def squeezing(window_bits: int, min_bytes: int) -> Encoding:
    """Frames for readers who negotiated compression: messages of `min_bytes` and more are compressed, once for all who have that window."""

    def encode(message: Message) -> bytes:
        return message.frame if len(message.json) < min_bytes else message.squeezed(window_bits)

    return encode


COMPRESSED: Final = 0x40
"""RSV1: the payload is compressed (RFC 7692, section 6)."""


def text_frame(payload: bytes, flags: int = 0) -> bytes:
    """One unfragmented, unmasked WebSocket text frame."""
    start = 0x81 | flags
    size = len(payload)
    if size < 126:
        header = bytes((start, size))
    elif size < 65_536:
        header = bytes((start, 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((start, 127)) + size.to_bytes(8, "big")
    return header + payload


def chunk(payload: bytes) -> bytes:
    """One chunk of HTTP/1.1's chunked coding (RFC 9112, section 7.1)."""
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def hello(
    *, server: str, build: str, heartbeat_seconds: float, clusters: Sequence[str], topics: Sequence[str]
) -> Message:
    """The first message: who speaks, and what can be asked for."""
    body = {
        "type": "hello",
        "protocol": PROTOCOL,
        "server": server,
        "build": build,
        "heartbeatSeconds": tidy(heartbeat_seconds),
        "clusters": clusters,
        "topics": topics,
    }
    return Message("hello", orjson.dumps(body))


def snapshot(cluster: str, cursor: Cursor, at: int, reason: str, state: bytes) -> Message:
    """A view's whole state; `reason` says why no diff: `new`, `epoch` or `horizon`."""
    head = {"type": "snapshot", "cluster": cluster, "cursor": str(cursor), "at": at, "reason": reason}
    return Message("snapshot", _with(head, b"state", state), cursor)


def diff(cluster: str, start: Cursor, cursor: Cursor, at: int, patch: bytes) -> Message:
    """What takes a view from `start` to `cursor`."""
    head = {"type": "diff", "cluster": cluster, "from": str(start), "cursor": str(cursor), "at": at}
    return Message("diff", _with(head, b"patch", patch), cursor)


def heartbeat(cluster: str, cursor: Cursor | None, at: int, quality: str, data_age_ms: int | None) -> Message:
    """Alive, still at this cursor, and the data is this old. What is unknown is absent."""
    body: dict[str, Any] = {"type": "heartbeat", "cluster": cluster}
    if cursor is not None:
        body["cursor"] = str(cursor)
    body |= {"at": at, "quality": quality}
    if data_age_ms is not None:
        body["dataAgeMs"] = data_age_ms
    return Message("heartbeat", orjson.dumps(body), cursor)


def bye(code: int, reason: str, retry_ms: int) -> Message:
    """The last message: why, and when to come back. Each reader is given another time, so this one is not shared."""
    return Message("bye", orjson.dumps({"type": "bye", "code": code, "reason": reason, "retryMs": retry_ms}))


def error(code: str, detail: str) -> Message:
    """Something that the reader asked for cannot be served; the stream goes on."""
    return Message("error", orjson.dumps({"type": "error", "code": code, "detail": detail}))


def authenticated(expires_at: int | None) -> Message:
    """A stream goes on by leave of another token, until `expires_at` (epoch ms) if that ever ends."""
    body: dict[str, Any] = {"type": "authenticated"}
    if expires_at is not None:
        body["expiresAt"] = expires_at
    return Message("authenticated", orjson.dumps(body))


PONG: Final = Message("pong", orjson.dumps({"type": "pong"}))


def tidy(number: float) -> float:
    """The number as a person writes it: 15, not 15.0."""
    return int(number) if number == int(number) else number


def _with(head: Mapping[str, Any], name: bytes, body: bytes) -> bytes:
    return b'%s,"%s":%s}' % (orjson.dumps(head)[:-1], name, body)
