"""What can befall a server, its readers, its source and the lines between them: a table, from which a seed draws.

Each fault begins, lasts, and is over; what comes after it is the oracle's to judge.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any, Final

import aiohttp

from realtime.web.tcp import AT_ONCE
from tests.resilience.stage import Stage
from tests.web.served import UPGRADE

STRANGE: Final = (
    "{",
    "[]",
    '{"type":"subscribe","nodes":["' + "*" * 500 + '"]}',
    '{"type":"subscribe","topics":["nope"]}',
    '{"type":"subscribe","since":"nobody-1"}',
    '{"type":"unsubscribe"}',
    '{"type":"ping"}',
    '{"type":7}',
    "x" * 70_000,
)
"""What no reader should say."""


Fault = Callable[[Stage, Random], Coroutine[Any, Any, None]]


# -- of the network


async def cut_everyone(stage: Stage, random: Random) -> None:
    """Everyone on a line loses the connection at once, and returns at once."""
    random.choice(stage.lines).cut()


async def cut_anywhere(stage: Stage, random: Random) -> None:
    """Connections are cut at random bytes."""
    line = random.choice(stage.lines)
    line.cut_after = lambda: random.randint(1, 20_000)
    line.cut()
    await asyncio.sleep(random.uniform(1, 4))
    line.cut_after = None
    line.cut()


async def delay(stage: Stage, random: Random) -> None:
    """Every byte comes late."""
    line = random.choice(stage.lines)
    line.delay_seconds = random.uniform(0.1, 2)
    await asyncio.sleep(random.uniform(1, 4))
    line.delay_seconds = 0.0


async def buffer(stage: Stage, random: Random) -> None:
    """Bytes come in heaps."""
    line = random.choice(stage.lines)
    line.block_bytes = random.randint(1_000, 20_000)
    await asyncio.sleep(random.uniform(1, 4))
    line.block_bytes = 1


async def lose(stage: Stage, random: Random) -> None:
    """Every byte is lost, and nobody is told."""
    line = random.choice(stage.lines)
    line.lost = True
    await asyncio.sleep(random.uniform(1, 8))
    line.lost = False
    line.cut()


async def flap(stage: Stage, random: Random) -> None:
    """A balancer sends the shaken server's readers to the steady one, and back."""
    (line, _), own = stage.lines, stage.shaken.port
    # Each polls at its own time, so one may be a scrape behind the other.
    stage.oracle.may_go_back = True
    line.target = stage.steady.port
    line.cut()
    await asyncio.sleep(random.uniform(0.2, 2))
    line.target = own
    line.cut()


# -- of the server


async def kill_server(stage: Stage, random: Random) -> None:
    """SIGKILL, and a start some time later."""
    stage.shaken.kill()
    await asyncio.sleep(random.uniform(0, 2))
    stage.shaken.start()
    await stage.shaken.until_ready()


async def restart_server(stage: Stage, random: Random) -> None:
    """SIGTERM, and a start at once."""
    del random
    stage.shaken.terminate()
    assert await stage.shaken.ended() == 0
    stage.shaken.start()
    await stage.shaken.until_ready()


async def suspend_server(stage: Stage, random: Random) -> None:
    """No processor for a while."""
    stage.shaken.suspend()
    await asyncio.sleep(random.uniform(0.2, 5))
    stage.shaken.go_on()


# -- of the source


async def kill_source(stage: Stage, random: Random) -> None:
    """The source dies with what it had not written, and returns: older samples may be its newest then."""
    stage.oracle.may_go_back = True
    await asyncio.to_thread(stage.source.kill)
    await asyncio.sleep(random.uniform(0, 3))
    await asyncio.to_thread(stage.source.start)


async def suspend_source(stage: Stage, random: Random) -> None:
    """The source takes connections and does not answer."""
    os.kill(stage.source.pid, signal.SIGSTOP)
    await asyncio.sleep(random.uniform(0.2, 5))
    os.kill(stage.source.pid, signal.SIGCONT)


async def fail_exporter(stage: Stage, random: Random) -> None:
    """Scrapes fail: every series ends at once."""
    stage.exporter.text = None
    await asyncio.sleep(random.uniform(0.5, 5))
    stage.exporter.text = ""


# -- of readers


async def churn(stage: Stage, random: Random) -> None:
    """Connections come and go in every way, a hundred at a time."""
    daemon = random.choice([stage.shaken, stage.steady])
    await asyncio.gather(*(_come_and_go(daemon.port, random.randint(0, 5)) for _ in range(100)))


async def _come_and_go(port: int, way: int) -> None:
    asked = (
        b"",
        b"GET /api/ws HT",
        b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n",
        UPGRADE,
        b"GET /api/changes?wait=20 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/nodes HTTP/1.1\r\nHost: x\r\n\r\n",
    )[way]
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        await asyncio.sleep(0.05)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        writer.transport.abort()


async def stall(stage: Stage, random: Random) -> None:
    """Readers of everything read nothing, until they are cut off."""
    async with _stalled(random.choice([stage.shaken, stage.steady]).port, 40):
        await asyncio.sleep(random.uniform(2, 8))


@asynccontextmanager
async def _stalled(port: int, number: int) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    sockets = []
    try:
        for _ in range(number):
            plain = socket.socket()
            sockets.append(plain)
            plain.setblocking(False)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            with suppress(OSError):
                await loop.sock_connect(plain, ("127.0.0.1", port))
                await loop.sock_sendall(plain, b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
        yield
    finally:
        for plain in sockets:
            plain.close()


async def speak_strangely(stage: Stage, random: Random) -> None:
    """Readers say what no reader should."""
    daemon = random.choice([stage.shaken, stage.steady])
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(_say(session, daemon.url, random.choices(STRANGE, k=8)) for _ in range(20)))


async def _say(session: aiohttp.ClientSession, url: str, words: list[str]) -> None:
    with suppress(aiohttp.ClientError, OSError):
        async with session.ws_connect(f"{url}/api/ws?topics=queues", max_msg_size=0) as connection:
            for word in words:
                await connection.send_str(word)
            with suppress(TimeoutError):
                while not connection.closed:
                    await connection.receive(timeout=0.5)


FAULTS: Final[tuple[Fault, ...]] = (
    cut_everyone,
    cut_anywhere,
    delay,
    buffer,
    lose,
    flap,
    kill_server,
    restart_server,
    suspend_server,
    kill_source,
    suspend_source,
    fail_exporter,
    churn,
    stall,
    speak_strangely,
)

SHAKING: Final = (kill_server, restart_server, suspend_server, flap)
"""Faults of the shaken server itself, of which one at a time is enough."""


def draw(random: Random) -> list[Fault]:
    """One to three faults that befall at once."""
    drawn = random.sample(FAULTS, random.randint(1, 3))
    shaking = [fault for fault in drawn if fault in SHAKING]
    sources = [fault for fault in drawn if fault in (kill_source, suspend_source)]
    return [fault for fault in drawn if fault not in shaking[1:] and fault not in sources[1:]]


async def befall(stage: Stage, random: Random, faults: list[Fault]) -> None:
    """Let them all happen, from now until the last is over."""
    async with asyncio.TaskGroup() as group:
        for fault in faults:
            group.create_task(fault(stage, random))
