import itertools
from typing import Any

import json_merge_patch
import orjson
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from realtime.state.cursor import Cursor
from realtime.state.store import Store, difference, same
from realtime.state.view import View
from tests.client import merge

TOPICS = ("summary", "nodes", "queues")
KEYS = ("gn-1", "gn-2", "gn-10", "login", 'q"u\\o\n', "ü")
VIEWS = (
    View(TOPICS),
    View(("nodes",)),
    View(("queues",)),
    View(("summary", "nodes"), ("gn-*",)),
    View(("nodes",), ("gn-1", "lo*")),
    View(("nodes",), ("nothing-*",)),
)

scalars = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1e300]),
    st.text(max_size=3),
    st.lists(st.integers(0, 2), max_size=2),
)
entities = st.dictionaries(st.sampled_from("abcd"), scalars, max_size=4)
states = st.fixed_dictionaries(
    {topic: st.dictionaries(st.sampled_from(KEYS), entities, max_size=4) for topic in TOPICS}
)


def shown(state: dict[str, Any], view: View) -> dict[str, Any]:
    return {t: {k: e for k, e in state[t].items() if view.shows(t, k)} for t in view.topics}


class EveryRevision(RuleBasedStateMachine):
    """For every revision R that a client may hold, apply(state_at(R), changes_since(R)) == state_now, for every view."""

    @initialize(tombstones=st.sampled_from([0, 1, 3, 1000]), first=states)
    def start(self, tombstones: int, first: dict[str, Any]) -> None:
        self.store = Store("k3f9", TOPICS, tombstones=tombstones)
        self.past: dict[int, dict[str, Any]] = {}
        self.now: dict[str, Any] = {}
        self.commit(first)

    @rule(state=states)
    def replace(self, state: dict[str, Any]) -> None:
        self.commit(state)

    @rule(topic=st.sampled_from(TOPICS), key=st.sampled_from(KEYS), entity=entities)
    def set_one(self, topic: str, key: str, entity: dict[str, Any]) -> None:
        self.commit({**self.now, topic: {**self.now[topic], key: entity}})

    @rule(topic=st.sampled_from(TOPICS), key=st.sampled_from(KEYS))
    def remove_one(self, topic: str, key: str) -> None:
        self.commit({**self.now, topic: {k: e for k, e in self.now[topic].items() if k != key}})

    @rule()
    def commit_nothing_new(self) -> None:
        before = self.store.revision
        assert not self.store.commit(
            {t: {k: dict(e) for k, e in es.items()} for t, es in self.now.items()}, 9
        )
        assert self.store.revision == before

    def commit(self, state: dict[str, Any]) -> None:
        before, was = self.store.revision, self.now
        changed = self.store.commit(state, 7)
        assert self.store.revision == before + changed
        assert changed == (
            before == 0
            or orjson.dumps(was, option=orjson.OPT_SORT_KEYS)
            != orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
        )
        self.now = state
        self.past[self.store.revision] = state

    @invariant()
    def law_1(self) -> None:
        for view in VIEWS:
            snapshot = orjson.loads(self.store.snapshot(view))
            assert snapshot == shown(self.now, view)
            for revision, state in self.past.items():
                if self.store.why_snapshot(Cursor("k3f9", revision), view):
                    continue
                patch = self.store.changes_since(revision, view)
                held = orjson.loads(orjson.dumps(shown(state, view)))
                merged = merge(held, orjson.loads(patch)) if patch else held
                assert orjson.dumps(merged, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
                    snapshot, option=orjson.OPT_SORT_KEYS
                )

    @invariant()
    def a_reader_who_knows_everything_is_never_refused(self) -> None:
        for view in VIEWS:
            assert self.store.why_snapshot(self.store.cursor, view) is None
            assert self.store.changes_since(self.store.revision, view) is None
            assert self.store.why_snapshot(Cursor("k3f9", self.store.changed_at(view.topics)), view) is None

    @invariant()
    def aliens_the_future_and_newcomers_are_refused(self) -> None:
        view = VIEWS[0]
        assert self.store.why_snapshot(None, view) == "new"
        assert self.store.why_snapshot(Cursor("zzzz", self.store.revision), view) == "epoch"
        assert self.store.why_snapshot(Cursor("k3f9", self.store.revision + 1), view) == "epoch"
        assert self.store.why_snapshot(Cursor("k3f9", 0), view) == "horizon"


EveryRevision.TestCase.settings = settings(max_examples=100, stateful_step_count=15)
test_every_revision = EveryRevision.TestCase


def commit_all(store: Store, *node_maps: dict[str, Any]) -> None:
    for at, nodes in enumerate(node_maps):
        store.commit({"nodes": nodes}, at)


