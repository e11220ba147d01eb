"""The door itself: connections, and what is no request."""

import asyncio
import gc
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import orjson
import pytest
import structlog

from realtime.web import listening
from realtime.web.listening import Connection
from tests.web.served import UPGRADE, Serve, Served, small_state, until

BAD_REQUESTS = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a bad header": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer rt_s\x00ecret\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n rt_secret\r\nBad Name: x\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer rt_secret"
    + b"x" * 9_000
    + b"\r\n\r\n",
    "a long line": b"GET /api/ws?ticket=rt_secret" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: rt_secret\r\n" * 500 + b"\r\n",
    "an expectation": b"GET /api/nodes HTTP/1.1\r\nHost: x\r\nExpect: secret\r\n\r\n",
    "an expectation that is no text": b"GET / HTTP/1.1\r\nHost: x\r\nExpect: secret\xff\r\n\r\n",
    "two lengths": b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nrt_secret",
    "a smuggled one": b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
}


@pytest.mark.parametrize("request_bytes", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
async def test_what_is_no_request_is_a_problem(
    server: Served, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What HTTP does not allow is answered with a problem that quotes nothing of it, logged without it, and the connection closed."""
    async with server.raw(request_bytes) as raw:
        said = await raw.rest()
    head, _, body = said.partition(b"\r\n\r\n")

    assert head.startswith((b"HTTP/1.0 400", b"HTTP/1.1 4"))
    assert b"Content-Type: application/problem+json" in head
    assert b"Server: realtime" in head
    assert orjson.loads(body)["code"] in ("bad_request", "bad_parameter")
    assert b"secret" not in said
    assert not caplog.records


@pytest.mark.parametrize("path", [b"/api/session", b"/api/tickets", b"/nowhere"])
async def test_a_body_that_cannot_be_unpacked_is_its_senders_fault(
    server: Served, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that is not packed as its header says is a bad request, and nothing to log."""
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    async with server.raw(head % path) as raw:
        said = await raw.rest()

    assert said.startswith(b"HTTP/1.1 4")
    assert not caplog.records


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_who_waits_to_be_told_to_go_on_is_told(server: Served, version: bytes) -> None:
    """`Expect: 100-continue` is answered as HTTP says: in 1.1 with 100 before the answer, in 1.0 not at all."""
    request = b"GET /api/clusters HTTP/%s\r\nHost: x\r\nConnection: close\r\nExpect: 100-Continue\r\n\r\n"
    async with server.raw(request % version) as raw:
        said = await raw.rest()

    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\n" * (version == b"1.1") + b"HTTP/%s 200" % version)


@pytest.mark.parametrize("sent", [b"", b"GET /api/nodes HTTP/1.1\r\nHos"], ids=["nothing", "half a request"])
async def test_who_asks_nothing_is_dropped(serve: Serve, sent: bytes) -> None:
    """A connection that has sent no whole request after a while is dropped; one that has stays."""
    server = await serve(first_request_seconds=0.2)
    server.publish(small_state())
    whole = b"GET /api/clusters HTTP/1.1\r\nHost: x\r\n\r\n"
    async with server.raw(whole) as asking, server.raw(sent) as silent:
        await asking.until(b"\r\n\r\n")
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                assert await silent.reader.read() == b""
        asking.writer.write(whole)
        await asking.until(b"HTTP/1.1 200")


async def test_an_idle_connection_is_closed(serve: Serve) -> None:
    """A connection without a request is closed after a while."""
    server = await serve(keep_alive_seconds=0.1)
    server.publish(small_state())
    async with server.raw(b"GET /api/clusters HTTP/1.1\r\nHost: x\r\n\r\n") as raw:
        assert b"HTTP/1.1 200" in await raw.rest()


def large_state() -> dict[str, dict[str, dict[str, str]]]:
    """More than the kernel takes for one connection."""
    return {**small_state(), "users": {"ann": {"name": "ann", "ballast": "x" * 2**24}}}


async def test_who_does_not_read_the_answer_is_reset(serve: Serve) -> None:
    """A connection that has asked and takes nothing of the answer is reset after two to four of a slow reader's timeouts."""
    server = await serve(slow_reader_timeout_seconds=0.1)
    server.publish(large_state())
    asking = b"GET /api/state HTTP/1.1\r\nHost: x\r\n\r\n"
    async with server.raw(asking, receive_buffer=4096) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(server.connections)
        began = time.monotonic()
        await until(lambda: not server.connections())

        assert 0.2 <= time.monotonic() - began <= 2.0


async def test_who_is_closed_before_reading_is_reset(serve: Serve) -> None:
    """aiohttp closes an idle connection though some of its answer waits, and forgets the transport in one place of two: it is reset all the same."""
    server = await serve(keep_alive_seconds=0.1, slow_reader_timeout_seconds=0.3)
    server.publish({**small_state(), "users": {"ann": {"name": "ann", "ballast": "x" * 40_000}}})
    async with server.raw(receive_buffer=4096) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(server.connections)
        assert server.runner.server is not None
        ((handler, transport),) = server.runner.server._connections.items()
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        raw.writer.write(b"GET /api/state HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: handler.transport is None)
        assert server.connections()
        assert transport.is_closing()
        assert transport.get_write_buffer_size() > 0

        await until(lambda: not server.connections())


async def test_one_mistake_does_not_end_all_looking(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a look that failed there is a next one; and those who are reset in one look are logged in one line."""
    server = await serve(slow_reader_timeout_seconds=0.1)
    server.publish(large_state())
    mistakes: list[Any] = []
    right = listening.waits

    def wrong(_: Any) -> bool:
        monkeypatch.setattr(listening, "waits", right)
        raise ValueError

    monkeypatch.setattr(listening, "waits", wrong)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context["exception"]))
    async with AsyncExitStack() as stack:
        for _ in range(3):
            asking = server.raw(b"GET /api/state HTTP/1.1\r\nHost: x\r\n\r\n", receive_buffer=4096)
            raw = await stack.enter_async_context(asking)
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: server.connections() == 3)
        with structlog.testing.capture_logs() as logs:
            await until(lambda: not server.connections())

    assert [type(each) for each in mistakes] == [ValueError]
    assert sum(entry["connections"] for entry in logs) == 3
    assert len(logs) < 3


async def test_who_reads_the_answer_slowly_has_all_of_it(serve: Serve) -> None:
    """A connection that takes a little of its answer at a time has all of it, however long that lasts."""
    server = await serve(slow_reader_timeout_seconds=0.05)
    server.publish(large_state())
    taken = 0
    async with server.raw(b"GET /api/state HTTP/1.0\r\nHost: x\r\n\r\n", receive_buffer=2**18) as raw:
        while piece := await raw.reader.read(2**18):
            taken += len(piece)
            await asyncio.sleep(0.01)

    assert taken > 2**24


async def test_a_long_body_is_not_read(server: Served) -> None:
    """A body that is too long is refused before it has all come, wherever it is sent."""
    head = b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"
    async with server.raw(head + b"x" * 100_000) as raw:
        said = await raw.until(b"\r\n\r\n")

    assert b" 404 " in said.split(b"\r\n")[0]


async def reset_at_once(server: Served) -> None:
    """A connection that is reset before it has asked anything."""
    async with server.raw():
        await until(server.connections)


async def reset_in_mid_stream(server: Served) -> None:
    """A WebSocket whose reader breaks off."""
    async with server.raw(UPGRADE) as raw:
        await raw.until(b"snapshot")


async def closed_properly(server: Served) -> None:
    """A WebSocket whose reader says goodbye."""
    async with server.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")


async def an_event_stream(server: Served) -> None:
    """An event stream whose reader leaves."""
    async with server.events() as stream:
        await stream.take("hello", "snapshot", "heartbeat")


@pytest.fixture
def before() -> Iterator[list[object]]:
    """Connections that other tests have left; from now on whatever is in a cycle stays."""
    gc.collect()
    gc.disable()
    yield [each for each in gc.get_objects() if type(each) is Connection]
    gc.enable()


@pytest.mark.parametrize(
    "leave",
    [reset_at_once, reset_in_mid_stream, closed_properly, an_event_stream],
    ids=lambda leave: leave.__name__,
)
async def test_whoever_has_left_leaves_nothing(
    before: list[object], server: Served, leave: Callable[[Served], Awaitable[None]]
) -> None:
    """However a connection ends, nothing of it stays: no timer holds it, and no cycle that the garbage collector would have to find."""
    await leave(server)
    await server.session.close()
    await until(lambda: not server.connections())

    others = set(map(id, before))
    await until(
        lambda: not [each for each in gc.get_objects() if type(each) is Connection and id(each) not in others]
    )


async def test_no_connection_stays_open_behind(server: Served) -> None:
    """aiohttp still tells a connection's requests, by which a silent one is known."""
    async with server.raw(b"") as raw:
        await until(lambda: server.connections() == 1)
        assert server.runner.server is not None
        (connection,) = server.runner.server.connections
        assert connection._request_count == 0
        raw.writer.write(b"GET /api/clusters HTTP/1.1\r\nHost: x\r\n\r\n")
        await raw.until(b"HTTP/1.1 200")

        assert connection._request_count == 1
