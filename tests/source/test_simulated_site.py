"""The simulated site: what there is, before anything happens."""

from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from realtime.source.simulated_site import (
    CPU_ONLY,
    HABITS,
    SMALL,
    STANDARD,
    Node,
    Pool,
    kinds_of,
    load_at,
    printed_gib,
)


@given(st.integers(1, 6_000))
def test_most_nodes_are_standard_and_every_node_has_a_kind(nodes: int) -> None:
    """However many nodes there are, at least five in six are standard."""
    kinds = kinds_of(nodes)
    assert len(kinds) == nodes
    assert kinds.count(STANDARD) >= nodes * 5 / 6
    assert set(kinds) <= {STANDARD, SMALL, CPU_ONLY}


def test_every_request_fits_a_standard_node() -> None:
    """No queue's users ask for what no node has, or their queue would stand still for ever."""
    for habit in HABITS:
        for request in habit.requests:
            assert Node(0, "n", STANDARD).fits(request)


@pytest.mark.parametrize(
    ("gib", "printed"),
    [(0, 0), (415, 415), (999, 999), (1000, 1024), (1007, 1024), (1515, 1024), (1600, 2048), (2015, 2048)],
)
def test_memory_is_printed_as_pbsnodes_prints_it(gib: int, printed: int) -> None:
    """Whole gb up to 999, whole tb above: the figures are those that the real pbsnodes gave."""
    assert printed_gib(gib) == printed


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_rounding_never_shows_more_free_than_total(a: int, b: int) -> None:
    """Rounded memory keeps its order, so what is printed as free never exceeds what is printed as total."""
    assert printed_gib(min(a, b)) <= printed_gib(max(a, b))


@pytest.mark.parametrize(
    ("trouble", "exclusive", "free_cpus", "state"),
    [
        ("", False, 112, "free"),
        ("", False, 1, "free"),
        ("", False, 0, "job-busy"),
        ("", True, 0, "job-exclusive"),
        ("busy", False, 3, "busy"),
        ("busy", False, 0, "job-busy"),
        ("resv-exclusive", False, 112, "resv-exclusive"),
        ("offline", True, 0, "offline"),
        ("offline", False, 0, "offline"),
        ("down", False, 112, "down"),
    ],
)
def test_a_node_shows_the_first_of_its_states(
    trouble: str, exclusive: bool, free_cpus: int, state: str
) -> None:
    """Of several states PBS prints the first in its fixed order: down, offline, job-exclusive or job-busy,
    busy, reserved.
    """
    node = Node(0, "n", STANDARD)
    node.trouble, node.exclusive, node.free_cpus = trouble, exclusive, free_cpus
    assert node.state == state


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_a_pool_holds_what_was_added_and_not_removed(steps: list[tuple[bool, int]]) -> None:
    """Whatever is added and removed in whatever order, the pool holds the rest, and each knows its place."""
    pool = Pool[SimpleNamespace]()
    things = [SimpleNamespace(slot=-1, n=n) for n in range(10)]
    inside: set[int] = set()
    for adds, n in steps:
        if adds and n not in inside:
            pool.add(things[n])
            inside.add(n)
        elif not adds and n in inside:
            pool.remove(things[n])
            inside.remove(n)
        assert {thing.n for thing in pool.items} == inside
        assert [thing.slot for thing in pool.items] == list(range(len(pool.items)))
    if inside:
        assert pool.pick(Random(1)).n in inside


@given(st.integers(0, 4_000_000_000_000))
def test_the_load_is_within_bounds_at_any_time(at_ms: int) -> None:
    """Users never want nothing, and never much more than there is."""
    assert 0.6 < load_at(at_ms) < 1.1


def test_the_load_is_highest_on_a_working_afternoon() -> None:
    """Wednesday 2026-11-18 at 15:30 UTC is busier than that night, and than the same hour on Sunday."""
    wednesday = 1_795_015_800_000
    assert load_at(wednesday) > load_at(wednesday - 12 * 3_600_000)
    assert load_at(wednesday) > load_at(wednesday + 4 * 86_400_000)
