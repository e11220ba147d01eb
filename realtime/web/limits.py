"""How much one caller may take. Counting is paid once a request or connection, never once a message."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from realtime.config import Settings

BURST_SECONDS: Final = 10.0
"""So many seconds' worth of requests may come at once."""

MOST_KEYS: Final = 65_536
"""Callers remembered by one rate; those who have long been silent are forgotten first."""

OVERLOADED: Final = 1013
"""Close code: no room now; come back after `retryMs`."""

TOO_MANY: Final = 4504
"""Close code: this caller has too many connections."""


class Refusal(NamedTuple):
    """A no, in the words of each transport."""

    status: int
    close_code: int
    code: str
    """For programs."""
    detail: str
    retry_seconds: float = 1.0
    """When asking again may help."""


def after(due: float, now: float, interval: float, burst: float) -> float | None:
    """When a caller will have used up no more than its share, if one more event happens now; None if that is too much at once.

    The generic cell rate algorithm of ATM: one number is all that is kept of a caller.
    """
    due = max(due, now)
    return None if due - now > burst else due + interval


class Rate:
    """So many events a second for each key in the long run, and some at once.

    Measured at 1 us a question on a busy machine, where the `limits` package's windows took 25 to 90.
    """

    def __init__(
        self, per_second: float, burst_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1 / per_second
        self._burst = burst_seconds
        self._clock = clock
        self._due: dict[str, float] = {}

    def take(self, key: str) -> float:
        """0 if it may happen now, which is then counted; else in how many seconds."""
        now = self._clock()
        before = self._due.get(key, now)
        due = after(before, now, self._interval, self._burst)
        if due is None:
            return before - now - self._burst
        self._due[key] = due
        if len(self._due) > MOST_KEYS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop callers whose whole share is free again; if that leaves too many, also those that have been here longest."""
        self._due = {key: due for key, due in self._due.items() if due > now}
        for key in list(self._due)[: MOST_KEYS // 2] if len(self._due) > MOST_KEYS // 2 else ():
            del self._due[key]


class Limits:
    """Who holds how many streams, and how often who asks. An address of None is this host's own, and is not counted."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = settings.max_connections
        self._most_per_ip = settings.max_connections_per_ip
        self._most_per_token = settings.max_connections_per_token
        self._requests = Rate(settings.max_requests_per_second, BURST_SECONDS, clock)
        self._openings = Rate(settings.max_new_connections_per_second, 1.0, clock)
        self.open = 0
        """Streams open now."""
        self.by_ip: Counter[str] = Counter()
        self.by_token: Counter[str] = Counter()

    def count_request(self, ip: str | None) -> Refusal | None:
        """Count a request."""
        if ip is None or not (seconds := self._requests.take(ip)):
            return None
        return Refusal(429, OVERLOADED, "too_many_requests", "too many requests from this address", seconds)

    def enter(self, ip: str | None, token: str, *, lasting: bool) -> Refusal | None:
        """Take a place for a stream; `lasting`: one that is opened once, not again after each message."""
        if self.open >= self._most:
            return Refusal(
                503, OVERLOADED, "overloaded", "this server has as many connections as it may have"
            )
        if ip is not None and self.by_ip[ip] >= self._most_per_ip:
            return Refusal(
                429, TOO_MANY, "too_many_connections", "too many connections from this address", 10.0
            )
        if token and self.by_token[token] >= self._most_per_token:
            return Refusal(
                429, TOO_MANY, "too_many_connections", "too many connections with this token", 10.0
            )
        if lasting and (seconds := self._openings.take("")):
            return Refusal(503, OVERLOADED, "overloaded", "too many connections are being opened", seconds)
        self.open += 1
        if ip is not None:
            self.by_ip[ip] += 1
        if token:
            self.by_token[token] += 1
        return None

    def leave(self, ip: str | None, token: str) -> None:
        """Give the place back."""
        self.open -= 1
        if ip is not None:
            _lower(self.by_ip, ip)
        if token:
            _lower(self.by_token, token)

    def rename(self, before: str, after: str) -> None:
        """A stream goes on with another token."""
        _lower(self.by_token, before)
        self.by_token[after] += 1


def _lower(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
