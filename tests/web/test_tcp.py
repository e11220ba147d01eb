"""What TCP tells of a connection, and how one is ended at once."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from realtime.web.tcp import reset, unacknowledged, unsent
from tests.resilience.rude import deafen
from tests.web.served import until
from tests.web.test_wire import FakeTransport

Pair = tuple[FakeTransport, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A transport over a connection, and its other end."""
    transport = FakeTransport()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport.kernel.connect(listening.getsockname())
        peer, _ = listening.accept()
    with transport.kernel, peer:
        yield transport, peer


async def test_what_the_other_side_has_acknowledged_is_known(pair: Pair) -> None:
    """Bytes in the kernel count until the other side has acknowledged them."""
    transport, peer = pair
    transport.kernel.send(b"x" * 10)
    await until(lambda: unacknowledged(transport) == 0)
    deafen(peer)
    transport.kernel.send(b"x" * 10)

    assert unacknowledged(transport) == 10


async def test_a_connection_that_is_closed_owes_nothing(pair: Pair) -> None:
    """Of a connection that is closed nothing is unacknowledged."""
    transport, peer = pair
    deafen(peer)
    transport.kernel.send(b"x")
    transport.kernel.close()

    assert unacknowledged(transport) == 0


async def test_a_connection_that_was_closed_twice_has_nothing_unsent() -> None:
    """asyncio's TLS cannot say what is unsent of a connection that was closed twice: that is nothing."""

    class ClosedTwice(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            raise AttributeError

    assert unsent(ClosedTwice()) == 0


async def test_a_reset_is_heard_by_who_reads_nothing(pair: Pair) -> None:
    """A reset ends the connection at once, whatever the kernel holds, and the other side is told."""
    transport, peer = pair
    transport.kernel.send(b"x")
    reset(transport)
    transport.kernel.close()

    assert transport.aborted
    await asyncio.sleep(0)
    with pytest.raises(ConnectionResetError):
        assert peer.recv(1) == b"x" and peer.recv(1)  # noqa: PT018 — what came before the reset may be there
