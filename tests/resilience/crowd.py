"""Readers that come back, as docs/protocol.md tells them to: with their cursor, when `bye` said, or a little later each time.

Whatever one of them hears, the oracle hears.
"""

import asyncio
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any, Final, Self

import aiohttp

from tests.readers import CompressedReader, EventReader, LongPollReader, Reader, WebSocketReader, canonical
from tests.resilience.oracle import Oracle, Standing

VIEWS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"topics": "summary,nodes"},
    {"topics": "nodes", "nodes": "gn-0*"},
    {"topics": "queues,users"},
)

PATIENCE_SECONDS: Final = 40.0
"""By then a crowd is back and current, whatever happened: the source's longest fault and a back-off."""

SILENCE_SECONDS: Final = 5.0
"""Ten heartbeats of these tests, and as long as a long-poll waits: docs/protocol.md's two and a half would be a hasty measure of a busy machine."""

BACK_OFF_SECONDS: Final = (0.02, 0.5)
"""From a first failure to the longest wait."""


class Returning(Reader):
    """A reader that comes back until it is stopped."""

    entities = "unchecked"

    def __init__(
        self, session: aiohttp.ClientSession, url: str, view: Mapping[str, str], oracle: Oracle, seed: int
    ) -> None:
        super().__init__(session, url, view)
        self.standing = Standing()
        self.connections = 0
        self.byes: list[dict[str, Any]] = []
        self.close_codes: Counter[int | None] = Counter()
        self.late_ms: list[float] = []
        """How long after its publication it heard each diff; a test empties it."""
        self.patience_seconds = SILENCE_SECONDS
        """After so long without a word a stream is dead, whatever TCP says."""
        self.at_news: Callable[[], None] = lambda: None
        """To be done when a diff is heard: the crowd's."""
        self._oracle = oracle
        self._random = Random(seed)

    def hear(self, message: dict[str, Any]) -> None:
        super().hear(message)
        self._heard_at = time.monotonic()
        # A crowd hears millions.
        self.client.heard.clear()
        if message["type"] == "bye":
            self.byes.append(message)
        elif message["type"] == "diff":
            self.late_ms.append(time.time() * 1000 - message["at"])
            self.at_news()
        self._oracle.hear(self.view, self.standing, message, self.client)

    def __str__(self) -> str:
        return f"{type(self).__name__} of {self.view}, {self.connections} connections, at {self.standing}"

    async def _read(self) -> None:
        failures = 0
        while True:
            self.connections += 1
            byes, cursor = len(self.byes), self.client.cursor
            with suppress(aiohttp.ClientError, OSError):
                await self._while_it_speaks()
            failures = 0 if self.client.cursor != cursor else failures + 1
            least, most = BACK_OFF_SECONDS
            wait = self._random.uniform(least, min(most, least * 2.0 ** min(failures, 16)))
            if len(self.byes) > byes:
                wait = self.byes[-1]["retryMs"] / 1000
            await asyncio.sleep(wait)

    async def _while_it_speaks(self) -> None:
        """Read until the connection ends, or is silent for too long."""
        self._heard_at = time.monotonic()
        connection = asyncio.create_task(self.connect())
        try:
            while not connection.done():
                left = self._heard_at + self.patience_seconds - time.monotonic()
                if left <= 0:
                    return
                await asyncio.wait({connection}, timeout=left)
            connection.result()
        finally:
            connection.cancel()
            with suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                await connection

    @abstractmethod
    async def connect(self) -> None:
        """Read until the connection ends."""


class ReturningSocket(Returning, WebSocketReader):
    async def connect(self) -> None:
        self.close_code = None
        try:
            await WebSocketReader._read(self)
        finally:
            self.close_codes[self.close_code] += 1


class ReturningCompressed(Returning, CompressedReader):
    async def connect(self) -> None:
        await CompressedReader._read(self)


class ReturningEvents(Returning, EventReader):
    async def connect(self) -> None:
        await EventReader._read(self)


class ReturningPolls(Returning, LongPollReader):
    async def connect(self) -> None:
        await LongPollReader._read(self)


KINDS: Final[tuple[type[Returning], ...]] = (
    ReturningSocket,
    ReturningEvents,
    ReturningCompressed,
    ReturningPolls,
)


