"""A real server on a real socket whose truth the test publishes by hand, and the ways in which the world reads it."""

import asyncio
import itertools
import socket as sockets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp
import orjson
import pytest
from multidict import CIMultiDictProxy
from yarl import URL

from realtime.config import Settings
from realtime.pbs.assemble import Assembler
from realtime.source.exposition import Exposition
from realtime.state.freshness import Freshness
from realtime.state.grid import Grid
from realtime.state.store import Store
from realtime.state.view import TOPICS
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.stream.subscriber import Outlet, Subscriber
from realtime.web.accepting import Accepting
from realtime.web.certificate import tls
from realtime.web.listening import Runner
from realtime.web.routes import application
from realtime.web.site import Site
from tests import told
from tests.steps import finish

T = TypeVar("T")

DATA = Path(__file__).parents[1] / "data"
NOW = 1_794_166_412_000
AGE_MS = 4_100
UPGRADE = (
    b"GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
"""A WebSocket's handshake, by hand."""
PATIENCE_SECONDS = 10
"""After so long a test that waits has failed."""

State = Mapping[str, Mapping[str, Mapping[str, Any]]]


def node(name: str, state: str = "free", **fields: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "state": state, "jobCount": 0, **fields}


def small_state() -> dict[str, dict[str, dict[str, Any]]]:
    """Three nodes, two queues, two users; every other topic is empty."""
    return {topic: {} for topic in TOPICS} | {
        "summary": {"jobs": {"total": 3, "running": 2, "queued": 1, "held": 0}},
        "nodes": {
            "hopper-01": node("hopper-01", "busy", jobCount=2, totalGpus=8, usedGpus=8),
            "hopper-02": node("hopper-02", totalGpus=8, usedGpus=0),
            "gn-1": node("gn-1", "down", totalGpus=4, usedGpus=0),
        },
        "queues": {
            "small": {"name": "small", "runningJobs": 2, "queuedJobs": 0, "totalJobs": 2},
            "large": {"name": "large", "runningJobs": 0, "queuedJobs": 1, "totalJobs": 1},
        },
        "users": {
            "ann": {"name": "ann", "runningJobs": 1},
            "bob": {"name": "bob", "runningJobs": 1},
        },
        "source": {"pbs": {"dialect": "exporter", "decidedBy": "code", "main": True}},
    }


def real_state() -> dict[str, dict[str, dict[str, Any]]]:
    """What a real exporter said three minutes before the old backend's answers in data/reference were recorded."""
    text = (DATA / "metrics" / "at-1795366406.txt").read_bytes()
    reading = finish(Exposition().read(text, 1_795_366_406_000))
    state = finish(Assembler().assemble(reading.changed, reading.gone, 1_795_366_406_000))
    assert state is not None
    return state


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition that another task makes true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


class Clock:
    """A wall clock that stands until it is moved."""

    def __init__(self, ms: int = NOW) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


class Stopwatch:
    """The hubs' measure of time that passes: real time, and what the test skips."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.skipped


class FakeHistory:
    """A source's past: counts up from 1 in every field, notes who asks, and may be held back or fail."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], Grid]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.gaps: set[int] = set()

    async def __call__(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        self.asked.append((tuple(fields), grid))
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return {
            field: [None if row in self.gaps else float(row + 1) for row in range(grid.rows)]
            for field in fields
        }


class Answer(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def tag(self) -> str:
        return self.headers["ETag"]


class Socket:
    """A WebSocket's reading side."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self.connection = connection

    async def next(self) -> dict[str, Any]:
        """The next message; fails if the connection closes instead."""
        message: dict[str, Any] = await self.connection.receive_json(timeout=PATIENCE_SECONDS)
        told.frame(message)
        return message

    async def take(self, *types: str) -> list[dict[str, Any]]:
        """The next messages, which must be of these types; heartbeats between them may come at any time."""
        heard = []
        for kind in types:
            message = await self.next()
            while message["type"] == "heartbeat" != kind:
                message = await self.next()
            assert message["type"] == kind, message
            heard.append(message)
        return heard

    async def say(self, **command: Any) -> None:
        await self.connection.send_json(command)

    async def closed(self) -> int | None:
        """The code with which the server closes, as the next thing that it does."""
        message = await self.connection.receive(timeout=PATIENCE_SECONDS)
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return self.connection.close_code


class Event(NamedTuple):
    """One server-sent event: its fields as they stood, and its message."""

    fields: dict[str, str]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = orjson.loads(self.fields["data"])
        return message


class Events:
    """A stream of server-sent events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Event | None:
        """The next event, `retry` lines included; None at the stream's proper end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            block = await self.response.content.readuntil(b"\n\n")
        if not block:
            return None
        lines = block.decode().removesuffix("\n\n").split("\n")
        event = Event(dict(line.split(": ", 1) for line in lines))
        if "data" in event.fields:
            told.frame(event.message, channel="events")
        return event

    async def take(self, *types: str) -> list[dict[str, Any]]:
        """The next messages, which must be of these types; heartbeats between them may come at any time."""
        heard = []
        for kind in types:
            event = await self.next()
            while event and event.fields["event"] == "heartbeat" != kind:
                event = await self.next()
            assert event is not None, f"the stream ended before {kind}"
            assert event.fields["event"] == event.message["type"] == kind
            heard.append(event.message)
        return heard


class Raw(NamedTuple):
    """A connection byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(end)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read()

    async def reset(self) -> None:
        """Read until the other side resets the connection; fails if it ends properly instead."""
        with pytest.raises(ConnectionResetError):
            await self.rest()


class Served:
    """A running server."""

    def __init__(
        self, site: Site, clock: Clock, stopwatch: Stopwatch, histories: dict[str, FakeHistory]
    ) -> None:
        self.site = site
        self.clock = clock
        self.stopwatch = stopwatch
        self.histories = histories
        self.app = application(site)
        # As app.py makes it.
        self.runner = Runner(self.app)
        self.session: aiohttp.ClientSession
        self.trust: ssl.SSLContext | None = None
        """What its certificate is checked with, where it has one."""
        self.port = 0
        self._hubs_at_work: list[asyncio.Task[None]] = []

    async def start(self, port: int = 0) -> None:
        """Listen, at a port of the system's choice unless one is named."""
        await self.runner.setup()
        context = tls(self.site.settings)
        if context is not None:
            self.trust = ssl.create_default_context(cafile=self.site.settings.tls_cert)
        await Accepting(self.runner, "127.0.0.1", port, ssl_context=context).start()
        self.port = self.runner.addresses[0][1]
        self._hubs_at_work = [asyncio.create_task(hub.run()) for hub in self.site.hubs.values()]
        self.session = aiohttp.ClientSession(
            self.url("/"),
            connector=aiohttp.TCPConnector(limit=0, ssl=self.trust or True),
            read_bufsize=2**25,
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        )

    async def stop(self) -> None:
        """As app.py does it: the hubs stop telling, then the door closes."""
        await self.hush()
        await self.runner.cleanup()

    async def hush(self) -> None:
        """The hubs stop telling."""
        for task in self._hubs_at_work:
            task.cancel()
        for result in await asyncio.gather(*self._hubs_at_work, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result
        self._hubs_at_work = []

    async def end(self) -> None:
        await self.stop()
        await self.session.close()

    # -- what is true

    @property
    def hub(self) -> Hub:
        """The first cluster's."""
        return next(iter(self.site.hubs.values()))

    @property
    def history(self) -> FakeHistory:
        """The first cluster's."""
        return self.histories[self.hub.name]

    @property
    def cursor(self) -> str:
        return str(self.hub.store.cursor)

    def publish(self, state: State, cluster: str | None = None) -> None:
        """Make something true, as of `AGE_MS` ago."""
        hub = self.site.hub(cluster)
        hub.freshen(Freshness(self.clock.ms - AGE_MS))
        hub.publish(state, self.clock.ms)

    def listeners(self) -> list[Subscriber]:
        """Everyone who is subscribed to anything."""
        return [subscriber for hub in self.site.hubs.values() for subscriber in hub.subscribers()]

    def connections(self) -> int:
        """How many are open."""
        return len(self.runner.server.connections) if self.runner.server else 0

    async def cut_off(self, outlet: Outlet) -> None:
        """Let time pass until the sweeper has cut off a reader that takes nothing."""

        def gone() -> bool:
            self.stopwatch.skipped += self.site.settings.slow_reader_timeout_seconds
            return all(subscriber.outlet is not outlet for subscriber in self.listeners())

        await until(gone)

    # -- who reads it

    def url(self, path: str) -> URL:
        return URL(f"{'https' if self.trust else 'http'}://127.0.0.1:{self.port}{path}", encoded=True)

    async def ask(self, method: str, path: str, **headers: str) -> Answer:
        """A request; `If_None_Match="…"` becomes a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, self.url(path), headers=named, allow_redirects=False
        ) as response:
            answer = Answer(response.status, response.headers, await response.read())
        told.body(method, path, answer.status, answer.headers.get("Content-Type", ""), answer.body)
        return answer

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)

    @asynccontextmanager
    async def socket(self, query: str = "", **headers: str) -> AsyncIterator[Socket]:
        async with self.session.ws_connect(
            self.url(f"/api/ws{query}"), headers=headers, max_msg_size=2**26
        ) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def events(self, query: str = "", **headers: str) -> AsyncIterator[Events]:
        """An event stream behind its `retry` line."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.url(f"/api/events{query}"), headers=named) as response:
            assert response.status == 200, await response.text()
            stream = Events(response)
            first = await stream.next()
            assert first is not None
            assert list(first.fields) == ["retry"]
            yield stream

    @asynccontextmanager
    async def raw(self, request: bytes = b"", *, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
        """A connection byte by byte, encrypted where the server wants that, on which `request` was sent; `receive_buffer` makes the kernel's small."""
        plain = sockets.socket()
        plain.setblocking(False)
        if receive_buffer:
            plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.port))
        except OSError:
            plain.close()
            raise
        reader, writer = await asyncio.open_connection(
            sock=plain, ssl=self.trust, server_hostname="127.0.0.1" if self.trust else None
        )
        try:
            writer.write(request)
            yield Raw(reader, writer)
        finally:
            writer.transport.abort()


_epochs = itertools.count(1)


def served(clusters: Collection[str] = ("hopper",), **settings: Any) -> Served:
    """A server that is not yet up, over one hub a cluster."""
    clock, stopwatch = Clock(), Stopwatch()
    config = Settings(**{"_env_file": None, "cors_origin": ("https://page.example",), **settings})
    hubs = {
        name: Hub(
            name,
            Store(f"epoch{next(_epochs)}", TOPICS, tombstones=config.tombstones),
            config,
            now_ms=clock,
            clock=stopwatch,
        )
        for name in clusters
    }
    histories = {name: FakeHistory() for name in clusters}
    hello = messages.hello(
        server="0.1.0",
        build="abc",
        heartbeat_seconds=config.heartbeat_seconds,
        clusters=list(clusters),
        topics=TOPICS,
    )
    site = Site(config, hubs, dict(histories), hello, "0.1.0")
    return Served(site, clock, stopwatch, histories)


Serve = Callable[..., Awaitable[Served]]
"""`await serve(clusters=("a", "b"), heartbeat_seconds=0.1)`"""
