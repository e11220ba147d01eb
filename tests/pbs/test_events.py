from typing import Any

from hypothesis import given, strategies as st

from realtime.pbs.events import MAX_EVENTS, Events

FREE: dict[str, Any] = {"state": "free"}
DOWN: dict[str, Any] = {"state": "down"}
INFERRED: dict[str, Any] = {"state": "busy", "stateInferred": True}


def test_what_became_of_nodes_is_told() -> None:
    """A node that comes, changes or goes is an event with what it was and what it is, and whether one of these is inferred."""
    events = Events()

    events.note_nodes(7, [("a", None, FREE), ("b", FREE, DOWN), ("c", DOWN, INFERRED), ("d", INFERRED, None)])

    assert events.entities == {
        "1": {"at": 7, "kind": "node.added", "key": "a", "to": "free"},
        "2": {"at": 7, "kind": "node.state", "key": "b", "from": "free", "to": "down"},
        "3": {"at": 7, "kind": "node.state", "key": "c", "from": "down", "to": "busy", "inferred": True},
        "4": {"at": 7, "kind": "node.removed", "key": "d", "from": "busy", "inferred": True},
    }


def test_what_became_of_a_source_is_told() -> None:
    """A fault that comes has the code where it leads to, one that goes where it came from."""
    events = Events()

    events.note(7, "source.fault", "pbs|a:1", now="FROZEN")
    events.note(8, "source.ok", "pbs|a:1", was="FROZEN")

    assert [*events.entities.values()] == [
        {"at": 7, "kind": "source.fault", "key": "pbs|a:1", "to": "FROZEN"},
        {"at": 8, "kind": "source.ok", "key": "pbs|a:1", "from": "FROZEN"},
    ]


@given(st.integers(1, 4), st.lists(st.integers(0, 6), max_size=8))
def test_the_ring_is_bounded_and_its_numbers_only_grow(most: int, batches: list[int]) -> None:
    """However many events come at once, the last are kept, in order, under numbers that say how many there were."""
    events = Events(most)
    names: list[str] = []
    for batch in batches:
        fresh = [f"n{len(names) + index}" for index in range(batch)]
        names += fresh
        events.note_nodes(0, [(name, None, FREE) for name in fresh])

    assert [event["key"] for event in events.entities.values()] == names[-most:]
    assert [*events.entities] == [str(number) for number in range(1, len(names) + 1)][-most:]


def test_a_cluster_that_falls_is_the_last_of_its_events() -> None:
    """Of five thousand nodes that go down together the ring holds no more than it can."""
    events = Events()

    events.note_nodes(0, [(f"n{number}", FREE, DOWN) for number in range(5_000)])

    assert len(events.entities) == MAX_EVENTS
    assert [*events.entities][-1] == "5000"
