"""How much one caller may take."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from realtime.config import Settings
from realtime.web import limits
from realtime.web.limits import OVERLOADED, TOO_MANY, Limits, Rate
from tests.fakes import FakeClock


def made(clock: FakeClock | None = None, **settings: Any) -> Limits:
    return Limits(Settings(**{"_env_file": None, **settings}), clock or FakeClock())


# -- rates


def test_some_at_once_then_as_many_as_a_second_has() -> None:
    """A burst is let through, then one event an interval, and the wait that is told is true."""
    clock = FakeClock()
    rate = Rate(8, 2.0, clock)

    assert sum(not rate.take("a") for _ in range(100)) == 17
    assert rate.take("a") == 0.125
    clock.seconds += rate.take("a") + 1e-6
    assert not rate.take("a")
    assert rate.take("a")


def test_callers_do_not_share() -> None:
    """What one has used up another still has."""
    rate = Rate(1, 0.0, FakeClock())

    assert [bool(rate.take(key)) for key in "aabb"] == [False, True, False, True]


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 50))
def test_never_more_than_the_rate(pauses: list[float], per_second: int) -> None:
    """However the events come, no more pass than the burst, and the rate times the time that has passed."""
    clock = FakeClock()
    start = clock.seconds
    rate = Rate(per_second, 1.0, clock)
    passed = 0
    for pause in pauses:
        clock.seconds += pause
        passed += not rate.take("a")

    assert passed <= per_second * (clock.seconds - start + 1.0) + 1 + 1e-6


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever new callers do not fill the memory, and those who owe most lately are not forgotten for them."""
    monkeypatch.setattr(limits, "MOST_KEYS", 100)
    clock = FakeClock()
    rate = Rate(1, 5.0, clock)
    for number in range(1_000):
        rate.take(str(number))

    assert len(rate._due) <= 101
    assert "999" in rate._due

    clock.seconds += 60
    for number in range(150):
        rate.take(f"later {number}")

    assert "999" not in rate._due


# -- places


def test_places_are_given_back() -> None:
    """After everyone has left nothing is counted any more."""
    counted = made(max_connections=2)
    assert counted.enter("192.0.2.1", "ann", lasting=True) is None
    assert counted.enter(None, "", lasting=True) is None
    assert counted.enter("192.0.2.2", "", lasting=True) is not None
    counted.leave("192.0.2.1", "ann")
    counted.leave(None, "")

    assert (counted.open, dict(counted.by_ip), dict(counted.by_token)) == (0, {}, {})
    assert counted.enter("192.0.2.2", "", lasting=True) is None


@pytest.mark.parametrize(
    ("settings", "status", "close_code"),
    [
        ({"max_connections": 3}, 503, OVERLOADED),
        ({"max_connections_per_ip": 3}, 429, TOO_MANY),
        ({"max_connections_per_token": 3}, 429, TOO_MANY),
        ({"max_new_connections_per_second": 2}, 503, OVERLOADED),
    ],
)
def test_each_limit_refuses_the_next(settings: dict[str, int], status: int, close_code: int) -> None:
    """The fourth is refused, in the words of that limit, and takes no place."""
    counted = made(None, **settings)
    refusals = [counted.enter("192.0.2.1", "ann", lasting=True) for _ in range(4)]

    assert refusals[:3] == [None] * 3
    assert refusals[3] is not None
    assert (refusals[3].status, refusals[3].close_code) == (status, close_code)
    assert (counted.open, counted.by_ip["192.0.2.1"], counted.by_token["ann"]) == (3, 3, 3)


def test_others_are_not_refused_for_one() -> None:
    """One address or token that has too many leaves the others their places."""
    counted = made(max_connections_per_ip=1, max_connections_per_token=1)
    assert counted.enter("192.0.2.1", "ann", lasting=True) is None
    assert counted.enter("192.0.2.2", "ann", lasting=True) is not None
    assert counted.enter("192.0.2.1", "bob", lasting=True) is not None
    assert counted.enter("192.0.2.2", "bob", lasting=True) is None


def test_this_hosts_own_are_not_counted() -> None:
    """A process of this host has no limit of its own, only everyone's."""
    counted = made(max_connections_per_ip=1, max_requests_per_second=1, max_connections=50)

    assert not any(counted.enter(None, "", lasting=True) for _ in range(50))
    assert not any(counted.count_request(None) for _ in range(1_000))
    assert counted.enter(None, "", lasting=True) is not None


def test_a_long_poll_is_not_opened_anew() -> None:
    """Readers that poll come back after each message, all at once, and are not refused for it."""
    counted = made(max_new_connections_per_second=1)

    for _ in range(100):
        assert counted.enter(None, "", lasting=False) is None
        counted.leave(None, "")


def test_requests_are_counted_by_address() -> None:
    """Ten seconds' worth of requests may come at once, then it is told how long to wait."""
    clock = FakeClock()
    counted = made(clock, max_requests_per_second=2)
    answers = [counted.count_request("192.0.2.1") for _ in range(22)]

    assert answers[:21] == [None] * 21
    assert answers[21] is not None
    assert answers[21].status == 429
    assert answers[21].retry_seconds == pytest.approx(0.5)
    assert counted.count_request("192.0.2.2") is None


def test_a_stream_may_change_its_token() -> None:
    """What is counted for one token is counted for the next."""
    counted = made()
    counted.enter(None, "ann", lasting=True)
    counted.rename("ann", "bob")

    assert dict(counted.by_token) == {"bob": 1}
