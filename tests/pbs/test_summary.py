from typing import Any

from realtime.pbs.summary import summarise


def test_both_counts_are_shown() -> None:
    """States as we understand them stand beside those that the exporter counted."""
    nodes: list[Any] = [{"state": "busy", "stateInferred": True}, {"state": "down"}, {"state": "free"}]

    counts = summarise(nodes, {"pbs_node_count_down": 2, "pbs_node_count_free": 1}, {})["nodes"]

    assert counts == {
        "total": 3,
        "free": 1,
        "busy": 1,
        "offline": 0,
        "down": 1,
        "unknown": 0,
        "inferred": 1,
        "reportedFree": 1,
        "reportedDown": 2,
    }


def test_a_percentage_is_of_nodes_that_say_both() -> None:
    """A node that tells what it has but not what it uses does not count as unused."""
    nodes: list[Any] = [
        {"state": "free", "totalCpus": 100, "usedCpus": 50},
        {"state": "free", "totalCpus": 100},
        {"state": "down"},
    ]

    assert summarise(nodes, {}, {})["cpus"] == {"total": 200, "used": 50, "utilization": 50.0}


def test_of_nothing_there_is_no_percentage() -> None:
    """A cluster without GPUs uses no share of them."""
    nodes: list[Any] = [{"state": "free", "totalGpus": 0, "usedGpus": 0}]

    assert summarise(nodes, {}, {})["gpus"] == {"total": 0, "used": 0}


def test_no_nodes_are_no_counts() -> None:
    """Where no node is known, none is counted as zero."""
    assert summarise([], {}, {}) == {"nodes": {}, "jobs": {}, "cpus": {}, "gpus": {}, "memory": {}}
