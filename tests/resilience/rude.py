"""Readers that misbehave: plain sockets that read nothing, or a byte now and then, or vanish, or say what nobody should."""

import asyncio
import ctypes
import secrets
import socket
import struct
from contextlib import suppress
from typing import Final, Self

from realtime.web.tcp import AT_ONCE
from tests.web.served import UPGRADE

WEBSOCKET: Final = UPGRADE
EVENTS: Final = b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"
STREAMS: Final = (WEBSOCKET, EVENTS)

SMALL_BUFFER: Final = 1
"""The kernel makes the least of it that it allows: 2,304 bytes."""

SO_ATTACH_FILTER: Final = 26
"""asm-generic/socket.h; Python has no name for it."""

DROP: Final = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A packet filter's one instruction: return 0 bytes of the packet (`BPF_RET | BPF_K`)."""

TEXT: Final = 0x1
BINARY: Final = 0x2
PING: Final = 0x9
CLOSE: Final = b"\x88\x82\0\0\0\0\x03\xe8"
"""A WebSocket's close frame, masked with zeros, and its code 1000."""


async def connected(port: int, request: bytes = b"", *, receive_buffer: int | None = None) -> socket.socket:
    """A connection on which this was said."""
    plain = socket.socket()
    plain.setblocking(False)
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        await asyncio.get_running_loop().sock_sendall(plain, request)
    except OSError:
        plain.close()
        raise
    return plain


async def heard(plain: socket.socket, what: bytes, seconds: float = 20) -> bytes:
    """What is said up to this and a little more; fails if the connection ends first."""
    said = b""
    async with asyncio.timeout(seconds):
        while what not in said:
            piece = await asyncio.get_running_loop().sock_recv(plain, 2**16)
            assert piece, f"it ended after {said[-300:]!r}"
            said += piece
    return said


async def rest(plain: socket.socket, seconds: float = 20) -> bytes:
    """Everything up to the end, be it a reset."""
    said = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            while piece := await asyncio.get_running_loop().sock_recv(plain, 2**16):
                said += piece
    return said


def deafen(plain: socket.socket) -> None:
    """Lose every packet to it from now on: it acknowledges nothing, and nobody is told. Needs no privilege."""
    instructions = ctypes.create_string_buffer(DROP)
    program = struct.pack("HL", 1, ctypes.addressof(instructions))
    plain.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def reset(plain: socket.socket) -> None:
    """Close it as a process does that dies: the other side is sent a reset."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    plain.close()


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A WebSocket frame as a client must send it: masked (RFC 6455, section 5.2)."""
    mask = secrets.token_bytes(4)
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 2**16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([(0x80 if final else 0) | opcode]) + length + mask + masked


class Trickle:
    """A line on which readers take so many bytes a second of what the server says, and its kernel holds next to none for them."""

    def __init__(self, target: int, bytes_per_second: float, at_a_time: int = 1) -> None:
        self.bytes_per_second: float | None = bytes_per_second
        """None: as many as there are."""
        self._at_a_time = at_a_time
        self._target = target
        self._carrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with await connected(self._target, receive_buffer=SMALL_BUFFER) as up:
                descending = asyncio.create_task(self._descend(up, writer))
                try:
                    while piece := await reader.read(2**16):
                        await asyncio.get_running_loop().sock_sendall(up, piece)
                finally:
                    descending.cancel()
                    with suppress(asyncio.CancelledError, OSError):
                        await descending
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def _descend(self, up: socket.socket, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                rate = self.bytes_per_second
                piece = await asyncio.get_running_loop().sock_recv(up, self._at_a_time if rate else 2**16)
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
                if rate:
                    await self._pause(len(piece) / rate)
        finally:
            writer.transport.abort()

    async def _pause(self, seconds: float) -> None:
        """Wait, unless meanwhile it may be as fast as it can."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        while self.bytes_per_second and (left := due - loop.time()) > 0:
            await asyncio.sleep(min(left, 0.1))
