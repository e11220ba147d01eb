"""What readers are owed while their source fails: the last good state, its age in time, and the connection that they have; and when the source
answers again, what is true then.

    async with watching(daemon, oracle) as watch:
        victoria.kill()
        await watch.fails("POLL_FAILED", "down")
        victoria.start()
        await watch.recovers()
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.faulty import BODY_OF_A_FAILURE
from tests.readers import canonical
from tests.resilience.crowd import PATIENCE_SECONDS, VIEWS, Crowd, Returning, ReturningPolls, eventually
from tests.resilience.daemon import Daemon
from tests.resilience.oracle import Oracle

READERS: Final = 16
"""Each view over each transport."""

TOPICS: Final = ("nodes", "queues", "users", "summary")

SLACK_SECONDS: Final = 1.0
"""For a busy machine: this process hears all readers one after the other, beside running the source's lines."""

ASKED: Final = (
    "/api/health",
    "/api/clusters",
    "/api/state",
    "/api/changes?wait=0",
    "/api/nodes",
    "/api/jobs",
    "/api/queues",
    "/api/stats/cluster",
    "/api/screens",
    "/readyz",
    "/metrics",
)


class Watch:
    """A server and its readers, before, during and after a fault of the source."""

    def __init__(self, daemon: Daemon, crowd: Crowd, secrets: tuple[str, ...]) -> None:
        self.daemon = daemon
        self.crowd = crowd
        self.secrets = (BODY_OF_A_FAILURE, *secrets)
        """What nobody may be told, and no log may hold."""
        variables = daemon.variables
        self.in_time_seconds = SLACK_SECONDS + sum(
            float(variables[name])
            for name in ("STALE_AFTER_SECONDS", "HEARTBEAT_SECONDS", "SWEEP_INTERVAL_SECONDS")
        )
        self._least_pause_seconds = float(variables["BACKOFF_MAX_SECONDS"]) / 2

    async def fails(self, code: str, *qualities: str, ask: tuple[str, ...] = ASKED) -> None:
        """The source has just begun to fail: hold everyone to what is owed, until all were told one of the qualities."""
        began, noted = time.monotonic(), self._noted
        await self.until_named(code)
        held = {str(view): _entities(await self._state(view)) for view in VIEWS}
        await self.crowd.until(
            lambda reader: _entities(reader.client.state or {}) == held[str(reader.view)],
            "held what REST says",
        )
        cursors = {reader: reader.client.cursor for reader in self.crowd.readers}
        told = self.in_time_seconds - (time.monotonic() - began)
        await self.crowd.until(_knows_it_is_not_live, "was told that it is not live", max(0.0, told))
        await self.crowd.until_quality(*qualities)

        for view in VIEWS:
            assert _entities(await self._state(view)) == held[str(view)], view
        for reader, cursor in cursors.items():
            assert _entities(reader.client.state or {}) == held[str(reader.view)], str(reader)
            # What is said of the source itself moves the cursor of a view of everything.
            assert reader.client.cursor == cursor or "topics" not in reader.view, str(reader)
            self.assert_discreet(str(reader.client.state))
        self.assert_connected()
        for path in ask:
            await self._ask(path)
        # The first pauses are shorter than the longest one's least.
        bearable = 5 + (time.monotonic() - began) / self._least_pause_seconds
        assert self._noted - noted <= bearable, "it logs without back-off"
        self.crowd.assert_right()

    async def recovers(self) -> None:
        """The source answers again: everyone is live. That they hold what is new is seen in the end."""
        await self.crowd.until_quality("live")
        self.assert_connected()
        self.crowd.assert_right()

    def assert_discreet(self, text: str) -> None:
        """Fail if this tells what nobody may be told."""
        found = [secret for secret in self.secrets if secret in text]
        assert not found, (found, text[:1_000])

    async def until_named(self, code: str) -> None:
        """Wait until `/api/health` names the fault, discreetly."""
        await eventually(lambda: self._is_named(code), f"named {code}", 2 * self.in_time_seconds)

    async def _is_named(self, code: str) -> bool:
        async with self.crowd.session.get(f"{self.daemon.url}/api/health") as response:
            (cluster,) = (await response.json())["clusters"]
        named = [fault["detail"] for fault in cluster["faults"] if fault["code"] == code]
        for sentence in named:
            self.assert_discreet(sentence)
            assert not [part for part in ("://", "127.0.0.1", "localhost") if part in sentence], sentence
        return bool(named)

    async def _ask(self, path: str) -> None:
        async with self.crowd.session.get(f"{self.daemon.url}{path}") as response:
            self.assert_discreet(f"{response.headers} {await response.text()}")
            if "X-Data-Quality" in response.headers:
                assert response.headers["X-Data-Quality"] != "live", path

    async def _state(self, view: Mapping[str, str]) -> dict[str, Any]:
        async with self.crowd.session.get(f"{self.daemon.url}/api/state", params=view) as response:
            response.raise_for_status()
            state: dict[str, Any] = (await response.json())["state"]
            return state

    @property
    def _noted(self) -> int:
        """Lines that the server has logged for its operator."""
        return sum(line["level"] != "debug" for line in self.daemon.logged())

    def assert_connected(self) -> None:
        """Each reader has the connection that it came with."""
        dropped = [str(reader) for reader in self.crowd.readers if reader.connections != 1]
        assert not dropped, dropped[:5]


def _entities(state: Mapping[str, Any]) -> bytes:
    return canonical({topic: state[topic] for topic in TOPICS if topic in state})


def _knows_it_is_not_live(reader: Returning) -> bool:
    return isinstance(reader, ReturningPolls) or reader.client.quality != "live"


@asynccontextmanager
async def watching(daemon: Daemon, oracle: Oracle, *, secrets: tuple[str, ...] = ()) -> AsyncIterator[Watch]:
    """A crowd that knows, and is told that it is live; in the end it holds the truth, and the server's log has nothing to be ashamed of."""
    async with Crowd(daemon.url, oracle, readers=READERS) as crowd:
        watch = Watch(daemon, crowd, secrets)
        for reader in crowd.readers:
            if isinstance(reader, ReturningPolls):
                # Nothing changes for as long as the source fails.
                reader.patience_seconds = PATIENCE_SECONDS
        await crowd.until_all_know()
        await crowd.until_quality("live")
        yield watch
        assert await crowd.settle() == READERS
        watch.assert_connected()
    daemon.assert_quiet()
    watch.assert_discreet(daemon.log.read_text())
