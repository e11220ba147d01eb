"""What is said on the stream, as bytes: encoded once, framed once, and the same for every reader of a view.

Nothing here knows a connection, so nothing in a message can belong to one. `docs/protocol.md` is the contract.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from realtime.state.cursor import Cursor

PROTOCOL: Final = 1

RESTART: Final = 1012
"""Close code: the server restarts; come back after `retryMs`."""


class Message:
    """One message: its JSON, and lazily each transport's framing of it."""

    __slots__ = ("_chunk", "_event", "_frame", "cursor", "json", "type")

    def __init__(self, kind: str, json: bytes, cursor: Cursor | None = None) -> None:
        self.type = kind
        self.json = json
        self.cursor = cursor
        """Where a reader stands who has heard this; None if it says nothing of that."""
        self._frame: bytes | None = None
        self._event: bytes | None = None
        self._chunk: bytes | None = None

    @property
    def frame(self) -> bytes:
        """As one WebSocket text frame of a server (RFC 6455, section 5.2: FIN, unmasked)."""
        if self._frame is None:
            self._frame = text_frame(self.json)
        return self._frame

    @property
    def event(self) -> bytes:
        """As one server-sent event: `event`, `id` if it has a cursor, one `data` line."""
        if self._event is None:
            identity = b"id: %s\n" % str(self.cursor).encode() if self.cursor else b""
            self._event = b"event: %s\n%sdata: %s\n\n" % (self.type.encode(), identity, self.json)
        return self._event

    @property
    def chunk(self) -> bytes:
        """As one server-sent event in one HTTP/1.1 chunk."""
        if self._chunk is None:
            self._chunk = chunk(self.event)
        return self._chunk


def text_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked WebSocket text frame."""
    size = len(payload)
    if size < 126:
        header = bytes((0x81, size))
    elif size < 65_536:
        header = b"\x81\x7e" + size.to_bytes(2, "big")
    else:
        header = b"\x81\x7f" + size.to_bytes(8, "big")
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


PONG: Final = Message("pong", orjson.dumps({"type": "pong"}))


def tidy(number: float) -> float:
    """The number as a person writes it: 15, not 15.0."""
    return int(number) if number == int(number) else number


def _with(head: Mapping[str, Any], name: bytes, body: bytes) -> bytes:
    return b'%s,"%s":%s}' % (orjson.dumps(head)[:-1], name, body)
