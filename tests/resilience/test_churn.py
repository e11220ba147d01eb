"""Readers that come and go, ten thousand a minute, and leave as rudely as they can."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.resilience.crowd import Crowd, eventually
from tests.resilience.daemon import Daemon, started
from tests.resilience.measures import assert_unnoticed, measured
from tests.resilience.oracle import Oracle
from tests.resilience.rude import CLOSE, EVENTS, WEBSOCKET, connected, heard, reset, rest
from tests.upstream import Prometheus

GOOD: Final = 32
WAVES: Final = 3
WAVE_SECONDS: Final = 5.0
AT_ONCE: Final = 24

LEAST_PER_SECOND: Final = 10_000 / 60
AIM_PER_SECOND: Final = 600
"""More of them show more of what each leaves; fewer than `max_new_connections_per_second`."""

GROWTH_MIB: Final = 1.5
"""Between the first wave and the last, in which some 5,000 came: 0.3 KiB each. What malloc keeps of the busiest moment is there after the first;
0.1 to 0.3 MiB more are there after the last (measured), as after as many publications without comers."""

PLACES: Final = 100
"""Streams that the server allows: were places not given back, comers would soon be refused."""

POLL: Final = b"GET /api/changes?wait=25&since=0-0 HTTP/1.1\r\nHost: x\r\n\r\n"
REST: Final = b"GET /api/nodes?limit=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def a_polite_websocket(port: int) -> None:
    with await connected(port, WEBSOCKET) as plain:
        await heard(plain, b"snapshot")
        await asyncio.get_running_loop().sock_sendall(plain, CLOSE)
        await rest(plain)


async def a_websocket_reset_before_its_handshake(port: int) -> None:
    reset(await connected(port))


async def a_websocket_reset_within_its_handshake(port: int) -> None:
    reset(await connected(port, WEBSOCKET[:60]))


async def a_websocket_reset_right_after_its_handshake(port: int) -> None:
    reset(await connected(port, WEBSOCKET))


async def a_websocket_reset_in_mid_stream(port: int) -> None:
    plain = await connected(port, WEBSOCKET)
    await heard(plain, b"hello")
    reset(plain)


async def an_event_stream_dropped_in_mid_event(port: int) -> None:
    with await connected(port, EVENTS) as plain:
        await heard(plain, b"event: snapshot")


async def a_poll_given_up(port: int) -> None:
    with await connected(port, POLL.replace(b"0-0", (await cursor(port)).encode())):
        await asyncio.sleep(0.02)


async def half_a_request(port: int) -> None:
    with await connected(port, REST[:-20]):
        pass


async def a_question(port: int) -> None:
    with await connected(port, REST) as plain:
        assert (await rest(plain)).startswith(b"HTTP/1.1 200")


async def cursor(port: int) -> str:
    """Where a poll waits: the newest."""
    with await connected(port, REST) as plain:
        head, _, _ = (await rest(plain)).partition(b"\r\n\r\n")
    tag: bytes = head.partition(b'ETag: "')[2].partition(b'"')[0]
    return tag.decode()


COMERS: Final[tuple[Callable[[int], Awaitable[None]], ...]] = (
    a_polite_websocket,
    a_websocket_reset_before_its_handshake,
    a_websocket_reset_within_its_handshake,
    a_websocket_reset_right_after_its_handshake,
    a_websocket_reset_in_mid_stream,
    an_event_stream_dropped_in_mid_event,
    a_poll_given_up,
    half_a_request,
    a_question,
)


async def wave(port: int) -> int:
    """Comers of all kinds, for a while; how many connections they made."""
    until = time.monotonic() + WAVE_SECONDS
    made = 0

    async def come(number: int) -> None:
        nonlocal made
        while time.monotonic() < until:
            number += 1
            comer = COMERS[number % len(COMERS)]
            await comer(port)
            made += 2 if comer is a_poll_given_up else 1
            await asyncio.sleep(AT_ONCE / AIM_PER_SECOND)

    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(come(number))
    return made


def open_now(figures: Mapping[tuple[str, ...], float], transport: str) -> float:
    """Streams that came, less those that went."""
    went = sum(
        value
        for (name, *labels), value in figures.items()
        if name == "realtime_closes_total" and transport in labels
    )
    return figures["realtime_connects_total", transport] - went


@pytest.fixture
async def daemon(prometheus: Prometheus, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A server with few places."""
    server = Daemon(tmp_path / "server", PROMETHEUS_URL=prometheus.url, MAX_CONNECTIONS=str(PLACES))
    with started(server) as daemon:
        await daemon.until_ready()
        yield daemon


async def test_ten_thousand_a_minute_leave_nothing_behind(daemon: Daemon, oracle: Oracle) -> None:
    """When readers come and go at 10,000 a minute, however they leave, those who stay notice nothing; and after each wave streams, places,
    files and memory are back where they were: what came less what went is what is there.
    """
    async with Crowd(daemon.url, oracle, readers=GOOD) as crowd:
        await crowd.until_all_know()
        here, files = await daemon.figures(), daemon.open_files
        async with measured(daemon, crowd) as before:
            await asyncio.sleep(3)

        async def all_are_back() -> bool:
            figures = await daemon.figures()
            return daemon.open_files <= files + 2 and all(
                figures["realtime_readers", each] == open_now(figures, each) == here["realtime_readers", each]
                for each in ("websocket", "sse")
            )

        rates, memory = [], []
        async with measured(daemon, crowd) as meanwhile:
            for _ in range(WAVES):
                began = time.monotonic()
                made = await wave(daemon.port)
                rates.append(made / (time.monotonic() - began))
                await eventually(all_are_back, f"back at {files} files and as many streams")
                memory.append(daemon.rss_mib)
        await crowd.settle()

        assert crowd.connections == GOOD
    daemon.assert_quiet()

    assert min(rates) >= LEAST_PER_SECOND
    assert memory[-1] - memory[0] < GROWTH_MIB
    assert_unnoticed(before, meanwhile)
