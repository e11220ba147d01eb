"""The URL table, and how a server says goodbye."""

import asyncio
import socket as sockets
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from realtime.web.routes import ROUTES
from realtime.web.wire import Wire
from tests.web.served import UPGRADE, Events, Raw, Serve, Served, Socket, small_state, until

RETRY_MAX_MS = 6000

ENDPOINTS = {
    "GET /api/ws",
    "GET /api/events",
    "GET /api/changes",
    "GET /api/state",
    "GET /api/health",
    "GET /api/jobs",
    "GET /api/nodes",
    "GET /api/nodes/{id}",
    "GET /api/queues",
    "GET /api/stats/cluster",
    "GET /api/analytics/jobs",
    "GET /api/analytics/resources",
    "GET /api/jobs/{id}",
    "DELETE /api/jobs/{id}",
    "POST /api/jobs/{id}/hold",
    "POST /api/jobs/{id}/release",
}
"""Those of the contract."""


def test_every_endpoint_of_the_contract_is_there() -> None:
    """The table lists every endpoint that the contract names."""
    assert {f"{route.method} {route.path}" for route in ROUTES} >= ENDPOINTS


def check_bye(bye: dict[str, Any]) -> int:
    """Check a `bye` of a restart; when to come back."""
    retry_ms: int = bye.pop("retryMs")
    assert bye == {"type": "bye", "code": 1012, "reason": "restart"}
    assert 1000 <= retry_ms <= RETRY_MAX_MS
    return retry_ms


async def last_of_socket(socket: Socket) -> int:
    """Read on to the goodbye, which must be followed by a close."""
    message = await socket.next()
    while message["type"] != "bye":
        message = await socket.next()
    assert await socket.closed() == 1012
    return check_bye(message)


async def last_of_events(stream: Events) -> int:
    """Read on to the goodbye, which must be followed by the body's end: aiohttp raises if it was cut off."""
    event = await stream.next()
    while event is not None and event.fields["event"] != "bye":
        event = await stream.next()
    assert event is not None
    assert await stream.next() is None
    return check_bye(event.message)


async def stopping(server: Served) -> float:
    """Stop; how many seconds it took."""
    start = time.monotonic()
    await server.stop()
    return time.monotonic() - start


@pytest.fixture
async def leaving(serve: Serve) -> Served:
    """A server that is about to stop."""
    server = await serve(retry_max_ms=RETRY_MAX_MS)
    server.publish(small_state())
    return server


async def test_a_hundred_readers_are_told_goodbye(leaving: Served) -> None:
    """Forty WebSockets, forty event streams and twenty long-polls are each told to come back, at different times, and end properly."""
    async with AsyncExitStack() as readers:
        sockets = [await readers.enter_async_context(leaving.socket()) for _ in range(40)]
        streams = [await readers.enter_async_context(leaving.events()) for _ in range(40)]
        polls = [
            asyncio.create_task(leaving.get(f"/api/changes?since={leaving.cursor}&wait=60"))
            for _ in range(20)
        ]
        await until(lambda: len(leaving.listeners()) == 100)
        farewells = asyncio.gather(
            *(last_of_socket(socket) for socket in sockets), *(last_of_events(stream) for stream in streams)
        )
        seconds = await stopping(leaving)
        times = await farewells
        answers = await asyncio.gather(*polls)

    assert seconds < 2
    assert len(set(times)) > 40
    assert {(answer.status, answer.headers["X-Cursor"]) for answer in answers} == {(204, leaving.cursor)}
    assert leaving.listeners() == []
    assert leaving.site.sockets == set()


async def test_event_streams_end_properly(leaving: Served) -> None:
    """Also where only event streams are open, their bodies are finished and not cut off."""
    async with AsyncExitStack() as readers:
        streams = [await readers.enter_async_context(leaving.events()) for _ in range(5)]
        raw = await readers.enter_async_context(
            leaving.raw(b"GET /api/events?topics=queues HTTP/1.1\r\nHost: x\r\n\r\n")
        )
        await until(lambda: len(leaving.listeners()) == 6)
        assert await stopping(leaving) < 1
        await asyncio.gather(*(last_of_events(stream) for stream in streams))

        assert (await raw.rest()).endswith(b"}\n\n\r\n0\r\n\r\n")


