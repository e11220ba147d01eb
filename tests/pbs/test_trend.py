from realtime.pbs.trend import STEP_SECONDS, Trend
from realtime.state.grid import Grid

MINUTE = STEP_SECONDS * 1000
START = 1_794_166_440_000


def running(count: float) -> dict[str, dict[str, float]]:
    return {"jobs": {"running": count}}


def test_a_point_is_the_mean_of_its_minute() -> None:
    """A minute's point appears when the next one begins, at its end, with the mean of what was sampled in it."""
    trend = Trend(minutes=3)
    for second, count in ((15, 10), (30, 20), (60, 30)):
        trend.add(START + second * 1000, running(count))
    assert trend.entities() == {}

    trend.add(START + 61_000, running(99))

    assert trend.entities() == {str(START + MINUTE): {"ts": START + MINUTE, "runningJobs": 20.0}}


def test_a_minute_without_samples_has_no_point() -> None:
    """A gap stays a gap."""
    trend = Trend(minutes=9)
    for minute in (1, 4, 5):
        trend.add(START + minute * MINUTE, running(minute))

    assert [point["ts"] for point in trend.entities().values()] == [START + MINUTE, START + 4 * MINUTE]


def test_the_past_is_seeded_and_what_was_seen_stays() -> None:
    """History fills in what nobody saw; it does not overwrite a point that was made from samples."""
    trend = Trend(minutes=9)
    trend.add(START + 2 * MINUTE, running(5))
    trend.add(START + 3 * MINUTE, running(6))
    end = START // 1000 + 2 * STEP_SECONDS

    trend.seed(Grid(end, STEP_SECONDS, 3), {"runningJobs": [1.0, None, 3.0]})

    assert [(point["ts"], point["runningJobs"]) for point in trend.entities().values()] == [
        (START, 1.0),
        (START + 2 * MINUTE, 5.0),
    ]


def test_old_points_leave() -> None:
    """The trend is as long as asked, and no longer."""
    trend = Trend(minutes=3)
    for minute in range(10):
        trend.add(START + minute * MINUTE, running(minute))

    assert [point["runningJobs"] for point in trend.entities().values()] == [6, 7, 8]


def test_time_that_goes_back_changes_no_point() -> None:
    """A sample of a minute that is over is not mixed into another."""
    trend = Trend(minutes=9)
    for minute in (1, 2):
        trend.add(START + minute * MINUTE, running(minute))
    before = trend.entities()

    trend.add(START, running(77))

    assert trend.entities() == before


def test_a_clock_that_was_ahead_leaves_no_point() -> None:
    """When a clock that ran ahead for a day is put right, its points leave, and those since are made as ever."""
    trend = Trend(minutes=9)
    day = 24 * 60 * MINUTE
    trend.add(START, running(1))
    for minute in (1, 2):
        trend.add(START + day + minute * MINUTE, running(77))
    for minute in (1, 2, 3):
        trend.add(START + minute * MINUTE, running(minute))

    for minute in (4, 5):
        trend.add(START + minute * MINUTE, running(minute))

    assert [point["runningJobs"] for point in trend.entities().values()] == [1, 3, 4]


def test_a_clock_that_is_behind_for_a_moment_takes_no_point_away() -> None:
    """One or two moments of an hour ago are those of a wrong clock: the past stays, and they are no part of it."""
    trend = Trend(minutes=9)
    for minute in range(4):
        trend.add(START + minute * MINUTE, running(minute))
    before = trend.entities()
    for _ in range(2):
        for _ in range(2):
            trend.add(START - 60 * MINUTE, running(77))
        assert trend.entities() == before
        trend.add(START + 3 * MINUTE, running(3))


def test_what_is_unknown_is_no_part_of_a_point() -> None:
    """A number that was not known in a minute is absent from its point."""
    trend = Trend(minutes=9)
    trend.add(START, {"nodes": {"free": 3}})
    trend.add(START + MINUTE, {})

    assert trend.entities() == {str(START): {"ts": START, "freeNodes": 3.0}}
