from typing import Any

from hypothesis import given, strategies as st

from realtime.pbs.summary import LARGEST_BIN, STATES, Tally, summarise


def tally(nodes: list[dict[str, Any]]) -> Tally:
    found = Tally()
    for node in nodes:
        found.replace(None, node)
    return found


def gpu_node(state: str, total: int, used: int, **fields: Any) -> dict[str, Any]:
    return {"state": state, "totalGpus": total, "usedGpus": used, "totalCpus": 112, "usedCpus": 0} | fields


def test_both_counts_are_shown() -> None:
    """States as we understand them stand beside those that the exporter counted."""
    nodes: list[dict[str, Any]] = [
        {"state": "busy", "stateInferred": True},
        {"state": "down"},
        {"state": "free"},
    ]

    counts = summarise(tally(nodes), {"down": 2, "free": 1}, {})["nodes"]

    assert counts == {
        "total": 3,
        "free": 1,
        "busy": 1,
        "offline": 0,
        "down": 1,
        "unknown": 0,
        "usable": 2,
        "idle": 0,
        "mixed": 0,
        "full": 0,
        "draining": 0,
        "drainingJobs": 0,
        "inferred": 1,
        "reportedFree": 1,
        "reportedDown": 2,
    }


def test_a_percentage_is_of_nodes_that_say_both() -> None:
    """A node that tells what it has but not what it uses does not count as unused."""
    nodes: list[dict[str, Any]] = [
        {"state": "free", "totalCpus": 100, "usedCpus": 50},
        {"state": "free", "totalCpus": 100},
        {"state": "down"},
    ]

    assert summarise(tally(nodes), {}, {})["cpus"] == {
        "total": 200,
        "used": 50,
        "free": 50,
        "utilization": 50.0,
        "usableUtilization": 50.0,
        "usableTotal": 100,
    }


def test_of_nothing_there_is_no_percentage() -> None:
    """A cluster without GPUs uses no share of them, and has no blocks of them."""
    nodes = [{"state": "free", "totalGpus": 0, "usedGpus": 0}]

    assert summarise(tally(nodes), {}, {})["gpus"] == {"total": 0, "used": 0, "free": 0}


def test_no_nodes_are_no_counts() -> None:
    """Where no node is known, none is counted as zero."""
    assert summarise(Tally(), {}, {}) == {"nodes": {}, "jobs": {}, "cpus": {}, "gpus": {}, "memory": {}}


def test_installed_and_usable_are_told_apart() -> None:
    """What a dead or drained node has is installed and not usable: it counts in the one percentage and not in the other."""
    nodes = [
        gpu_node("free", 8, 4),
        gpu_node("busy", 8, 8),
        gpu_node("down", 8, 0),
        gpu_node("offline", 8, 2),
    ]

    gpus = summarise(tally(nodes), {}, {})["gpus"]

    assert (gpus["total"], gpus["used"], gpus["utilization"]) == (32, 14, 43.8)
    assert (gpus["usableTotal"], gpus["free"], gpus["usableUtilization"]) == (16, 4, 75.0)
    assert gpus["outOfService"] == 8 + 6


def test_the_histogram_counts_nodes_by_the_gpus_that_a_job_can_have() -> None:
    """Usable GPU nodes stand where their free GPUs put them, the largest in the last bin; nodes without GPUs stand nowhere."""
    nodes = [
        *(gpu_node("free", 8, used) for used in (0, 0, 3, 8)),
        gpu_node("free", 16, 0),
        gpu_node("free", 0, 0),
        gpu_node("down", 8, 0),
    ]

    gpus = summarise(tally(nodes), {}, {})["gpus"]

    assert gpus["freeHistogram"] == [1, 0, 0, 0, 0, 1, 0, 0, 3]
    assert len(gpus["freeHistogram"]) == LARGEST_BIN + 1
    assert gpus["largestFree"] == 16


def test_gpus_that_no_job_can_have_are_stranded_and_no_block() -> None:
    """Free GPUs on a node without a free CPU, or on one that is busy, are stranded: they are not the largest free block."""
    nodes = [gpu_node("free", 8, 3, usedCpus=112), gpu_node("busy", 8, 2), gpu_node("free", 8, 7)]

    gpus = summarise(tally(nodes), {}, {})["gpus"]

    assert (gpus["stranded"], gpus["largestFree"], gpus["free"]) == (5 + 6, 1, 12)
    assert gpus["freeHistogram"] == [2, 1, 0, 0, 0, 0, 0, 0, 0]


