"""The REST bodies, made of entities."""

from typing import Any

import pytest

from realtime.web import shapes


def test_known_totals_come_first_under_their_old_names() -> None:
    """The summary has the old four fields first, `held` as `hold`, and then whatever else is known."""
    body = shapes.jobs(
        {"jobs": {"exiting": 1, "held": 3, "running": 2, "queued": 4, "total": 9}}, {}, {}, limit=None
    )

    assert list(body["summary"].items()) == [
        ("total", 9),
        ("running", 2),
        ("queued", 4),
        ("hold", 3),
        ("exiting", 1),
    ]


def test_what_is_unknown_is_absent() -> None:
    """Neither totals, nor counts of a queue, nor users without a count are made up."""
    body: Any = shapes.jobs({}, {"ann": {"name": "ann"}}, {"q": {"name": "q", "runningJobs": 1}}, limit=None)

    assert body == {"summary": {}, "byUser": [], "byQueue": [{"queue": "q", "running": 1}]}


def test_the_busiest_come_first() -> None:
    """Users and queues are ordered by count, equals by name; `limit` keeps the busiest users."""
    users = {name: {"name": name, "runningJobs": count} for name, count in (("c", 1), ("b", 2), ("a", 1))}
    queues = {name: {"name": name, "totalJobs": count} for name, count in (("z", 0), ("y", 5), ("x", 0))}

    body = shapes.jobs({}, users, queues, limit=2)
    assert [row["user"] for row in body["byUser"]] == ["b", "a"]
    assert [row["queue"] for row in body["byQueue"]] == ["y", "x", "z"]
    assert [row["name"] for row in shapes.queues(queues)] == ["y", "x", "z"]


def test_a_node_is_as_streamed_and_more() -> None:
    """A node has every streamed field, memory with a unit, and as many nulls as it has jobs."""
    entity: dict[str, Any] = {
        "id": "a",
        "name": "a",
        "state": "free",
        "jobCount": 3,
        "totalMemoryGiB": 1007.5,
        "usedMemoryGiB": 0.0,
    }

    row: Any = shapes.node(entity)
    assert row == entity | {
        "totalMemory": "1007.5GiB",
        "usedMemory": "0GiB",
        "jobs": [None, None, None],
        "properties": [],
    }


def test_a_node_of_unknown_memory_has_none() -> None:
    """Without a memory reading there is no memory string, and without a job count no jobs."""
    row: Any = shapes.node({"id": "a", "name": "a", "state": "unknown"})
    assert row == {
        "id": "a",
        "name": "a",
        "state": "unknown",
        "jobs": [],
        "properties": [],
    }


def test_the_shapes_leave_the_entities_alone() -> None:
    """A body is made of copies: what is streamed does not change with it."""
    entity = {"id": "a", "name": "a", "state": "free", "jobCount": 1}
    summary = {"jobs": {"held": 1}}
    queue = {"name": "q"}

    shapes.node(entity)
    shapes.jobs(summary, {}, {"q": queue}, limit=None)
    rows: list[Any] = [*shapes.queues({"q": queue})]
    rows[0]["x"] = 1
    assert (entity, summary, queue) == (
        {"id": "a", "name": "a", "state": "free", "jobCount": 1},
        {"jobs": {"held": 1}},
        {"name": "q"},
    )


def test_down_nodes_count_offline_ones() -> None:
    """`downNodes` is down and offline together, and absent if either is unknown."""
    assert shapes.stats({"nodes": {"down": 2, "offline": 3}}) == {"offlineNodes": 3, "downNodes": 5}
    assert shapes.stats({"nodes": {"down": 2}}) == {}


def test_unknown_numbers_are_absent_from_the_stats() -> None:
    """A cluster without a utilization has none, not zero."""
    assert shapes.stats({"cpus": {"total": 4}, "gpus": {}, "memory": {"utilization": 1.5}}) == {
        "totalCpus": 4,
        "memoryUtilization": 1.5,
    }


@pytest.mark.parametrize(
    "names",
    [
        ["node-9", "node-10", "node-100"],
        ["1", "2", "10", "a"],
        ["gn-1", "gn-2", "hopper-1"],
        ["a", "a1", "a1b", "a1b2", "a1b10"],
        ["n٣", "n4"],
    ],
)
def test_names_are_ordered_as_a_person_would(names: list[str]) -> None:
    """Numbers in names count: node-9 stands before node-10."""
    entities = [{"name": name} for name in reversed(names)]

    assert [row["name"] for row in shapes.nodes(entities)] == names