class Crowd:
    """Many readers of every view over every transport."""

    def __init__(
        self,
        url: str,
        oracle: Oracle,
        *,
        readers: int,
        seed: int = 1,
        kinds: Iterable[type[Returning]] = KINDS,
        via: Iterable[str] = (),
    ) -> None:
        """`via` are addresses of lines that lead to the server, if not everyone asks it at its own."""
        self.url = url
        self.oracle = oracle
        self.readers: list[Returning] = []
        self._number = readers
        self._seed = seed
        self._kinds = tuple(kinds)
        self._via = tuple(via) or (url,)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                read_bufsize=2**20,
            )
        )
        for number in range(self._number):
            kind = self._kinds[number % len(self._kinds)]
            view = VIEWS[number // len(self._kinds) % len(VIEWS)]
            reader = kind(
                self.session, self._via[number % len(self._via)], view, self.oracle, self._seed + number
            )
            self.readers.append(await self._stack.enter_async_context(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # -- what they hold

    async def until(
        self, condition: Callable[[Returning], bool], what: str, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until it is true of every reader; fails naming those of whom it is not."""
        deadline = time.monotonic() + seconds
        while waited_for := [reader for reader in self.readers if not condition(reader)]:
            for reader in self.readers:
                reader.failed()
            assert time.monotonic() < deadline, (
                f"{len(waited_for)} of {len(self.readers)} never {what}: {[str(each) for each in waited_for[:5]]}"
            )
            await asyncio.sleep(0.02)

    async def at_next_diff(self, do: Callable[[], None]) -> None:
        """Do this as soon as anybody hears a diff, before another hears it: the server is telling others."""
        heard = asyncio.get_running_loop().create_future()

        def once() -> None:
            if not heard.done():
                do()
                heard.set_result(None)

        for reader in self.readers:
            reader.at_news = once
        async with asyncio.timeout(PATIENCE_SECONDS):
            await heard

    async def until_all_know(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everyone holds a scrape."""
        await self.until(lambda reader: reader.standing.scrape > 0, "held a scrape", seconds)

    async def until_newer(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everyone holds a scrape that was told after now."""
        scrape = self.oracle.exporter.scrape
        await self.until(
            lambda reader: reader.standing.scrape > scrape, f"heard of a scrape after {scrape}", seconds
        )

    async def until_connections(self, number: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many connections were made."""
        await self.until(lambda _: self.connections >= number, f"made {number} connections", seconds)

    async def until_quality(self, *qualities: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everyone who can hear of it was told one of these."""
        await self.until(
            lambda reader: reader.client.quality in qualities or isinstance(reader, LongPollReader),
            f"were told {qualities}",
            seconds,
        )

    async def until_broken_off(self) -> None:
        """Wait until everyone has heard all that was sent on the connection of now, and found it broken."""
        made = {reader: reader.connections for reader in self.readers}
        await self.until(lambda reader: reader.connections > made[reader], "noticed that it is broken")

    async def settle(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Let the source stand still, and wait until everyone holds exactly its last scrape and what REST says; how many readers do.

        Fails if anything was ever wrong.
        """
        exporter = self.oracle.exporter
        exporter.frozen = True
        scrape = exporter.scrape
        await self.until(lambda reader: reader.standing.scrape == scrape, f"came to scrape {scrape}", seconds)

        async def all_agree() -> bool:
            return bool(self.oracle.wrong) or all([await self._agree(view) for view in VIEWS])

        await eventually(all_agree, "held what REST says, byte for byte", seconds)
        self.assert_right()
        exporter.frozen = False
        return len(self.readers)

    async def _agree(self, view: Mapping[str, str]) -> bool:
        """Whether all readers of a view hold, byte for byte, what REST says of it."""
        async with self.session.get(f"{self.url}/api/state", params=view) as response:
            response.raise_for_status()
            said = await response.json()
        self.oracle.scrape_at(view, said["cursor"], said["state"])
        return all(
            canonical(reader.client.state) == canonical(said["state"])
            for reader in self.readers
            if reader.view == view
        )

    def assert_right(self) -> None:
        """Fail if anything that anyone held was wrong."""
        assert not self.oracle.wrong, self.oracle.wrong[:5]

    @property
    def connections(self) -> int:
        """Made so far."""
        return sum(reader.connections for reader in self.readers)


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"never {what}"
        await asyncio.sleep(0.05)
