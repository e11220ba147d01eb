import itertools

import pytest
from hypothesis import given, strategies as st

from realtime.errors import RequestError
from realtime.state.grid import TIME_RANGES, Grid, grid_of


@given(now=st.floats(1e9, 4e9), time_range=st.sampled_from(sorted(TIME_RANGES)))
def test_a_grid_is_even_aligned_and_over(now: float, time_range: str) -> None:
    """Rows stand a step apart, at multiples of the step, and none tells of a step that is not over."""
    grid = grid_of(time_range, now)
    span, step = TIME_RANGES[time_range]

    instants = list(grid.instants)

    assert len(instants) == grid.rows == span // step
    assert all(instant % step == 0 for instant in instants)
    assert {later - earlier for earlier, later in itertools.pairwise(instants)} == {step}
    assert now - step < instants[-1] <= now


def test_the_four_ranges_have_the_old_backends_steps() -> None:
    """Sixty minutes, 288 five minutes, 336 half hours, 180 times four hours."""
    assert [grid_of(name, 1.8e9).rows for name in TIME_RANGES] == [60, 288, 336, 180]


def test_two_askers_within_a_step_get_the_same_grid() -> None:
    """A grid depends on the step that now is in, not on now."""
    assert Grid.ending(1_794_166_440, 60, 5) == Grid.ending(1_794_166_499.9, 60, 5)


@pytest.mark.parametrize("time_range", ["", "6h", "1H", "24h ", "30d;drop"])
def test_another_range_is_refused_by_name(time_range: str) -> None:
    """An unknown range is the reader's error, which lists those that there are."""
    with pytest.raises(RequestError, match="timeRange must be one of 1h, 24h, 7d, 30d"):
        grid_of(time_range, 0)
