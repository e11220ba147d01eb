"""Readers that say what nobody should, or nothing, many at once; `tests/web/` has what each of them is answered."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pytest

from tests.resilience.crowd import Crowd, eventually
from tests.resilience.daemon import FAST, Daemon, started
from tests.resilience.measures import assert_unnoticed, measured
from tests.resilience.oracle import Oracle
from tests.resilience.rude import (
    BINARY,
    EVENTS,
    PING,
    SMALL_BUFFER,
    TEXT,
    WEBSOCKET,
    connected,
    frame,
    heard,
    rest,
)
from tests.upstream import Prometheus

GOOD: Final = 32
HOSTILE: Final = 48
FLOOD_SECONDS: Final = 6.0

FIRST_REQUEST_SECONDS: Final = 2.0
SLACK_SECONDS: Final = 2.5
PLACES: Final = GOOD + HOSTILE + 20
"""Streams that the server allows: were places not given back, the next would soon be refused."""

SUBSCRIBE: Final = b'{"type":"subscribe","topics":["nodes"],"nodes":["*"],"since":"x-1"}'
QUESTION: Final = b"GET /api/nodes HTTP/1.1\r\nHost: x\r\n\r\n"

FLOODS: Final[dict[str, bytes]] = {
    "a command that is too long": frame(TEXT, b"x" * 70_000),
    "a length that is a lie": b"\x81\xff" + b"\x7f" * 8 + bytes(1_000),
    "binary": frame(BINARY, bytes(range(256))) * 20,
    "no UTF-8": frame(TEXT, b"\xff\xfe\xfd"),
    "half a ping": frame(PING, b"x", final=False),
    "a ping that is too long": frame(PING, b"x" * 126),
    "an end without a beginning": frame(0x0, b"x"),
    "an opcode that is none": frame(0x3, b"x"),
    "bits that nobody agreed on": b"\xf1" + frame(TEXT, b"x")[1:],
    "no mask": b"\x81\x02{}" * 20,
    "pings": frame(PING, b"x" * 125) * 300,
    "commands": frame(TEXT, SUBSCRIBE) * 300,
    "no command": frame(TEXT, b'{"type":"dance"}') * 20,
    "noise": bytes(islice(cycle(range(255, 0, -7)), 5_000)),
}


@pytest.fixture
async def daemon(prometheus: Prometheus, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A server with few places and little patience."""
    server = Daemon(
        tmp_path / "server",
        PROMETHEUS_URL=prometheus.url,
        MAX_CONNECTIONS=str(PLACES),
        FIRST_REQUEST_SECONDS=str(FIRST_REQUEST_SECONDS),
    )
    with started(server) as daemon:
        await daemon.until_ready()
        yield daemon


async def flood(port: int, what: bytes, until: float) -> int:
    """Say this on one WebSocket after another, as often as it is let; how many there were."""
    sockets = 0
    while time.monotonic() < until:
        with await connected(port, WEBSOCKET) as plain, suppress(ConnectionError, TimeoutError):
            await heard(plain, b"snapshot")
            for _ in range(10):
                await asyncio.get_running_loop().sock_sendall(plain, what)
            await rest(plain, 0.2)
        sockets += 1
        await asyncio.sleep(0.05)
    return sockets


async def test_floods_and_garbage_are_not_noticed_by_those_who_read(daemon: Daemon, oracle: Oracle) -> None:
    """While 48 WebSockets at a time are flooded with all that a WebSocket must not be sent, and with more pings and commands than anyone
    needs, those who read hear as before; nothing is logged as an error, and places and files come back.
    """
    async with Crowd(daemon.url, oracle, readers=GOOD) as crowd:
        await crowd.until_all_know()
        files = daemon.open_files
        async with measured(daemon, crowd) as before:
            await asyncio.sleep(3)
        async with measured(daemon, crowd) as meanwhile:
            until = time.monotonic() + FLOOD_SECONDS
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(flood(daemon.port, what, until))
                    for what in islice(cycle(FLOODS.values()), HOSTILE)
                ]
        await eventually(lambda: few_files(daemon, files), f"back at {files} files")
        await crowd.settle()
        figures = await daemon.figures()

        assert crowd.connections == GOOD
    daemon.assert_quiet()

    # Each was let in again and again: no place was lost, and none was refused for want of one.
    assert sum(task.result() for task in tasks) > 3 * PLACES
    assert ("realtime_refusals_total", "overloaded") not in figures
    assert_unnoticed(before, meanwhile)


async def few_files(daemon: Daemon, files: int) -> bool:
    return daemon.open_files <= files + 2


async def test_who_says_nothing_or_half_is_dropped(daemon: Daemon, oracle: Oracle) -> None:
    """A hundred connections that never ask, and as many that stop in mid-handshake, are dropped by their deadline, and not noticed."""
    async with Crowd(daemon.url, oracle, readers=GOOD) as crowd:
        await crowd.until_all_know()
        files = daemon.open_files
        async with measured(daemon, crowd) as before:
            await asyncio.sleep(3)
        with ExitStack() as sockets:
            began = time.monotonic()
            silent = [
                sockets.enter_context(await connected(daemon.port, said))
                for said in (b"", WEBSOCKET[:-2], EVENTS[:20], b"\x16\x03\x01") * 50
            ]
            async with measured(daemon, crowd) as meanwhile:
                for each in silent:
                    await rest(each)
                seconds = time.monotonic() - began
        await eventually(lambda: few_files(daemon, files), f"back at {files} files")
        await crowd.settle()

        assert crowd.connections == GOOD
    daemon.assert_quiet()

    assert seconds < FIRST_REQUEST_SECONDS + SLACK_SECONDS
    assert_unnoticed(before, meanwhile)


async def test_questions_in_a_row_are_answered_in_a_row(daemon: Daemon, oracle: Oracle) -> None:
    """Hundreds of requests on one connection, none of which waits for an answer, are all answered; where nobody reads the answers they stop,
    cost little, and the connection is reset.
    """
    at_once, unread = 200, 10
    deadline = 4 * float(FAST["SLOW_READER_TIMEOUT_SECONDS"])
    async with Crowd(daemon.url, oracle, readers=GOOD) as crowd, AsyncExitStack() as stack:
        await crowd.until_all_know()
        files = daemon.open_files
        async with measured(daemon, crowd) as before:
            await asyncio.sleep(3)
        async with measured(daemon, crowd) as meanwhile:
            stalled = [
                stack.enter_context(
                    await connected(daemon.port, QUESTION * 2_000, receive_buffer=SMALL_BUFFER)
                )
                for _ in range(unread)
            ]
            last = QUESTION.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            for _ in range(5):
                with await connected(daemon.port, QUESTION * (at_once - 1) + last) as plain:
                    said = await rest(plain)
                assert said.count(b"HTTP/1.1 200 OK\r\n") == at_once
            began = time.monotonic()
            await eventually(lambda: few_files(daemon, files), f"back at {files} files")
            seconds = time.monotonic() - began
        for each in stalled:
            await rest(each)
        await crowd.settle()

        assert crowd.connections == GOOD
    daemon.assert_quiet()

    assert seconds < deadline + SLACK_SECONDS
    assert_unnoticed(before, meanwhile)