async def test_a_websocket_that_listens_to_nothing_is_told_too(leaving: Served) -> None:
    """A reader that has unsubscribed from everything hears `bye` and holds up nothing."""
    async with leaving.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
        await socket.say(type="unsubscribe")
        await until(lambda: not leaving.listeners())
        farewell = asyncio.create_task(last_of_socket(socket))

        assert await stopping(leaving) < 1
        await farewell


async def test_a_websocket_of_two_clusters_is_told_once(serve: Serve) -> None:
    """A reader of two clusters hears one `bye`."""
    server = await serve(clusters=("hopper", "vanda"), retry_max_ms=RETRY_MAX_MS)
    async with server.socket() as socket:
        await socket.take("hello", "heartbeat")
        await socket.say(type="subscribe", cluster="vanda")
        await until(lambda: len(server.listeners()) == 2)
        farewell = asyncio.create_task(last_of_socket(socket))

        assert await stopping(server) < 1
        await farewell


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n",
        UPGRADE,
    ],
    ids=["sse", "websocket"],
)
async def test_who_never_reads_holds_nobody_up(serve: Serve, request_bytes: bytes) -> None:
    """A reader that takes nothing is cut off after `shutdown_seconds`; all others are told and closed at once."""
    server = await serve(retry_max_ms=RETRY_MAX_MS, shutdown_seconds=1.0)
    server.publish(small_state() | {"users": {f"u{n}": {"name": "x" * 2**20} for n in range(16)}})
    async with (
        server.raw(request_bytes, receive_buffer=4096) as stuck,
        server.socket("?topics=queues") as socket,
        server.events("?topics=queues") as stream,
    ):
        await until(lambda: len(server.listeners()) == 3)
        await until(lambda: any(subscriber.waiting for subscriber in server.listeners()))
        stop = asyncio.create_task(stopping(server))
        await asyncio.gather(last_of_socket(socket), last_of_events(stream))
        assert not stop.done()

        assert await stop < 5
        await stuck.reset()


@pytest.mark.parametrize(
    ("request_bytes", "end"),
    [
        (b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n", b"}\n\n\r\n0\r\n\r\n"),
        (UPGRADE, b"}\x88\x02\x03\xf4"),
    ],
    ids=["sse", "websocket"],
)
async def test_who_reads_slowly_hears_it_all(serve: Serve, request_bytes: bytes, end: bytes) -> None:
    """A reader to whom much is still unsent at the shutdown, and who takes it in time, hears everything up to the proper end."""
    server = await serve(retry_max_ms=RETRY_MAX_MS, max_unsent_kib=1)
    async with server.raw(request_bytes, receive_buffer=4096) as slow:
        await until(server.listeners)
        (reader,) = server.listeners()
        assert isinstance(reader.outlet, Wire)
        connection = reader.outlet._transport.get_extra_info("socket")
        # So that the last bytes do not vanish in the kernel's buffer all at once.
        connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
        server.publish({"users": {"u": {"name": "x" * 2**20}}})
        await until(lambda: reader.lagging)
        stop = asyncio.create_task(stopping(server))
        heard = await slow.rest()
        await stop

    assert len(heard) > 2**20
    assert b'{"type":"bye"' in heard[-200:]
    assert heard.endswith(end)


async def test_an_idle_connection_holds_nobody_up(leaving: Served) -> None:
    """Connections that are kept alive, and one whose request never ends, do not delay a shutdown."""
    await leaving.get("/api/nodes")
    async with leaving.raw(b"GET /api/nodes HTT") as raw:
        await until(lambda: leaving.connections() == 2)

        assert await stopping(leaving) < 3
        assert await raw.rest() == b""


async def test_after_goodbye_the_door_is_closed(leaving: Served) -> None:
    """A server that has stopped accepts no connection."""
    await leaving.stop()

    with pytest.raises(ConnectionError):
        async with leaving.raw() as raw:
            assert isinstance(raw, Raw)