def test_more_used_than_there_is_frees_nothing() -> None:
    """An oversubscribed node has no free GPU, and takes none from others."""
    gpus = summarise(tally([gpu_node("free", 8, 10), gpu_node("free", 8, 6)]), {}, {})["gpus"]

    assert (gpus["free"], gpus["largestFree"]) == (2, 2)


def test_draining_nodes_and_the_jobs_they_wait_for_are_counted() -> None:
    """Offline nodes that still run jobs are draining; the jobs on these, and no others, are what they wait for."""
    nodes = [
        {"state": "offline", "stateDetail": "draining", "jobCount": 3},
        {"state": "offline", "stateDetail": "draining", "jobCount": 2},
        {"state": "offline", "jobCount": 0},
        {"state": "free", "stateDetail": "mixed", "jobCount": 7},
    ]

    counts = summarise(tally(nodes), {}, {})["nodes"]

    assert (counts["offline"], counts["draining"], counts["drainingJobs"], counts["mixed"]) == (3, 2, 5, 1)


def test_pressure_is_of_what_runs_and_the_held_share_of_all() -> None:
    """Waiting jobs stand against running ones, held ones against all; with nothing running, waiting jobs press against one."""
    jobs = {"running": 40, "queued": 30, "held": 10, "total": 80}

    assert summarise(Tally(), {}, jobs)["jobs"] == {**jobs, "pressure": 0.75, "heldShare": 12.5}
    assert summarise(Tally(), {}, {"running": 0, "queued": 7})["jobs"]["pressure"] == 7
    assert "pressure" not in summarise(Tally(), {}, {"running": 3})["jobs"]
    assert (
        "heldShare" not in summarise(Tally(), {}, {"running": 0, "queued": 0, "held": 0, "total": 0})["jobs"]
    )


amounts = st.none() | st.integers(0, 200)


@st.composite
def entities(draw: st.DrawFn) -> dict[str, Any]:
    state = draw(st.sampled_from(STATES))
    jobs = draw(st.integers(0, 9))
    fields = {
        "state": state,
        "stateDetail": "draining"
        if state == "offline" and jobs
        else draw(st.sampled_from([None, "idle", "full"])),
        "stateInferred": True if state == "busy" and draw(st.booleans()) else None,
        "jobCount": jobs,
        **{field: draw(amounts) for field in ("totalCpus", "usedCpus", "totalGpus", "usedGpus")},
        "totalMemoryGiB": draw(st.none() | st.integers(0, 20_000).map(lambda tenths: tenths / 10)),
        "usedMemoryGiB": draw(st.none() | st.integers(0, 20_000).map(lambda tenths: tenths / 10)),
    }
    return {field: value for field, value in fields.items() if value is not None}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | entities()), max_size=30))
def test_a_tally_kept_is_a_tally_made_anew(replacements: list[tuple[str, dict[str, Any] | None]]) -> None:
    """After any sequence of nodes that come, change and go, the tally is that of the nodes that are there."""
    nodes: dict[str, dict[str, Any]] = {}
    kept = Tally()
    for name, node in replacements:
        kept.replace(nodes.pop(name, None), node)
        if node is not None:
            nodes[name] = node

    assert summarise(kept, {}, {}) == summarise(tally([*nodes.values()]), {}, {})
    assert +kept._sums == kept._sums


@given(st.lists(entities(), max_size=12))
def test_every_node_is_in_one_state_and_every_free_gpu_in_one_place(nodes: list[dict[str, Any]]) -> None:
    """States add up to the nodes; free GPUs of usable nodes are those that a job can have and those that are stranded."""
    found = summarise(tally(nodes), {}, {})
    counts, gpus = found["nodes"], found["gpus"]

    assert sum(counts.get(state, 0) for state in STATES) == counts.get("total", 0) == len(nodes)
    if "freeHistogram" in gpus:
        exact = [n for n in nodes if n["state"] == "free" and n.get("usedCpus", 0) < n.get("totalCpus", 1)]
        free = [
            max(0, n["totalGpus"] - n["usedGpus"]) for n in exact if n.get("totalGpus") and "usedGpus" in n
        ]
        assert gpus["stranded"] + sum(free) == gpus.get("free", 0)
        assert gpus["largestFree"] == max(free, default=0)
