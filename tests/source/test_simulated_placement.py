"""The placing of jobs on nodes: what a job gets has room for it, and wastes little."""

from random import Random

import pytest
from hypothesis import given, strategies as st

from realtime.source.simulated_placement import LOOK, Placement
from realtime.source.simulated_site import (
    CPU_ONLY,
    HABITS,
    SMALL,
    STANDARD,
    Job,
    Kind,
    Node,
    Queue,
    Request,
)

QUEUE = Queue(HABITS[0], 10)
REQUESTS = sorted({request for habit in HABITS for request in habit.requests})


def nodes_of(*kinds: Kind) -> list[Node]:
    return [Node(index, f"n{index}", kind) for index, kind in enumerate(kinds)]


def placement_of(nodes: list[Node], seed: int = 1) -> Placement:
    return Placement(nodes, rng=Random(seed))


def job_of(cpus: int, gpus: int = 0, memory_gib: int = 10, width: int = 1, *, exclusive: bool = False) -> Job:
    return Job(QUEUE, "phyzx", None, Request(cpus, gpus, memory_gib), width, exclusive=exclusive)


def take(placement: Placement, job: Job, *nodes: Node) -> None:
    for node in nodes:
        node.take(job)
        node.exclusive = job.exclusive
        node.jobs.append(job)
        placement.put(node)


JOBS = st.tuples(st.sampled_from(REQUESTS), st.integers(1, 4), st.booleans())


@given(
    st.lists(st.sampled_from([CPU_ONLY, SMALL, STANDARD]), min_size=1, max_size=30),
    st.lists(JOBS),
    st.integers(),
)
def test_a_job_gets_as_many_nodes_with_room_as_it_wants_or_none(
    kinds: list[Kind], jobs: list[tuple[Request, int, bool]], seed: int
) -> None:
    """Whatever ran before, found nodes are as many as wanted, different, roomy, and alone with an exclusive job."""
    nodes = nodes_of(*kinds)
    placement = placement_of(nodes, seed)
    for request, width, exclusive in jobs:
        job = job_of(*request, width, exclusive=exclusive)
        found = placement.find(job)
        assert len(set(found)) == len(found)
        assert len(found) in (0, width)
        assert all(node.fits(request) and not node.exclusive for node in found)
        assert not (exclusive and any(node.jobs for node in found))
        take(placement, job, *found)


def test_a_job_takes_no_gpu_that_it_does_not_need() -> None:
    """While a node without GPUs is idle a job without GPUs goes there, and one with GPUs never does."""
    plain, small, standard = nodes = nodes_of(CPU_ONLY, SMALL, STANDARD)
    placement = placement_of(nodes)
    assert placement.find(job_of(8)) == [plain]
    assert placement.find(job_of(8, gpus=1)) == [small]
    assert placement.find(job_of(8, gpus=8)) == [standard]


def test_a_job_fills_up_the_node_on_which_least_is_free() -> None:
    """Of the nodes in use that have room the fullest is taken, before any idle one."""
    _, used, fuller, full = nodes = nodes_of(*[STANDARD] * 4)
    placement = placement_of(nodes)
    take(placement, job_of(28), used)
    take(placement, job_of(56), fuller)
    take(placement, job_of(100), full)
    assert placement.find(job_of(14)) == [fuller]
    assert placement.find(job_of(60)) == [used]


def test_a_large_cluster_is_not_looked_through() -> None:
    """For one place no more nodes in use are looked at than LOOK, however many there are."""
    nodes = nodes_of(*[STANDARD] * 500)
    placement = placement_of(nodes)
    for node in nodes:
        take(placement, job_of(28), node)
    looked = 0

    class Watched(Random):
        def random(self) -> float:
            nonlocal looked
            looked += 1
            return super().random()

    placement._rng = Watched(1)
    assert placement.find(job_of(14, gpus=1))
    assert (
        looked == LOOK + 1
    )  # a die for each, and one for the idle nodes of the small kind, of which none is


def test_an_exclusive_job_gets_an_idle_node_for_itself() -> None:
    """An exclusive job is not put beside others, and nothing is put beside it."""
    used, idle = nodes = nodes_of(STANDARD, STANDARD)
    placement = placement_of(nodes)
    take(placement, job_of(28), used)
    alone = job_of(28, exclusive=True)
    assert placement.find(alone) == [idle]
    take(placement, alone, idle)
    assert placement.find(alone) == []
    assert placement.find(job_of(28)) == [used]


@pytest.mark.parametrize("trouble", ["down", "offline", "busy", "resv-exclusive"])
def test_a_node_in_trouble_gets_nothing(trouble: str) -> None:
    """A node in any trouble is out and is not found, and is found again without it."""
    (node,) = nodes = nodes_of(STANDARD)
    placement = placement_of(nodes)
    node.trouble = trouble
    placement.put(node)
    assert placement.find(job_of(1)) == []
    assert placement.out.items == [node]
    node.trouble = ""
    placement.put(node)
    assert placement.find(job_of(1)) == [node]
    assert not placement.out.items


def test_a_full_node_is_looked_for_nowhere() -> None:
    """A node without a free CPU is in no pool, and in the one of its kind again when a job has ended."""
    (node,) = nodes = nodes_of(STANDARD)
    placement = placement_of(nodes)
    jobs = job_of(56), job_of(56)
    for job in jobs:
        take(placement, job, node)
    assert node.pool is None
    node.take(jobs[0], -1)
    node.jobs.remove(jobs[0])
    placement.put(node)
    assert node.pool is placement.open[STANDARD]


def test_a_seed_makes_the_same_choices() -> None:
    """Two placements of one seed choose the same nodes, and one of another seed does not."""

    def chosen(seed: int) -> list[list[int]]:
        placement = placement_of(nodes_of(*[STANDARD] * 50), seed)
        return [[node.index for node in placement.find(job_of(8, width=2))] for _ in range(20)]

    assert chosen(7) == chosen(7)
    assert chosen(7) != chosen(8)
