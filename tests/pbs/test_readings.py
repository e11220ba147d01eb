"""What several series tell of one thing."""

import pytest
from hypothesis import given, strategies as st

from realtime.pbs.readings import Node, Readings
from realtime.source.sample import Moment, Sample


def sample(at: int, value: float) -> Sample:
    told = Sample("pbs_node_jobs", {})
    told.moment, told.value = Moment(at), value
    return told


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.tuples(st.integers(0, 5), st.booleans())))
def test_a_reading_is_the_newest_series_that_tells_it(
    times: list[int], happens: list[tuple[int, bool]]
) -> None:
    """Whatever series begin, say something and end, in whatever order: a reading is there while any tells it, and is of the newest of these."""
    series = [sample(at, value) for value, at in enumerate(times)]
    readings, telling = Readings(), set[Sample]()
    for number, begins in happens:
        if number >= len(series):
            continue
        one = series[number]
        if begins:
            readings.take("jobs", one)
            telling.add(one)
        else:
            readings.drop("jobs", one)
            telling.discard(one)

        assert readings.keys() == ({"jobs"} if telling else set())
        if telling:
            believed = readings.said["jobs"]
            assert believed in telling
            assert believed.at == max(each.at for each in telling)
            assert readings["jobs"] == believed.value
        assert bool(readings.rivals) is (len(telling) > 1)


@pytest.mark.parametrize(("value", "code"), [(1.0, 1), (4.0, 4), (1.5, None)])
def test_a_code_is_a_whole_number(value: float, code: int | None) -> None:
    """A state that is no whole number is not rounded to one."""
    node = Node()
    node.take("pbs_node_state", sample(1, value))

    assert node.code == code


def test_a_node_is_in_the_states_whose_label_says_so() -> None:
    """A labelled state of 0 is one that the node is not in."""
    node = Node()
    node.labelled.take("free", sample(1, 0))
    node.labelled.take("offline", sample(1, 1))

    assert node.states == ["offline"]
