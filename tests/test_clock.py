"""The wall clock."""

import time

from realtime.clock import iso, now_ms


def test_now_is_in_milliseconds() -> None:
    """The clock tells milliseconds since 1970."""
    assert abs(now_ms() - time.time() * 1000) < 60_000


def test_an_instant_is_told_in_utc() -> None:
    """An instant has three digits of a second, and says that it is UTC."""
    assert iso(1_794_166_412_007) == "2026-11-08T19:33:32.007Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"
