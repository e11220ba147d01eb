"""The simulated past: a month of headline numbers, of which each row of a time range is a mean."""

from random import Random

import pytest
from hypothesis import given, strategies as st

from realtime.source.history import FIELDS
from realtime.source.simulated_past import KEEP_MINUTES, Past, headline
from realtime.source.simulated_server import Server
from realtime.state.grid import Grid, grid_of

NOW_MS = 1_794_166_412_000

TICKS = st.lists(st.tuples(st.integers(0, 3 * 3_600_000), st.integers(0, 100)), min_size=1, max_size=60)


@given(ticks=TICKS, step_minutes=st.integers(1, 40), rows=st.integers(1, 60), end_minutes=st.integers(0, 200))
def test_a_row_is_the_mean_of_its_steps_ticks(
    ticks: list[tuple[int, int]], step_minutes: int, rows: int, end_minutes: int
) -> None:
    """On any grid of whole minutes a row is the mean of the ticks in `(at - step, at]`, None without one."""
    past = Past()
    base_ms = NOW_MS // 60_000 * 60_000
    ticks = sorted(ticks)
    for offset, number in ticks:
        past.note(base_ms + offset, {"runningJobs": number})
    grid = Grid(base_ms // 1_000 + end_minutes * 60, step_minutes * 60, rows)
    wanted = []
    for at in grid.instants:
        inside = [
            n for offset, n in ticks if (at - grid.step_seconds) * 1_000 < base_ms + offset <= at * 1_000
        ]
        wanted.append(pytest.approx(sum(inside) / len(inside)) if inside else None)
    assert past.means("runningJobs", grid) == wanted


def test_the_past_keeps_a_month_and_no_more() -> None:
    """In two months of minutes the memory stays bounded, and the last 30 days are all there."""
    past = Past()
    minutes = 60 * 1_440
    for minute in range(minutes + 1):
        past.note(NOW_MS + minute * 60_000, {"heldJobs": minute})
    assert len(past._ticks) <= KEEP_MINUTES + 1_440
    assert len(past._sums["heldJobs"]) == len(past._ticks)
    rows = past.means("heldJobs", grid_of("30d", NOW_MS / 1_000 + minutes * 60))
    assert None not in rows
    assert rows == sorted(rows, key=lambda row: row or 0)


def test_a_clock_that_jumps_does_no_harm() -> None:
    """A tick from before the beginning is not kept, and one from years later begins anew."""
    past = Past()
    past.note(NOW_MS, {"heldJobs": 1})
    past.note(NOW_MS - 86_400_000, {"heldJobs": 100})
    assert past.means("heldJobs", Grid.ending(NOW_MS / 1_000 + 60, 60, 2)) == [None, 1]
    later_ms = NOW_MS + 20 * 365 * 86_400_000
    past.note(later_ms, {"heldJobs": 2})
    assert past.means("heldJobs", Grid.ending(later_ms / 1_000 + 60, 60, 2)) == [None, 2]
    assert len(past._ticks) == 1


def test_the_headline_has_the_fields_of_history() -> None:
    """The simulator remembers exactly the fields that VictoriaMetrics is asked for."""
    assert list(headline(Server(46, prefix="hopper", rng=Random(1)))) == list(FIELDS)