def test_the_horizon_is_the_oldest_removal_forgotten() -> None:
    """A cursor at the horizon gets a diff and the one before it a snapshot."""
    store = Store("k3f9", TOPICS, tombstones=1)
    commit_all(store, {"a": {}, "b": {}, "c": {}}, {"b": {}, "c": {}}, {"c": {}})

    reasons = [store.why_snapshot(Cursor("k3f9", revision), View(("nodes",))) for revision in (1, 2, 3)]

    assert reasons == ["horizon", None, None]


def test_a_horizon_belongs_to_its_topic() -> None:
    """Removals forgotten in one topic do not send the readers of another a snapshot."""
    store = Store("k3f9", TOPICS, tombstones=0)
    commit_all(store, {"a": {}}, {})

    assert store.why_snapshot(Cursor("k3f9", 1), View(("queues",))) is None
    assert store.why_snapshot(Cursor("k3f9", 1), View(("nodes",))) == "horizon"


def test_a_reader_one_change_behind_gets_the_changed_fields_only() -> None:
    """From the cursor just before an entity's last change the patch carries what changed; from older ones the whole entity."""
    store = Store("k3f9", TOPICS, tombstones=9)
    commit_all(
        store, {"n": {"a": 1, "b": 1, "c": 1}}, {"n": {"a": 1, "b": 2, "c": 1}}, {"n": {"a": 1, "b": 3}}
    )
    view = View(("nodes",))

    patches = [orjson.loads(store.changes_since(revision, view) or b"0") for revision in (2, 1)]

    assert patches == [{"nodes": {"n": {"b": 3, "c": None}}}, {"nodes": {"n": {"a": 1, "b": 3, "c": None}}}]


def test_a_field_lost_across_a_removal_is_named_as_null() -> None:
    """A reader who missed that a node went and came back with less does not keep the field that it lost."""
    store = Store("k3f9", TOPICS, tombstones=9)
    commit_all(store, {"n": {"a": 1, "b": 1}}, {}, {"n": {"a": 2}})

    assert orjson.loads(store.changes_since(1, View(("nodes",))) or b"") == {
        "nodes": {"n": {"a": 2, "b": None}}
    }


def test_a_diff_costs_what_changed_and_not_what_exists() -> None:
    """A diff looks at no row that is older than its cursor."""
    store = Store("k3f9", TOPICS, tombstones=9)
    nodes: dict[str, Any] = {f"n{i}": {"a": 0} for i in range(1000)}
    commit_all(store, nodes, {**nodes, "n7": {"a": 1}})
    looked_at = []

    class Counting(View):
        def shows(self, topic: str, key: str) -> bool:
            looked_at.append(key)
            return super().shows(topic, key)

    store.changes_since(1, Counting(("nodes",)))

    assert looked_at == ["n7"]


def test_an_unchanged_topic_keeps_its_revision() -> None:
    """The revision of a topic moves only when something in it changes."""
    store = Store("k3f9", TOPICS, tombstones=9)
    store.commit({"nodes": {"a": {}}, "queues": {}}, 0)
    store.commit({"nodes": {"a": {"x": 1}}, "queues": {}}, 1)

    assert [store.changed_at((topic,)) for topic in TOPICS] == [1, 2, 1]


@given(old=scalars, new=scalars)
def test_same_means_the_same_json(old: Any, new: Any) -> None:
    """Two values are the same exactly when they are one JSON value: true is not 1, and 1.0 is."""

    def canonical(value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    expected = orjson.dumps(canonical(old)) == orjson.dumps(canonical(new))

    assert same(old, new) == expected


@given(old=entities, new=entities)
def test_a_difference_makes_the_old_entity_the_new_one(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Merging the difference into the old entity gives the new one."""
    assert json_merge_patch.merge(dict(old), difference(old, new)) == new


@given(old=states, new=states)
def test_our_merge_is_the_merge_of_rfc_7396(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The merge that these tests trust agrees with an independent implementation, removals included."""
    patch = {**new, "nodes": dict.fromkeys(old["nodes"])}

    assert merge(old, patch) == json_merge_patch.merge(orjson.loads(orjson.dumps(old)), patch)


@pytest.mark.parametrize("size", [1, 50])
def test_memory_of_removals_is_bounded(size: int) -> None:
    """However much comes and goes, no more tombstones are kept than allowed."""
    store = Store("k3f9", TOPICS, tombstones=size)
    for at in range(200):
        store.commit({"nodes": {f"n{at}": {}}}, at)

    kept = sum(row.entity is None for row in itertools.chain(*[c.values() for c in store._changes.values()]))

    assert kept == size
