import pytest
from hypothesis import given, strategies as st

from realtime.state.freshness import LATE, Freshness, Instant, Quality

NOW = 1_794_166_412_000
STALE_AFTER_MS = 180_000
AT = Instant(NOW, 1_000.0)
LATER = Instant(NOW + 1, 1_000.001)


@pytest.mark.parametrize(
    ("freshness", "quality"),
    [
        (Freshness(), Quality.STARTING),
        (Freshness(problem="empty"), Quality.STARTING),
        (Freshness(problem="gone", reachable=False), Quality.DOWN),
        (Freshness(sampled_at=NOW), Quality.LIVE),
        (Freshness(sampled_at=NOW - STALE_AFTER_MS), Quality.LIVE),
        (Freshness(sampled_at=NOW - STALE_AFTER_MS - 1), Quality.STALE),
        (Freshness(sampled_at=NOW - STALE_AFTER_MS - 1, problem="gone", reachable=False), Quality.DOWN),
        (Freshness(sampled_at=NOW, problem="gone", reachable=False), Quality.LIVE),
        (Freshness(sampled_at=NOW, partial=True), Quality.PARTIAL),
        (Freshness(sampled_at=NOW - STALE_AFTER_MS - 1, partial=True), Quality.STALE),
    ],
)
def test_quality_is_judged_by_the_age_of_samples(freshness: Freshness, quality: Quality) -> None:
    """Old samples are stale however well the query went, and fresh ones are live though the last query failed."""
    assert freshness.quality(AT, STALE_AFTER_MS) == quality


@pytest.mark.parametrize(
    ("interval_ms", "fixed_ms", "stale_after_ms"),
    [
        (None, 0, 180_000),
        (5_000, 0, 30_000),
        (60_000, 0, 195_000),
        (300_000, 0, 915_000),
        (60_000, 7_000, 7_000),
    ],
)
def test_what_is_stale_depends_on_how_often_the_source_is_scraped(
    interval_ms: int | None, fixed_ms: int, stale_after_ms: int
) -> None:
    """Three of the source's own scrapes and some slack are stale, unless the operator says otherwise."""
    freshness = Freshness(sampled_at=NOW - stale_after_ms, interval_ms=interval_ms)

    assert freshness.quality(AT, fixed_ms) == Quality.LIVE
    assert freshness.quality(LATER, fixed_ms) == Quality.STALE


def test_faults_of_polling_are_named() -> None:
    """A failed poll is its own fault; one that went well but brought old samples is a late scrape."""
    failed = Freshness(sampled_at=NOW - 10**7, problem="nothing listens", code="POLL_FAILED")

    assert failed.faults(AT) == [{"code": "POLL_FAILED", "detail": "nothing listens"}]
    assert [fault["code"] for fault in Freshness(sampled_at=NOW - 10**7).faults(AT)] == ["SCRAPE_LATE"]
    assert "three" not in LATE  # the limit may be the operator's, or not learned yet
    assert Freshness(sampled_at=NOW).faults(AT) == Freshness().faults(AT) == []


def test_age_is_that_of_the_newest_sample() -> None:
    """The age counts from the sample's own time; a sample from the future is not younger than now."""
    assert Freshness().data_age_ms(AT) is None
    assert Freshness(sampled_at=NOW - 4_100).data_age_ms(AT) == 4_100
    assert Freshness(sampled_at=NOW + 9_000).data_age_ms(AT) == 0


@given(
    age=st.integers(0, 10_000),
    set_by=st.integers(-(10**9), 10**9),
    passed=st.integers(0, 10**7),
    asleep=st.integers(0, 10**7),
)
def test_data_is_as_old_as_the_clock_says_by_which_it_is_older(
    age: int, set_by: int, passed: int, asleep: int
) -> None:
    """Data is as old as the clock says by which it is older: no wall clock that is set, and no sleep, makes it young."""
    freshness = Freshness(sampled_at=NOW - age, seen=AT)
    now = Instant(NOW + passed + asleep + set_by, AT.seconds + passed / 1000)

    told = freshness.data_age_ms(now)

    assert told == max(age + passed, age + passed + asleep + set_by)


def test_a_clock_that_is_set_back_leaves_stale_data_stale() -> None:
    """When the wall clock goes back an hour while the source is silent, what was stale stays so."""
    freshness = Freshness(sampled_at=NOW, seen=AT)
    now = Instant(NOW - 3_600_000, AT.seconds + STALE_AFTER_MS / 1000 + 1)

    assert freshness.quality(now, STALE_AFTER_MS) == Quality.STALE
