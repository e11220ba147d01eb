import orjson

from realtime.state.cursor import Cursor
from realtime.state.freshness import Quality
from realtime.state.store import Store
from realtime.state.view import TOPICS, View
from realtime.stream.edition import MAX_DIFFS, Edition

NODES = View(("nodes",))


def fresh_store(tombstones: int = 100) -> Store:
    store = Store("k3f9", TOPICS, tombstones=tombstones)
    store.commit({"nodes": {"a": {"x": 1}}, "queues": {}}, 1)
    return store


def test_what_a_view_does_not_show_is_no_news_to_it() -> None:
    """A change elsewhere neither moves an edition's revision nor makes a diff."""
    store = fresh_store()
    edition = Edition("h", store, NODES)
    store.commit({"queues": {"q": {}}}, 2)

    assert edition.revision == 1
    assert edition.since(Cursor("k3f9", 1)) is None


def test_all_readers_at_one_cursor_get_the_same_bytes() -> None:
    """The diff from a cursor, and the snapshot, are made once a revision."""
    store = fresh_store()
    edition = Edition("h", store, NODES)
    store.commit({"nodes": {"a": {"x": 2}}}, 2)

    assert edition.since(Cursor("k3f9", 1)) is edition.since(Cursor("k3f9", 1))
    assert edition.snapshot("new") is edition.snapshot("new")
    assert edition.state is edition.state


def test_an_edition_never_says_more_than_its_cursor() -> None:
    """What is prepared before a commit is not sent after it under the old cursor."""
    store = fresh_store()
    edition = Edition("h", store, NODES)
    store.commit({"nodes": {"a": {"x": 2}}}, 2)
    edition.since(Cursor("k3f9", 1))
    store.commit({"nodes": {"a": {"x": 3}}}, 3)

    message = edition.since(Cursor("k3f9", 1))

    assert message is not None
    assert orjson.loads(message.json) | {"at": 0} == {
        "type": "diff",
        "cluster": "h",
        "from": "k3f9-1",
        "cursor": "k3f9-3",
        "at": 0,
        "patch": {"nodes": {"a": {"x": 3}}},
    }
    assert orjson.loads(edition.snapshot("new").json)["state"] == {"nodes": {"a": {"x": 3}}}


def test_a_diff_larger_than_the_snapshot_is_a_snapshot() -> None:
    """Who missed more than there is gets what there is."""
    store = fresh_store()
    edition = Edition("h", store, NODES)
    store.commit({"nodes": {f"node-{i}": {"x": 1} for i in range(20)}}, 2)
    assert edition.revision == 2
    store.commit({"nodes": {"a": {"x": 1}}}, 3)

    message = edition.since(Cursor("k3f9", 1))

    assert message is not None
    assert message.type == "snapshot"
    assert orjson.loads(message.json)["reason"] == "horizon"


def test_the_fast_path_survives_a_horizon_that_overtakes_it() -> None:
    """If a removal is forgotten at once, readers of the view get a snapshot and not nothing."""
    store = fresh_store(tombstones=0)
    edition = Edition("h", store, NODES)
    store.commit({"nodes": {}}, 2)

    message = edition.since(Cursor("k3f9", 1))

    assert message is not None
    assert orjson.loads(message.json)["state"] == {"nodes": {}}


def test_a_cursor_of_a_wider_view_is_up_to_date() -> None:
    """A reader whose cursor is later than the view's last change has missed nothing."""
    store = fresh_store()
    store.commit({"queues": {"q": {}}}, 2)
    edition = Edition("h", store, NODES)

    assert edition.revision == 1
    assert edition.since(Cursor("k3f9", 2)) is None


def test_prepared_diffs_are_bounded() -> None:
    """However many cursors laggards come from, an edition keeps a bounded number of diffs."""
    store = fresh_store()
    edition = Edition("h", store, NODES)
    for x in range(2, 2 * MAX_DIFFS):
        store.commit({"nodes": {"a": {"x": x}}}, x)
    for revision in range(1, store.revision):
        assert edition.since(Cursor("k3f9", revision)) is not None

    assert len(edition._diffs) <= MAX_DIFFS


def test_heartbeats_of_one_moment_are_shared() -> None:
    """Readers at one cursor share a heartbeat of one moment; the next moment's is another."""
    edition = Edition("h", fresh_store(), NODES)

    first = edition.heartbeat(1, 10, Quality.LIVE, 5)

    assert edition.heartbeat(1, 10, Quality.LIVE, 5) is first
    assert edition.heartbeat(1, 11, Quality.LIVE, 6) is not first
    assert len(edition._heartbeats) == 1
