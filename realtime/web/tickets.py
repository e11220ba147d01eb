"""Tickets: for whoever can send no header. Each opens one stream, once, and soon."""

import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from realtime.web.caller import Caller

MOST: Final = 10_000
"""Tickets that wait to be used; past this the oldest, which ends first, is worth nothing any more."""


class Tickets:
    """Those that were given away and not yet used, as hashes."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._waiting: dict[bytes, tuple[float, Caller]] = {}
        """The first to end first."""

    def issue(self, caller: Caller) -> str:
        """A ticket by which this caller is known once."""
        now = self._clock()
        for digest, (until, _) in list(self._waiting.items()):
            if until > now and len(self._waiting) < MOST:
                break
            del self._waiting[digest]
        ticket = secrets.token_urlsafe(24)
        self._waiting[_digest(ticket)] = (now + self.seconds, caller)
        return ticket

    def redeem(self, ticket: str) -> Caller | None:
        """Whose it was; None if there is no such ticket, or no more."""
        until, caller = self._waiting.pop(_digest(ticket), (0.0, None))
        return caller if self._clock() < until else None

    def __len__(self) -> int:
        return len(self._waiting)


def _digest(ticket: str) -> bytes:
    return sha256(ticket.encode(errors="surrogatepass")).digest()
