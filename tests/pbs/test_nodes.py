from typing import Any

import pytest

from realtime.pbs.dialect import Dialect
from realtime.pbs.nodes import entity, memory_unit

EXPORTER = Dialect("exporter", "code")
LABEL = Dialect("label", "label")


def node(
    code: int | None,
    *,
    dialect: Dialect = EXPORTER,
    labels: tuple[str, ...] = (),
    unit: str = "GiB",
    infer: bool = True,
    outlived: bool = False,
    capacity: dict[str, Any] | None = None,
    **readings: Any,
) -> dict[str, Any]:
    metrics = {f"pbs_node_{name}": value for name, value in readings.items()}
    if code is not None:
        metrics["pbs_node_state"] = code
    return entity(
        "n", metrics, labels, dialect, memory_unit=unit, infer=infer, outlived=outlived, capacity=capacity
    )


FULL: dict[str, Any] = {"cpus_total": 112, "cpus_used": 112, "gpus_total": 8, "gpus_used": 8}
EMPTY: dict[str, Any] = {"cpus_total": 112, "cpus_used": 0, "gpus_total": 8, "gpus_used": 0}


@pytest.mark.parametrize(
    ("dialect", "code", "state"),
    [
        ("exporter", 1, "free"),
        ("exporter", 2, "busy"),
        ("exporter", 3, "offline"),
        ("exporter", 4, "down"),
        ("exporter", 0, "unknown"),
        ("exporter", 9, "unknown"),
        ("seed", 0, "free"),
        ("seed", 1, "busy"),
        ("seed", 2, "offline"),
        ("seed", 3, "down"),
        ("seed", 4, "unknown"),
        ("fork", 2, "busy"),
    ],
)
def test_a_code_means_what_its_dialect_says(dialect: str, code: int, state: str) -> None:
    """The same code is another state in another dialect, and a code that a dialect has not is unknown."""
    assert node(code, dialect=Dialect(dialect, "code"))["state"] == state


def test_a_node_without_a_state_is_unknown() -> None:
    """A node of which no metric tells the state is neither free nor down."""
    assert node(None, cpus_total=4)["state"] == "unknown"


@pytest.mark.parametrize(
    ("readings", "state"),
    [
        (FULL | {"jobs": 3}, "busy"),
        (FULL | {"jobs": 0}, "down"),
        (FULL, "down"),
        (EMPTY | {"jobs": 1}, "down"),
        ({"cpus_total": 0, "cpus_used": 0, "gpus_total": 0, "gpus_used": 0, "jobs": 1}, "down"),
        (EMPTY | {"gpus_used": 8, "jobs": 1}, "busy"),
        (EMPTY | {"cpus_used": 120, "jobs": 1}, "busy"),
    ],
)
def test_full_is_not_down(readings: dict[str, Any], state: str) -> None:
    """A node that the exporter calls down is busy, and marked as inferred, only if it runs jobs on all of its CPUs or GPUs."""
    found = node(4, **readings)

    assert found["state"] == state
    assert found.get("stateInferred", False) is (state == "busy")


@pytest.mark.parametrize("dialect", ["seed", "label"])
def test_nothing_is_inferred_where_nothing_was_lost(dialect: str) -> None:
    """Where inference is off, as it is for dialects other than the real exporter's, down is believed, and suspect."""
    found = node(3, dialect=Dialect(dialect, "code"), labels=("down",), infer=False, **FULL, jobs=3)

    assert found["state"] == "down"
    assert found["suspect"] is True
    assert "stateInferred" not in found


def test_a_node_that_outlived_its_death_is_busy() -> None:
    """A node that kept its jobs for longer than PBS leaves them to a dead one is busy with an exclusive job; without jobs it is dead."""
    found = node(4, outlived=True, **EMPTY, jobs=1)

    assert (found["state"], found["stateDetail"], found["stateInferred"]) == ("busy", "job-exclusive", True)
    assert node(4, outlived=True, **EMPTY, jobs=0)["state"] == "down"
    assert node(4, outlived=True, infer=False, **EMPTY, jobs=1)["state"] == "down"


def test_the_suspect_are_the_dead_with_jobs() -> None:
    """A node that is down and has jobs is suspect; one without, and one that is busy, are not."""
    assert node(4, **EMPTY, jobs=1)["suspect"] is True
    assert "suspect" not in node(4, **EMPTY, jobs=0)
    assert "suspect" not in node(4, **FULL, jobs=1)


CAPACITY: dict[str, Any] = {"totalCpus": 112, "totalGpus": 8, "totalMemoryGiB": 512}
NOTHING: dict[str, Any] = {
    "cpus_total": 0,
    "cpus_used": 0,
    "gpus_total": 0,
    "gpus_used": 0,
    "memory_total_gb": 0,
}


def test_a_node_that_prints_0_of_0_has_what_it_had() -> None:
    """A node of which PBS prints 0/0 keeps the capacity that it was last seen to have, and says that it is remembered."""
    found = node(4, capacity=CAPACITY, **NOTHING)

    assert {field: found[field] for field in CAPACITY} == CAPACITY
    assert found["capacityRemembered"] is True
    assert (found["usedCpus"], found["usedGpus"]) == (0, 0)


