"""Everyone drops the connection and returns at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from realtime.app import Server, serving
from realtime.config import Cluster, Settings
from realtime.loading import load
from realtime.source.source import Source
from realtime.state.store import Store
from realtime.state.view import View
from tests.fakes import FakeSource
from tests.readers import EventReader, Reader, WebSocketReader
from tests.web.served import node

VIEWS: tuple[dict[str, str], ...] = ({}, {"topics": "nodes"}, {"nodes": "gn-1*"})
READERS = 60
ALIEN = "feedbeef-7"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server on real sockets whose state the test writes; its source never says anything."""

    def silent(_: Cluster, __: Settings) -> Source:
        return FakeSource()

    async with serving(load(api_port=0, poll_interval_seconds=600), silent) as running:
        yield running


class Joined:
    """Counts how often the store joins each snapshot, and each diff from a revision."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.snapshots = Counter[Hashable]()
        self.diffs = Counter[Hashable]()
        snapshot, changes_since = Store.snapshot, Store.changes_since

        def counted_snapshot(store: Store, view: View) -> bytes:
            self.snapshots[store.cursor, view] += 1
            return snapshot(store, view)

        def counted_changes(store: Store, revision: int, view: View) -> bytes | None:
            self.diffs[store.cursor, view, revision] += 1
            return changes_since(store, revision, view)

        monkeypatch.setattr(Store, "snapshot", counted_snapshot)
        monkeypatch.setattr(Store, "changes_since", counted_changes)


class Changing:
    """A state that changes a little at each publication; more of it never changes, so that no diff outgrows the snapshot."""

    def __init__(self, server: Server) -> None:
        self.hub = server.feeds["pbs"].hub
        self.nodes = {f"gn-{number:02}": node(f"gn-{number:02}") for number in range(46)}
        self.turn = 0

    def change(self) -> None:
        self.turn += 1
        name = f"gn-{self.turn % 12:02}"
        self.nodes = self.nodes | {name: self.nodes[name] | {"jobCount": self.turn}}
        self.hub.publish({"nodes": self.nodes}, self.turn)

    async def go_on(self) -> None:
        """Change until cancelled, each time after the readers had a turn."""
        while True:
            self.change()
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("cursor", ["their own", ALIEN])
@pytest.mark.parametrize("transport", [WebSocketReader, EventReader])
async def test_nothing_is_made_twice_for_those_who_return(
    server: Server, monkeypatch: pytest.MonkeyPatch, transport: type[Reader], cursor: str
) -> None:
    """When all readers return at once, while publications go on, no snapshot is built more than once per view and revision, and no diff more
    than once per place where they stood; with cursors of their own they are told no snapshot at all.
    """
    state = Changing(server)
    state.change()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        AsyncExitStack() as stack,
    ):
        readers = [
            await stack.enter_async_context(transport(session, server.url, VIEWS[number % len(VIEWS)]))
            for number in range(READERS)
        ]
        for reader in readers:
            await reader.until(lambda client: client.state is not None)
        await asyncio.gather(*(reader.__aexit__() for reader in readers))
        for _ in range(3):
            state.change()
        if cursor == ALIEN:
            for reader in readers:
                reader.client.cursor = ALIEN
        joined = Joined(monkeypatch)
        going_on = asyncio.create_task(state.go_on())
        heard = [len(reader.client.heard) for reader in readers]

        await asyncio.gather(*(reader.__aenter__() for reader in readers))
        for before, reader in zip(heard, readers, strict=True):
            await reader.until(
                lambda client, before=before: any(  # type: ignore[misc]
                    message["type"] in ("snapshot", "diff") for message in client.heard[before:]
                )
            )
        going_on.cancel()
        snapshots, diffs = joined.snapshots.copy(), joined.diffs.copy()
        for reader in readers:
            await reader.until_like_rest()

    assert max(snapshots.values(), default=0) <= 1
    assert max(diffs.values(), default=0) <= 1
    told = {reader.client.count("snapshot") for reader in readers}
    assert told == ({2} if cursor == ALIEN else {1})
