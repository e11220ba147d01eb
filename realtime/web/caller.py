"""Who asks, and what that one may see."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from aiohttp import web

from realtime.errors import RequestError
from realtime.state.view import TOPICS


class Role(StrEnum):
    """What a caller may see; each of these sees what the one before does, and more."""

    KIOSK = "kiosk"
    """For walls that anybody passes: everything but people. Names of users are withheld and not replaced by pseudonyms, since who knows that
    ann runs 400 jobs tonight knows which pseudonym is ann, and from then on all that it does."""
    VIEWER = "viewer"
    """Everything live."""
    ADMIN = "admin"
    """Also who is connected, and the server's own metrics."""


RANK: Final = {role: rank for rank, role in enumerate(Role)}

PEOPLE: Final = ("users",)
"""Topics that name people. A view without them is a view as any other, so kiosks share their messages, and with whoever else asks for it."""

TOPICS_OF_KIOSKS: Final = tuple(topic for topic in TOPICS if topic not in PEOPLE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who was let in."""

    role: Role
    name: str
    """For limits and the log; never a token."""
    expires_at: float | None = None
    """Epoch seconds; None: never."""
    proof: bytes = b""
    """The hash of the token."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that exist for this caller."""
        return TOPICS_OF_KIOSKS if self.role is Role.KIOSK else TOPICS

    def may(self, role: Role) -> bool:
        """Whether it may do what this role may."""
        return RANK[self.role] >= RANK[role]


ANYONE: Final = Caller(Role.ADMIN, "")
"""Everyone, where `auth` is `none`: who can reach the port may see everything, as in the backend that this server replaces."""

NOBODY: Final = Caller(Role.KIOSK, "")
"""Who has shown no token, at addresses that need none."""

CALLER: Final = web.RequestKey("caller", Caller)


def caller_of(request: web.Request) -> Caller:
    """Who sent a request."""
    caller: Caller = request.get(CALLER, ANYONE)
    return caller


class Proofs(Protocol):
    """One way to tell from a token who its bearer is."""

    async def caller(self, token: str) -> Caller:
        """Whose token this is. Raises RequestError: 401, or 503 if it cannot be told now."""

    def stands(self, caller: Caller) -> bool:
        """Whether this caller would still be let in, as the same."""

    async def refresh(self) -> None:
        """Learn what has changed; called again and again, beside the requests."""

    async def close(self) -> None:
        """Give back what is held."""


def refused(detail: str) -> RequestError:
    """A token that lets nobody in. The text never holds any of it."""
    return RequestError("bad_token", detail, status=401)
