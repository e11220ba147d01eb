"""Who is measured: this server as an operator runs it, the floor, and the peers, each a process of its own, pinned to the server's core."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.load import OURS
from tests.bench.machine import cores, program
from tests.command import serving
from tests.upstream import free_port

ROOT: Final = Path(__file__).parents[2]

PATIENCE_SECONDS: Final = 20.0

DEMO: Final = ("demo", "--nodes", "46", "--pace", "0.1")
"""The simulated cluster with a tenth of its nodes changing at each poll: its diffs of everything are about 1.2 KB."""

UNLIMITED: Final = {
    "MAX_CONNECTIONS": "100000",
    "MAX_CONNECTIONS_PER_IP": "100000",
    "MAX_NEW_CONNECTIONS_PER_SECOND": "100000",
}
"""All of a bench's readers have one address."""


class Up(NamedTuple):
    """A server that listens."""

    pid: int
    port: int


class Contender(NamedTuple):
    """A server to measure, and how its readers ask."""

    name: str
    loop: str
    """`asyncio`, `uvloop`, or C."""
    transport: str
    """`ws` or `sse`."""
    module: str = ""
    """Of `tests.bench.peers`; none for this server, and for the floor."""
    path: str = "/"
    options: tuple[str, ...] = ()
    """For load."""

    @property
    def is_ours(self) -> bool:
        return self.options == OURS

    @contextmanager
    def up(self, hz: float, size: int) -> Iterator[Up]:
        """Run it, with a message of `size` bytes `hz` times a second; this server's messages have the size that they have."""
        if self.is_ours:
            with (
                tempfile.TemporaryDirectory() as folder,
                serving(
                    *DEMO,
                    folder=Path(folder),
                    API_HOST="127.0.0.1",
                    API_PORT="0",
                    LOG_LEVEL="info",
                    POLL_INTERVAL_SECONDS=str(1 / hz),
                    EVENT_LOOP=self.loop,
                    **UNLIMITED,
                ) as server,
            ):
                os.sched_setaffinity(server.process.pid, cores()[0])
                yield Up(server.process.pid, int(server.url.rpartition(":")[2]))
            return
        port = free_port()
        arguments = [str(port), str(hz), str(size)]
        command = (
            [sys.executable, "-m", f"tests.bench.peers.{self.module}", *arguments, self.loop]
            if self.module
            else [str(program("floor")), *arguments]
        )
        with subprocess.Popen(command, cwd=ROOT) as process:
            os.sched_setaffinity(process.pid, cores()[0])
            try:
                _await_listening(port, process)
                yield Up(process.pid, port)
            finally:
                process.kill()


FLOOR: Final = Contender("floor", "C", "ws")

OUR_WEBSOCKET: Final = Contender("this server", "asyncio", "ws", path="/api/ws", options=OURS)
OUR_EVENTS: Final = Contender("this server", "asyncio", "sse", path="/api/events", options=OURS)
FRAMED: Final = Contender("aiohttp, pre-framed", "asyncio", "ws", "aiohttp_framed")
SEND_STR: Final = Contender("aiohttp, send_str loop", "asyncio", "ws", "aiohttp_loop")

CONTENDERS: Final = (
    OUR_WEBSOCKET,
    OUR_WEBSOCKET._replace(loop="uvloop"),
    OUR_EVENTS,
    OUR_EVENTS._replace(loop="uvloop"),
    FRAMED,
    FRAMED._replace(loop="uvloop"),
    Contender("aiohttp, pre-framed", "asyncio", "sse", "aiohttp_events"),
    Contender("picows, send", "uvloop", "ws", "picows_send"),
    Contender("websockets, broadcast", "uvloop", "ws", "websockets_broadcast"),
    SEND_STR,
    Contender("aiohttp-sse, send loop", "asyncio", "sse", "aiohttp_sse_send"),
    Contender("sse-starlette", "uvloop", "sse", "starlette_sse"),
    Contender(
        "python-socketio, emit",
        "uvloop",
        "ws",
        "socketio_emit",
        "/socket.io/?EIO=4&transport=websocket",
        ("-w", "40"),
    ),
)
"""Besides the floor, in the order in which they are told."""


def _await_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process takes connections."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"bench: {process.args!r} does not listen; are the peers installed? pip install -e '.[bench]'")
