"""A connection as subscribers write to it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from operator import attrgetter

import pytest

from realtime.stream.messages import PONG, bye, error
from realtime.web.site import Site
from realtime.web.wire import Wire
from tests.resilience.rude import deafen
from tests.web.served import served, until


class FakeTransport(asyncio.Transport):
    """Keeps what is written; the kernel takes only what the test says."""

    def __init__(self) -> None:
        self.kernel = socket.socket()
        super().__init__({"socket": self.kernel})
        self.written = b""
        self.buffered = 0
        self.limit: int | None = None
        self.closing = False
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "asyncio logs each write to a closing transport"
        self.written += data
        self.buffered += len(data)

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limit = high

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = self.aborted = True
        self.buffered = 0


class JsonWire(Wire):
    """A wire that writes plain JSON, and notes how it is closed."""

    def __init__(self, transport: FakeTransport, site: Site) -> None:
        super().__init__(transport, attrgetter("json"), site)
        self.codes: list[int] = []

    async def close(self, code: int) -> None:
        self.codes.append(code)


class Wired:
    """A wire over a fake transport."""

    def __init__(self) -> None:
        self.site = served().site
        self.transport = FakeTransport()
        self.wire = JsonWire(self.transport, self.site)

    async def closed(self) -> list[int]:
        await asyncio.gather(*self.site.closing)
        return self.wire.codes


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    wired = Wired()
    with wired.transport.kernel:
        yield wired


async def test_a_message_is_written_at_once(wired: Wired) -> None:
    """Sending writes the message's bytes to the transport and waits for nothing."""
    wired.wire.send(PONG)
    wired.wire.send(PONG)

    assert wired.transport.written == PONG.json * 2


async def test_the_kernel_holds_little(wired: Wired) -> None:
    """What the kernel may hold for one reader is bounded: it would be sent however stale it is."""
    kib = wired.site.settings.send_buffer_kib
    held = wired.transport.kernel.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    assert kib * 1024 <= held <= 2 * kib * 1024


async def test_an_abort_leaves_nothing_in_the_kernel(wired: Wired) -> None:
    """What a stalled peer has not read is dropped with the connection, and the peer is told by a reset."""
    wired.wire.send(PONG)
    wired.wire.abort()

    lingers = wired.transport.kernel.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)

    assert struct.unpack("ii", lingers) == (1, 0)


async def test_it_knows_what_waits(wired: Wired) -> None:
    """What the kernel has not taken is unsent, and owed."""
    assert (wired.wire.unsent(), wired.wire.owed()) == (0, False)
    wired.wire.send(PONG)
    assert (wired.wire.unsent(), wired.wire.owed()) == (len(PONG.json), True)

    wired.transport.buffered -= 5
    assert (wired.wire.unsent(), wired.wire.owed()) == (len(PONG.json) - 5, True)


@pytest.fixture
def peer(wired: Wired) -> Iterator[socket.socket]:
    """The other end of the wire's connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wired.transport.kernel.connect(listening.getsockname())
        peer, _ = listening.accept()
    with peer:
        yield peer


async def test_what_is_not_acknowledged_was_not_taken(wired: Wired, peer: socket.socket) -> None:
    """What the kernel took and the other side has not acknowledged is not taken, nor unsent; an abort then drops it."""

    def send() -> None:
        wired.wire.send(PONG)
        wired.transport.kernel.send(PONG.json)
        wired.transport.buffered = 0

    before = wired.wire.taken()
    send()
    await until(lambda: wired.wire.taken() == before + len(PONG.json))
    assert not wired.wire.owed()
    deafen(peer)
    send()
    assert (wired.wire.unsent(), wired.wire.taken()) == (0, before + len(PONG.json))
    assert wired.wire.owed()
    assert wired.wire.handed_over() == 2 * len(PONG.json)
    wired.wire.abort()

    lingers = wired.transport.kernel.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
    assert struct.unpack("ii", lingers) == (1, 0)


async def test_headers_on_their_way_are_owed(wired: Wired, peer: socket.socket) -> None:
    """The response's headers, too, are owed until they are acknowledged."""
    before = wired.wire.taken()
    deafen(peer)
    wired.transport.kernel.send(b"HTTP/1.1 200 OK\r\n\r\n")

    assert (wired.wire.taken(), wired.wire.owed()) == (before, True)


async def test_a_connection_that_is_closed_owes_nothing(wired: Wired) -> None:
    """Of a connection that is closed, or that is no socket, nothing is unacknowledged."""
    wired.wire.send(PONG)
    wired.transport.buffered = 0
    wired.transport.kernel.close()

    assert (wired.wire.taken(), wired.wire.owed()) == (len(PONG.json), False)


async def test_nothing_is_written_to_a_closing_connection(wired: Wired) -> None:
    """A message to a connection that is closing is nothing, and counts as nothing taken."""
    wired.transport.closing = True
    wired.wire.send(PONG)

    assert (wired.transport.written, wired.wire.taken()) == (b"", 0)


async def test_the_end_is_said_once(wired: Wired) -> None:
    """The first end writes its message and closes with its code; a second, and all that is sent after, do nothing."""
    last = bye(1012, "restart", 1000)
    wired.wire.end(last, 1012)
    wired.wire.end(error("x", "y"), 4501)
    wired.wire.send(PONG)

    assert await wired.closed() == [1012]
    assert wired.transport.written == last.json
    assert wired.transport.limit == 0, "who drains must wait for the last byte"


async def test_an_aborted_connection_is_said_nothing(wired: Wired) -> None:
    """After an abort neither messages nor an end are written, and what was unsent is dropped."""
    wired.wire.send(PONG)
    wired.wire.abort()
    wired.wire.send(PONG)
    wired.wire.end(error("x", "y"), 4501)

    assert wired.transport.aborted
    assert await wired.closed() == []
    assert wired.transport.written == PONG.json
    assert wired.wire.unsent() == 0
