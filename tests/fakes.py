"""Honest doubles: they keep what they are given, and fail where the real thing would."""

from collections.abc import Collection
from typing import Any, TypeVar

import orjson

from realtime.state.freshness import Instant
from realtime.state.grid import Grid
from realtime.stream.messages import Message

T = TypeVar("T")


class FakeClock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.set_by_ms = 0
        """How far somebody has set the wall clock."""

    def __call__(self) -> float:
        return self.seconds

    def now_ms(self) -> int:
        return 1_794_166_000_000 + round(self.seconds * 1000) + self.set_by_ms

    @property
    def instant(self) -> Instant:
        return Instant(self.now_ms(), self.seconds)


class FakeOutlet:
    """A connection whose kernel takes bytes only as far as `room` allows."""

    def __init__(self, room: float = float("inf")) -> None:
        self.room = room
        self.acknowledged = float("inf")
        """So much of it reaches the other side; of a peer that vanished, what had reached it by then."""
        self.written = 0
        self.messages: list[Message] = []
        self.ended: int | None = None
        self.aborted = False

    def send(self, message: Message) -> int:
        self.messages.append(message)
        self.written += len(message.frame)
        return self.unsent()

    def unsent(self) -> int:
        return int(max(0, self.written - self.room))

    def taken(self) -> int:
        return int(min(self.written, self.room, self.acknowledged))

    def owed(self) -> bool:
        return self.taken() < self.written

    def handed_over(self) -> int:
        return self.written

    def end(self, message: Message, code: int) -> None:
        self.send(message)
        self.ended = code

    def abort(self) -> None:
        self.aborted = True

    @property
    def heard(self) -> list[dict[str, Any]]:
        return [orjson.loads(message.json) for message in self.messages]

    def types(self) -> list[str]:
        return [message.type for message in self.messages]


class FakeSource:
    """A source whose next answers the test writes down; an exception is raised instead of returned."""

    def __init__(self) -> None:
        self.partial = False
        self.newest: int | Exception | None = None
        self.body: bytes | Exception = b""
        self.past: dict[str, list[float | None]] | Exception = {}
        self.fetches = 0
        self.probes = 0
        self.closed = False

    async def probe(self) -> int | None:
        self.probes += 1
        return await _give(self.newest)

    async def fetch(self) -> bytes:
        self.fetches += 1
        return await _give(self.body)

    async def history(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        past = await _give(self.past)
        return {field: past.get(field, [None] * grid.rows) for field in fields}

    async def groups(self) -> list[dict[str, str]]:
        return [{"cluster": "", "job": ""}]

    async def close(self) -> None:
        self.closed = True


async def _give(answer: T | Exception) -> T:
    if isinstance(answer, Exception):
        raise answer
    return answer
