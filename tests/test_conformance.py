"""One story, told over every transport and on both event loops: after any run of changes, every client holds what `/api/state` says."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import aiohttp
import pytest

from realtime.app import Server, serving
from realtime.config import Cluster, Settings
from realtime.loading import load
from realtime.source.source import Source
from realtime.state.view import TOPICS
from realtime.stream.hub import Hub
from tests.fakes import FakeSource
from tests.readers import TRANSPORTS, Reader

VIEWS: tuple[dict[str, str], ...] = (
    {},
    {"topics": "nodes"},
    {"topics": "queues,users"},
    {"topics": "nodes,summary", "nodes": "gn-0*,login"},
    {"nodes": "nothing-like-this"},
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on real sockets whose state the test writes; its source never says anything."""

    def silent(_: Cluster, __: Settings) -> Source:
        return FakeSource()

    settings = load(
        api_port=0, poll_interval_seconds=600, heartbeat_seconds=0.3, tombstones=5, compress_min_bytes=1
    )
    async with serving(settings, silent) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        yield client


@pytest.fixture(autouse=True)
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """These stories make their entities up."""
    monkeypatch.setattr(Reader, "entities", "invented")


class Story:
    """A seeded run of changes: nodes, queues and users come, change, lose fields, and go."""

    def __init__(self, hub: Hub, seed: int) -> None:
        self.hub = hub
        self.random = Random(seed)
        self.state: dict[str, dict[str, Any]] = {topic: {} for topic in TOPICS}
        self.at = 0

    def turn(self) -> None:
        """One publication of a few changes."""
        for _ in range(self.random.randint(1, 6)):
            topic = self.random.choice(["nodes", "nodes", "nodes", "queues", "users", "summary"])
            key = self.random.choice(["gn-01", "gn-02", "gn-10", "login", "ü<b>", "__proto__", 'q"\\\n'])
            entities = dict(self.state[topic])
            if self.random.random() < 0.3:
                entities.pop(key, None)
            else:
                entities[key] = self.entity()
            self.state[topic] = entities
        self.at += 1
        self.hub.publish(self.state, self.at)

    def entity(self) -> dict[str, Any]:
        values = [0, 1, True, False, -5, 0.5, "", "down", ["a", 1], [], 2**40, "ü"]
        return {
            field: self.random.choice(values)
            for field in self.random.sample("abcde", self.random.randint(0, 5))
        }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_client_holds_what_rest_says(
    server: Server, session: aiohttp.ClientSession, transport: type[Reader], seed: int
) -> None:
    """After any run of changes, with connections lost and resumed between them, every client holds what `/api/state` says."""
    story = Story(server.feeds["pbs"].hub, seed)
    story.turn()
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(transport(session, server.url, view)) for view in VIEWS]
        for _ in range(6):
            for _ in range(story.random.randint(1, 8)):
                story.turn()
            if story.random.random() < 0.5:
                await story.random.choice(readers).resume()
            reader = story.random.choice(readers)
            await reader.until_like_rest()

        states = [await reader.until_like_rest() for reader in readers]

    assert set(states[0]) == set(story.state)
    assert set(states[0]["nodes"]) == set(story.state["nodes"])
    assert states[4]["nodes"] == {}
    assert set(states[3]["nodes"]) == {
        name for name in story.state["nodes"] if name.startswith("gn-0") or name == "login"
    }


@pytest.mark.parametrize("transport", [reader for reader in TRANSPORTS if reader.__name__ != "RestReader"])
async def test_a_client_that_returns_gets_a_diff_and_no_snapshot(
    server: Server, session: aiohttp.ClientSession, transport: type[Reader]
) -> None:
    """A client that comes back with its cursor hears one diff of all that it missed."""
    hub = server.feeds["pbs"].hub
    hub.publish({"nodes": {"a": {"x": 0}, "b": {"ballast": "y" * 500}}}, 1)
    async with transport(session, server.url) as reader:
        await reader.until(lambda client: client.state is not None)
        await reader.__aexit__()
        for x in range(1, 10):
            hub.publish({"nodes": {"a": {"x": x}, "b": {"ballast": "y" * 500}}}, x)
        await reader.__aenter__()

        await reader.until(lambda client: bool(client.state and client.state["nodes"]["a"]["x"] == 9))

    assert (reader.client.count("snapshot"), reader.client.count("diff")) == (1, 1)


async def test_all_transports_give_the_same_bytes(server: Server, session: aiohttp.ClientSession) -> None:
    """Snapshot and diff are the same messages on WebSocket, SSE and long-poll, member for member."""
    hub = server.feeds["pbs"].hub
    hub.publish({"nodes": {"a": {"x": 0, "y": 1}}}, 1)
    heard = []
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(kind(session, server.url)) for kind in TRANSPORTS[:-1]]
        for reader in readers:
            await reader.until(lambda client: client.state is not None)
        hub.publish({"nodes": {"a": {"x": 1, "y": 1}}}, 2)
        for reader in readers:
            await reader.until(lambda client: client.count("diff") == 1)
            heard.append([m for m in reader.client.heard if m["type"] in ("snapshot", "diff")])

    assert heard[0] == heard[1] == heard[2]
    assert heard[0][1]["patch"] == {"nodes": {"a": {"x": 1}}}
