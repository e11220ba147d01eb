"""Requests and WebSocket frames byte by byte, of any bytes, and what may be said to them."""

import asyncio
from http import HTTPStatus
from typing import Final, NamedTuple, Self
from urllib.parse import quote_from_bytes

import orjson

from tests import told
from tests.web.served import PATIENCE_SECONDS, Raw, Served

ENDS_OF_STREAMS: Final = (b'"type":"heartbeat"', b'"type":"bye"', b'"type":"error"')
"""What follows a subscription's news: all has been said then."""

LONGEST_DETAIL: Final = 1_000
"""64 characters of what was asked for, which as escapes are ten each, and sentences."""

METHODS: Final = (b"GET", b"POST", b"DELETE", b"PUT", b"HEAD", b"OPTIONS")

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
"""Kinds of frames (RFC 6455, section 5.2); 0 continues one."""

PATH_BYTES: Final = "/?&=%*,;:@!$'()+-._~[]^|{}\\`<>\"#"


class Asked(NamedTuple):
    """A request, as bytes."""

    method: bytes
    target: bytes
    headers: tuple[bytes, ...] = ()
    body: bytes = b""

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Of an input: perhaps a method, and the target, on its first line, a header on each other, and behind an empty line the body. What
        cannot be part of a request line is written as `%xx`.
        """
        head, _, body = data.partition(b"\n\n")
        target, *headers = head.split(b"\n")
        method, _, rest = target.partition(b" ")
        if method not in METHODS:
            method, rest = b"GET", target
        sound = quote_from_bytes(rest, safe=PATH_BYTES).encode()
        lines = tuple(line.rstrip(b"\r") for line in headers if line.strip())
        return cls(method, sound if sound.startswith(b"/") else b"/" + sound, lines, body)

    @property
    def bytes(self) -> bytes:
        """As it is sent."""
        lines = [
            b"%s %s HTTP/1.1" % (self.method, self.target),
            b"Host: x",
            *self.headers,
            b"Connection: close",
        ]
        if self.body:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].partition(b"#")[0].decode()


class Said(NamedTuple):
    """An answer; of a stream its beginning."""

    status: int
    media: str
    body: bytes

    @property
    def is_stream(self) -> bool:
        return self.status == HTTPStatus.SWITCHING_PROTOCOLS or self.media.startswith("text/event-stream")


async def ask(server: Served, asked: Asked) -> Said:
    async with asyncio.timeout(PATIENCE_SECONDS), server.raw(asked.bytes) as raw:
        status, media = await _head(raw.reader)
        while status == HTTPStatus.CONTINUE:
            status, media = await _head(raw.reader)
        body = b""
        while some := await raw.reader.read(2**16):
            body += some
            if Said(status, media, body).is_stream and any(end in body for end in ENDS_OF_STREAMS):
                break
        return Said(status, media, body)


async def _head(reader: asyncio.StreamReader) -> tuple[int, str]:
    """An answer's status, and what kind of body follows."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
    return int(first.split()[1]), fields.get("content-type", "")


def judge(asked: Asked, said: Said) -> None:
    """Fail if this is not an answer that the documents have."""
    assert said.status < 500 or said.status in (501, 503), said
    if said.is_stream:
        return
    if said.media == told.PROBLEM and said.body:
        problem = orjson.loads(said.body)
        assert problem["status"] == said.status
        assert len(problem["detail"]) < LONGEST_DETAIL
    told.body(asked.method.decode(), asked.path, said.status, said.media, said.body)


def frame(kind: int, payload: bytes, *, final: bool = True) -> bytes:
    """A client's frame; its mask is 0, so that what is on the wire can be read."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([kind | (0x80 if final else 0)]) + length + bytes(4) + payload


def heard(data: bytes, *, whole: bool) -> list[tuple[int, bytes]]:
    """A server's frames; `whole`: the last is not cut off."""
    found = []
    while len(data) >= 2:
        size, start = data[1], 2
        assert size < 0x80, "a server's frames are not masked"
        assert data[0] & 0x70 == 0, "nothing so small is compressed"
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            break
        found.append((data[0] & 0xF, data[start : start + size]))
        assert data[0] & 0x80, "a server's frames are whole messages"
        data = data[start + size :]
    assert not (whole and data), data
    return found


async def everything(raw: Raw) -> bytes:
    """What is said up to the end. Who talks on after it was told the end has its connection reset, and has heard all the same."""
    said = b""
    try:
        while some := await raw.reader.read(2**16):
            said += some
    except ConnectionResetError:
        said += bytes(raw.reader._buffer)  # type: ignore[attr-defined]
    return said