def test_a_node_that_says_what_it_has_is_believed() -> None:
    """What a node has now outranks what it had: GPUs that were taken out are gone."""
    found = node(1, capacity=CAPACITY, **EMPTY | {"gpus_total": 4})

    assert found["totalGpus"] == 4
    assert "capacityRemembered" not in found


def test_gpus_without_a_cpu_are_shifted_columns() -> None:
    """A node with 112 GPUs and no CPU has neither: what its columns say is left out, but for its jobs, which stand before the shift."""
    shifted: dict[str, Any] = {
        "cpus_total": 0,
        "cpus_used": 0,
        "gpus_total": 112,
        "gpus_used": 0,
        "memory_total_gb": 0,
    }

    assert node(1, jobs=2, **shifted) == {
        "id": "n",
        "name": "n",
        "jobCount": 2,
        "state": "free",
        "stateDetail": "mixed",
    }
    found = node(1, capacity=CAPACITY, jobs=2, **shifted)
    assert {field: found.get(field) for field in (*CAPACITY, "usedGpus")} == {**CAPACITY, "usedGpus": None}


def test_less_than_nothing_is_unknown() -> None:
    """A negative number, which PBS prints of oversubscribed nodes, makes no field."""
    assert "usedCpus" not in node(1, cpus_total=4, cpus_used=-2)


@pytest.mark.parametrize(
    ("readings", "coarse"),
    [
        ({"memory_total_gb": 999}, False),
        ({"memory_total_gb": 1024}, True),
        ({"memory_total_bytes": 2048 * 2**30}, False),
        ({"mem_total": 2048}, False),
    ],
)
def test_memory_that_was_rounded_away_is_flagged(readings: dict[str, Any], coarse: bool) -> None:
    """Only memory that pbsnodes printed in whole TiB is coarse."""
    assert node(1, **readings).get("memoryCoarse", False) is coarse


def test_job_busy_of_a_fork_is_full() -> None:
    """The fork's 2 is PBS's job-busy, which is full and not overloaded."""
    assert node(2, dialect=Dialect("fork", "code"), **FULL, jobs=1)["stateDetail"] == "full"


@pytest.mark.parametrize(
    ("code", "readings", "detail"),
    [
        (1, EMPTY | {"jobs": 0}, "idle"),
        (1, EMPTY | {"jobs": 1}, "mixed"),
        (1, EMPTY | {"gpus_used": 1}, "mixed"),
        (1, FULL | {"jobs": 1}, "full"),
        (2, FULL | {"jobs": 1}, "overloaded"),
        (3, EMPTY | {"jobs": 2}, "draining"),
        (3, EMPTY | {"jobs": 0}, None),
        (4, EMPTY | {"jobs": 0}, None),
        (4, FULL | {"jobs": 1}, "full"),
    ],
)
def test_the_detail_says_what_the_class_leaves_open(
    code: int, readings: dict[str, Any], detail: str | None
) -> None:
    """Idle, mixed or full; overloaded or full; draining or just offline."""
    assert node(code, **readings).get("stateDetail") == detail


@pytest.mark.parametrize(
    ("labels", "state", "detail"),
    [
        (("job-exclusive",), "busy", "job-exclusive"),
        (("resv-exclusive",), "busy", "resv-exclusive"),
        (("job-busy",), "busy", "full"),
        (("offline", "job-busy"), "offline", None),
        (("offline,down",), "down", None),
        (("Stale",), "down", "stale"),
        (("maintenance",), "offline", "maintenance"),
        (("provisioning",), "unknown", "provisioning"),
        (("some-new-state",), "unknown", "some-new-state"),
        ((), "unknown", None),
    ],
)
def test_of_several_states_the_worst_counts(labels: tuple[str, ...], state: str, detail: str | None) -> None:
    """What keeps jobs away outranks what they do; a word that we do not know is unknown and is passed on."""
    found = node(None, dialect=LABEL, labels=labels)

    assert (found["state"], found.get("stateDetail")) == (state, detail)


@pytest.mark.parametrize(
    ("readings", "unit", "gib"),
    [
        ({"memory_total_gb": 2048}, "bytes", 2048),
        ({"memory_total_bytes": 3 * 2**30}, "GiB", 3),
        ({"mem_total": 3 * 2**30}, "bytes", 3),
        ({"mem_total": 512}, "GiB", 512),
        ({"memory_total_gb": 0.5}, "GiB", 0.5),
    ],
)
def test_memory_is_gib_whatever_it_came_in(readings: dict[str, Any], unit: str, gib: float) -> None:
    """Each dialect's memory comes out in GiB."""
    assert node(1, unit=unit, **readings)["totalMemoryGiB"] == gib


def test_the_unit_of_unnamed_memory_is_told_by_its_size() -> None:
    """A million of anything on one node is bytes."""
    assert memory_unit([2.1e12]) == "bytes"
    assert memory_unit([2048.0]) == "GiB"
    assert memory_unit([]) == "GiB"
