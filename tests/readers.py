"""One reader a transport, all with the same verbs, each holding what it hears in a ClientModel.

`resume` drops the connection, as a network would, and comes back with the cursor; `REST` has no stream and asks again.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, Self

import aiohttp
import orjson

from tests import told
from tests.client import ClientModel


class Reader(ABC):
    """Reads one view of one server until it is stopped."""

    channel = "websocket"
    """Where in the AsyncAPI document its messages are."""
    entities: Literal["real", "invented", "unchecked"] = "real"
    """Whether what it hears is held to the documents; a test may have made the entities up, and a measurement has no time."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, view: Mapping[str, str] | None = None
    ) -> None:
        self.session = session
        self.url = url
        self.view = dict(view or {})
        self.client = ClientModel()
        self._task: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def resume(self) -> None:
        """Lose the connection and return where it was."""
        await self.__aexit__()
        await self.__aenter__()

    @abstractmethod
    async def _read(self) -> None: ...

    @property
    def query(self) -> dict[str, str]:
        return self.view | ({"since": self.client.cursor} if self.client.cursor else {})

    def hear(self, message: dict[str, Any]) -> None:
        self.check(message)
        self.client.hear(message)
        self._heard.set()

    def check(self, message: dict[str, Any]) -> None:
        if self.entities != "unchecked":
            told.frame(message, channel=self.channel, real=self.entities == "real")

    def failed(self) -> None:
        """Fail with what the reading failed with, if it did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def until(self, condition: Callable[[ClientModel], bool], seconds: float = 10) -> None:
        """Wait until what was heard fulfils the condition; fail loudly if the connection failed first."""
        async with asyncio.timeout(seconds):
            while not condition(self.client):
                assert self._task is not None
                self._heard.clear()
                heard = asyncio.create_task(self._heard.wait())
                await asyncio.wait({heard, self._task}, return_when=asyncio.FIRST_COMPLETED)
                heard.cancel()
                if self._task.done() and not condition(self.client):
                    self._task.result()
                    raise AssertionError(f"the stream ended; last heard: {self.client.heard[-1:]}")

    async def until_like_rest(self) -> dict[str, Any]:
        """Wait until the reader holds exactly what `/api/state` says, and return that."""
        async with asyncio.timeout(10):
            while True:
                async with self.session.get(f"{self.url}/api/state", params=self.view) as response:
                    said: dict[str, Any] = (await response.json())["state"]
                if canonical(said) == canonical(self.client.state):
                    return said
                heard = len(self.client.heard)
                with suppress(TimeoutError):
                    await self.until(lambda client: len(client.heard) > heard, 0.2)  # noqa: B023 — awaited in its turn


def canonical(value: Any) -> bytes:
    """The bytes of a JSON value, whatever the order of its members: true is not 1."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class WebSocketReader(Reader):
    compress = 0
    close_code: int | None = None
    """With which the last connection ended."""

    async def _read(self) -> None:
        async with self.session.ws_connect(
            f"{self.url}/api/ws", params=self.query, max_msg_size=0, compress=self.compress
        ) as socket:
            assert socket.compress == self.compress
            try:
                async for frame in socket:
                    self.hear(orjson.loads(frame.data))
            finally:
                self.close_code = socket.close_code


class CompressedReader(WebSocketReader):
    """Offers permessage-deflate."""

    compress = 15


class EventReader(Reader):
    """Server-sent events; returns as a browser's EventSource does, with `Last-Event-ID`."""

    channel = "events"

    async def _read(self) -> None:
        headers = {"Last-Event-ID": self.client.cursor} if self.client.cursor else {}
        async with self.session.get(
            f"{self.url}/api/events",
            params=self.view,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            response.raise_for_status()
            event: dict[str, str] = {}
            while line := await response.content.readuntil(b"\n"):
                name, _, text = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = text
                    continue
                if "data" in event:
                    message = orjson.loads(event["data"])
                    assert message["type"] == event["event"]
                    assert message.get("cursor") == event.get("id")
                    self.hear(message)
                event = {}


class LongPollReader(Reader):
    async def _read(self) -> None:
        while True:
            async with self.session.get(
                f"{self.url}/api/changes", params=self.query | {"wait": "5"}
            ) as response:
                response.raise_for_status()
                if response.status == 200:
                    self.hear(await response.json())


class RestReader(Reader):
    """Asks for the state again and again, and takes a 304 for an answer."""

    def check(self, message: dict[str, Any]) -> None:
        body = {name: value for name, value in message.items() if name != "type"}
        told.check("openapi", {"$ref": "#/components/schemas/ViewState"}, body, real=self.entities == "real")

    async def _read(self) -> None:
        tag = ""
        while True:
            async with self.session.get(
                f"{self.url}/api/state", params=self.view, headers={"If-None-Match": tag} if tag else {}
            ) as response:
                assert response.status in (200, 304)
                tag = response.headers["ETag"]
                if response.status == 200:
                    self.hear({"type": "snapshot", **await response.json()})
            await asyncio.sleep(0.01)


TRANSPORTS: tuple[type[Reader], ...] = (
    WebSocketReader,
    CompressedReader,
    EventReader,
    LongPollReader,
    RestReader,
)
