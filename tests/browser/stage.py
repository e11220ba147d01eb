"""What a page stands on in these tests: a server whose truth the test publishes, which can be killed and come back on its port; and a
wire that can be cut, frozen, or as bad as some proxies are.
"""

import asyncio
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from playwright.async_api import ConsoleMessage, Page, Request, WebSocket
from yarl import URL

from realtime.state.freshness import Freshness
from realtime.state.view import TOPICS
from realtime.stream import messages
from realtime.stream.hub import Hub
from realtime.web.pages import PAGES, File, page
from tests.web.served import AGE_MS, Served, State, served, until

OUTAGE: Final = r"WebSocket connection to .* failed|Failed to load resource: (net::ERR_|the server responded with a status of 50[234])"
"""What a browser itself says of a network or server that is away; no page can keep it quiet."""

QUICK: Final = {"heartbeat_seconds": 2.0, "sweep_interval_seconds": 0.05, "retry_max_ms": 1_000}
"""Settings with which an outage is noticed and over in seconds. A page's watchdog barks after 2.5 heartbeats."""

BARE: Final = Path(__file__).with_name("bare.html")
"""A page with nothing in it, at `/bare` of a stage."""


class Stage:
    """One server at one address, through all its lives."""

    def __init__(self, clusters: Collection[str], settings: dict[str, Any]) -> None:
        self.clusters = clusters
        self.settings = QUICK | settings
        self.port = 0
        self.build = "abc"
        self.now: Served
        """The present life: `now.publish(state)`, `now.clock`, `now.get("/api/state")`, `now.listeners()`."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def hub(self) -> Hub:
        """The first cluster's."""
        return self.now.hub

    async def start(self, state: State | None = None, *, build: str | None = None) -> None:
        """Begin a life, with a new epoch and no memory; perhaps of another build."""
        self.build = build or self.build
        self.now = served(self.clusters, **self.settings)
        self.now.site.hello = messages.hello(
            server="0.1.0",
            build=self.build,
            heartbeat_seconds=self.settings["heartbeat_seconds"],
            clusters=list(self.clusters),
            topics=TOPICS,
        )
        # Served as the pages are, with their policy.
        self.now.app[PAGES]["/bare"] = File(BARE, for_ever=False)
        self.now.app.router.add_get("/bare", page)
        if state is not None:
            self.publish(state)
        await self.now.start(self.port)
        self.port = self.now.port

    def publish(self, state: State, cluster: str | None = None) -> None:
        """Make something true, as of `AGE_MS` ago."""
        self.now.publish(state, cluster)

    def change(self, topic: str, key: str, **fields: Any) -> None:
        """Set some fields of one entity of the first cluster; None removes a field."""
        state = {name: dict(self.hub.store.entities(name)) for name in TOPICS}
        entity = {**state[topic].get(key, {}), **fields}
        state[topic][key] = {name: value for name, value in entity.items() if value is not None}
        self.publish(state)

    async def truth(self, query: str = "") -> Any:
        """What `/api/state` says now: cursor, quality and state."""
        return (await self.now.get(f"/api/state{query}")).json

    # -- what may happen to the source

    def age(self, seconds: float, *, reachable: bool = True) -> None:
        """Let the newest sample be so old: stale, or `down` if the source does not even answer."""
        problem = "" if reachable else "the source did not answer"
        self.hub.freshen(
            Freshness(
                self.now.clock.ms - round(seconds * 1000),
                interval_ms=15_000,
                problem=problem,
                code="POLL_FAILED" if problem else "",
                reachable=reachable,
            )
        )

    def freshen(self) -> None:
        """The source is well again."""
        self.hub.freshen(Freshness(self.now.clock.ms - AGE_MS))

    # -- what may happen to the server

    async def kill(self) -> None:
        """Without a word, as a power cut does."""
        await self.now.hush()
        assert self.now.runner.server is not None
        for connection in list(self.now.runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await self.now.end()

    async def leave(self) -> None:
        """With `bye` to everyone, as a restart does."""
        await self.now.end()

    async def end(self) -> None:
        """The last life's end."""
        await self.now.end()

    async def watched(self, readers: int = 1) -> None:
        """Wait until so many readers are connected."""
        await until(lambda: len(self.now.listeners()) == readers)


class Wire:
    """A TCP proxy before a stage, and what networks and proxies do to a connection."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.port = 0
        self.refused: set[str] = set()
        """Paths whose requests are answered 502."""
        self.swallowed: set[str] = set()
        """Paths whose answers never come through, as with a proxy that buffers."""
        self.frozen = False
        """Whether all bytes vanish while connections stay open."""
        self._is_cut = False
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """Break every connection, and every new one at once."""
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Let everything through again; what was open stays as it is."""
        self._is_cut = False
        self.frozen = False
        self.refused.clear()
        self.swallowed.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            if self._is_cut:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.stage.port)
            self._writers.add(far)
            quiet = asyncio.Event()
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, far, quiet, back=writer))
                both.create_task(self._pass(far_reader, writer, quiet))
        except* (OSError, _EndError):
            pass  # as connections end
        finally:
            for each in (writer, far):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()
            self._tasks.discard(task)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        quiet: asyncio.Event,
        back: asyncio.StreamWriter | None = None,
    ) -> None:
        """Carry bytes one way until either side ends. Requests, which a browser sends in one piece each, are looked at."""
        while data := await reader.read(65_536):
            if self.frozen:
                continue
            if back is not None and (asked := re.match(rb"GET ([^? ]*)", data)):
                path = asked[1].decode()
                if path in self.refused:
                    back.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    await back.drain()
                    break
                if path in self.swallowed:
                    quiet.set()
            if back is not None or not quiet.is_set():
                writer.write(data)
                await writer.drain()
        raise _EndError


class _EndError(Exception):
    """One side has ended, and so the other shall."""


class Complaints:
    """What pages did that no page should: errors, warnings, requests to elsewhere, breaches of the policy."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """What matches is no complaint in this test."""
        self._expected.append(re.compile(pattern))

    @property
    def unexpected(self) -> list[str]:
        return [each for each in self.heard if not any(pattern.search(each) for pattern in self._expected)]

    def listen(self, page: Page) -> None:
        """Note everything that this page does from now on."""

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning", "assert"}:
                self.heard.append(f"console {message.type}: {message.text}")

        def asked(request: Request) -> None:
            if not request.is_navigation_request():
                self._judge(request.url, page.url)

        def opened(socket: WebSocket) -> None:
            self._judge(socket.url.replace("ws", "http", 1), page.url)

        page.on("console", said)
        page.on("pageerror", lambda error: self.heard.append(f"uncaught: {error}"))
        page.on("request", asked)
        page.on("websocket", opened)

    def _judge(self, url: str, page: str) -> None:
        own = False
        with suppress(ValueError):
            own = URL(url).origin() == URL(page).origin()
        if not own:
            self.heard.append(f"foreign request: {url[:200]}")


async def holds(page: Page, condition: str, seconds: float = 15) -> None:
    """Wait until a JavaScript expression is true in the page. (Playwright's own `wait_for_function` needs eval, which the policy forbids.)"""
    async with asyncio.timeout(seconds):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.02)
