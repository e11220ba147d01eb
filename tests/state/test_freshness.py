import pytest

from realtime.state.freshness import Freshness, Quality

NOW = 1_794_166_412_000
STALE_AFTER_MS = 180_000


@pytest.mark.parametrize(
    ("freshness", "quality"),
    [
        (Freshness(), Quality.STARTING),
        (Freshness(polled=True, problem="empty"), Quality.STARTING),
        (Freshness(polled=True, problem="gone", reachable=False), Quality.DOWN),
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
    assert freshness.quality(NOW, STALE_AFTER_MS) == quality


def test_age_is_that_of_the_newest_sample() -> None:
    """The age counts from the sample's own time; a sample from the future is not younger than now."""
    assert Freshness().data_age_ms(NOW) is None
    assert Freshness(sampled_at=NOW - 4_100).data_age_ms(NOW) == 4_100
    assert Freshness(sampled_at=NOW + 9_000).data_age_ms(NOW) == 0
