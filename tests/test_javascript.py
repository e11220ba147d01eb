"""The JavaScript client beside the store: whatever is published, lost, repeated and resumed, it holds what the store held at its cursor."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import json_merge_patch
import orjson
import pytest
from hypothesis import given, settings, strategies as st

import realtime
from realtime.config import Settings
from realtime.state.cursor import Cursor
from realtime.state.freshness import Freshness
from realtime.state.store import Store, same
from realtime.state.view import View
from realtime.stream.hub import Hub
from realtime.web.asked import cursor_of
from tests.fakes import FakeClock, FakeOutlet
from tests.node import asking

SCRIPT: Final = Path(realtime.__file__).parent / "dashboard" / "test" / "listener.js"

TOPICS: Final = ("summary", "nodes")
VIEW: Final = View(TOPICS, ("n*", "_*", "大*"))

Ask = Callable[..., Any]
State = dict[str, dict[str, dict[str, Any]]]

names: Final = st.sampled_from(["n1", "n2", "gn-1", "__proto__", "0", "大堂"])
fields: Final = st.sampled_from(["used", "state", "tags", "__proto__", "constructor"])
numbers: Final = st.sampled_from([0, 1, -3, 0.5, 2**53 - 1, 1e300])
scalars: Final = st.one_of(st.just(value=True), numbers, st.text(max_size=3))
lists: Final = st.lists(st.one_of(scalars, st.dictionaries(fields, scalars, max_size=2)), max_size=3)
entities: Final = st.dictionaries(fields, st.one_of(scalars, lists), max_size=3)
states: Final = st.fixed_dictionaries(
    {topic: st.dictionaries(names, entities, max_size=4) for topic in TOPICS}
)

happenings: Final = st.one_of(
    states, states, st.sampled_from(["deliver", "deliver", "lose", "repeat", "reopen", "restart", "beat"])
)
"""What is published, or what becomes of what was said."""


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """One process for all."""
    with asking(SCRIPT) as found:
        yield found


class Life:
    """A server, the way from it to the client, and all that ever was true."""

    def __init__(self, ask: Ask, transport: str, tombstones: int) -> None:
        self.ask = ask
        self.truths: dict[str, State] = {}
        self.way: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []
        self._tombstones = tombstones
        self._clock = FakeClock()
        self._epochs = iter("abcdefghijklmnopqrstuvwxyz")
        self.restart()
        self.connect(ask("connect", transport=transport)["since"])

    def restart(self) -> None:
        store = Store(f"epoch{next(self._epochs)}", TOPICS, tombstones=self._tombstones)
        self.hub = Hub(
            "hopper", store, Settings.model_construct(), now_ms=self._clock.now_ms, clock=self._clock
        )

    def connect(self, since: str | None) -> None:
        """Serve another connection; what was on the way of the one before is gone."""
        self.reader = self.hub.subscribe(VIEW, cursor_of(since), FakeOutlet())
        self.way = []
        self.take_up()

    def take_up(self) -> None:
        outlet = self.reader.outlet
        assert isinstance(outlet, FakeOutlet)
        self.way += outlet.heard
        outlet.messages.clear()

    def publish(self, state: State) -> None:
        self._clock.seconds += 5
        self.hub.freshen(Freshness(self._clock.now_ms() - 1_000))
        self.hub.publish(state, self._clock.now_ms())
        cursor, shown = self.hub.edition(VIEW).cursor, orjson.loads(self.hub.store.snapshot(VIEW))
        self.truths[str(cursor)] = shown
        self.reader.catch_up(self._clock())
        self.take_up()

    def beat(self) -> None:
        self.reader.beat(self._clock(), self._clock.now_ms(), self.hub.quality, self.hub.data_age_ms)
        self.take_up()

    def hear(self, messages: list[dict[str, Any]]) -> None:
        """The client hears them one by one, and holds what follows from each."""
        for message in messages:
            before = self.ask("state")
            after = self.ask("hear", messages=[message])
            if message["type"] == "diff" and before["open"] and message["from"] == before["cursor"]:
                assert after["cursor"] == message["cursor"]
                assert same(
                    json_merge_patch.merge(deepcopy(before["state"]), message["patch"]), after["state"]
                )
            self.judge(after)
            if not after["open"]:
                self.connect(self.ask("reopen")["since"])
                return

    def judge(self, held: dict[str, Any]) -> None:
        truth = self.truths[held["cursor"]] if held["cursor"] else {}
        assert same(held["state"], truth)

    def happen(self, what: str | State) -> None:
        match what:
            case "deliver":
                said, self.way = self.way, []
                self.last = said or self.last
                self.hear(said)
            case "lose":
                self.way = []
            case "repeat":
                self.hear(self.last)
            case "reopen":
                self.connect(self.ask("reopen")["since"])
            case "restart":
                self.restart()
                self.connect(self.ask("reopen")["since"])
            case "beat":
                self.beat()
            case dict():
                self.publish(what)

    def ends_well(self) -> None:
        """The network loses nothing any more, something is published, and the client holds it."""
        self.happen("reopen")
        self.publish({topic: {"n1": {"used": len(self.truths)}} for topic in TOPICS})
        self.beat()
        self.happen("deliver")
        held = self.ask("state")
        assert held["cursor"] == str(self.hub.store.cursor)
        self.judge(held)
        assert held["quality"] == self.hub.quality.value


@settings(max_examples=150)
@given(
    transport=st.sampled_from(["websocket", "sse"]),
    tombstones=st.sampled_from([0, 2, 1000]),
    story=st.lists(happenings, max_size=20),
)
def test_the_client_holds_what_the_store_held_at_its_cursor(
    ask: Ask, transport: str, tombstones: int, story: list[str | State]
) -> None:
    """Whatever happens, what the client holds is what was true at its cursor, and in the end what is true."""
    life = Life(ask, transport, tombstones)
    for what in story:
        life.happen(what)
    life.ends_well()


@settings(max_examples=200)
@given(past=st.lists(states, min_size=1, max_size=6), tombstones=st.sampled_from([0, 2, 1000]))
def test_its_merge_takes_every_state_to_now(ask: Ask, past: list[State], tombstones: int) -> None:
    """From every revision that a reader may hold, the store's patch makes of that state, by the client's merge and by a library's, what is true now."""
    store = Store("k3f9", TOPICS, tombstones=tombstones)
    shown: dict[int, State] = {}
    for at, state in enumerate(past, 1):
        store.commit(state, at)
        shown[store.revision] = orjson.loads(store.snapshot(VIEW))
    now = shown[store.revision]
    for revision, state in shown.items():
        if store.why_snapshot(Cursor("k3f9", revision), VIEW) is None:
            patch = orjson.loads(store.changes_since(revision, VIEW) or b"{}")
            assert same(ask("apply", state=state, patch=patch), now)
            assert same(json_merge_patch.merge(deepcopy(state), patch), now)
