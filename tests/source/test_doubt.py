"""Nobody is shown half a scrape, and nobody is taken back."""

import pytest

from realtime.source.doubt import SCRAPES_BEHIND, Doubt

SHOWN = 1_000_000
SCRAPE_MS = 15_000
LONGEST = 2.0


@pytest.fixture
def doubt() -> Doubt:
    """Of a source whose scrape of `SHOWN` is shown."""
    doubt = Doubt(LONGEST)
    doubt.believe(SHOWN, SHOWN + 500)
    return doubt


def test_what_is_as_late_as_what_is_shown_is_believed(doubt: Doubt) -> None:
    """A source that tells of what is shown, or of later, did not go back."""
    assert not any(doubt.went_back(SHOWN + later) for later in (0, 1, SCRAPE_MS))


def test_a_source_that_went_back_is_believed_when_it_goes_on_from_there(doubt: Doubt) -> None:
    """An earlier time is not believed, however often it is told; from the fourth scrape on it is the source's clock."""
    earlier = [SHOWN - 3_600_000 + number * SCRAPE_MS for number in range(SCRAPES_BEHIND + 1)]

    assert all(doubt.went_back(newest) for newest in earlier[:SCRAPES_BEHIND] for _ in range(5))
    assert not doubt.went_back(earlier[SCRAPES_BEHIND])


def test_a_source_that_catches_up_is_doubted_anew_when_it_goes_back_again(doubt: Doubt) -> None:
    """What a source told while it was behind counts no more once it told of later than what is shown."""
    for _ in range(3):
        assert doubt.went_back(SHOWN - 2 * SCRAPE_MS)
        assert doubt.went_back(SHOWN - SCRAPE_MS)
        assert not doubt.went_back(SHOWN + SCRAPE_MS)


def test_two_servers_that_are_behind_by_turns_are_two_scrapes(doubt: Doubt) -> None:
    """Servers that answer in turn, each with a time of its own, do not look like a source that goes on."""
    assert all(doubt.went_back(SHOWN - SCRAPE_MS * (1 + number % 2)) for number in range(20))


def test_our_clock_says_how_far_a_source_that_is_ahead_was_shown() -> None:
    """A source that was ahead of our clock and is set right is not behind."""
    doubt = Doubt(LONGEST)
    doubt.believe(SHOWN + 3_600_000, SHOWN)

    assert not doubt.went_back(SHOWN)


@pytest.mark.parametrize(
    ("body", "probed", "is_older"),
    [(-1, 0, True), (-1, 10, True), (0, 10, False), (-1, -1, False), (-2, -1, True)],
)
def test_a_body_from_before_its_probe_is_older(doubt: Doubt, body: int, probed: int, is_older: bool) -> None:
    """A body of less than is shown is old, unless the probe told of no more."""
    assert doubt.is_older(SHOWN + body, SHOWN + probed) is is_older


def test_half_a_scrape_is_awaited_until_it_is_whole(doubt: Doubt) -> None:
    """While samples are astray the rest is awaited; when none is, nothing is."""
    assert doubt.is_torn(7, 10.0)
    assert doubt.awaits
    assert not doubt.is_torn(0, 10.1)
    assert not doubt.awaits


def test_who_is_never_whole_has_his_time_once(doubt: Doubt) -> None:
    """Samples that stay astray for the longest wait are always so, and no more are awaited; more than these are."""
    assert [doubt.is_torn(7, seconds) for seconds in (10.0, 10.0 + LONGEST / 2, 10.0 + LONGEST)] == [
        True,
        True,
        False,
    ]
    assert not doubt.is_torn(7, 20.0)
    assert doubt.is_torn(8, 21.0)


def test_a_wait_that_was_given_up_begins_anew(doubt: Doubt) -> None:
    """After a failure the time of the next half scrape begins with that one."""
    assert doubt.is_torn(7, 10.0)
    doubt.await_nothing()
    assert not doubt.awaits

    assert doubt.is_torn(7, 10.0 + LONGEST)
