"""Who is let in, and how refused, as both documents tell it: made of the terms by which the gate asks."""

from typing import Any, Final

from realtime.config import Settings
from realtime.web.terms import COOKIE, LEAST, SECURE_COOKIE, TICKET, Terms

AN_UPGRADE: Final = " (an upgrade is opened, told `bye` and closed)"
NO_ROLE: Final = "a token without a role"
NO_KEYS: Final = "tokens cannot be checked now"
"""Of JWTs alone."""

OPEN: Final = "Nobody is asked for a token."
CLOSED: Final = (
    "A token is asked for. Its role: `kiosk` sees everything live but people, `viewer` everything live, `admin` also who is connected and "
    "the server's own figures. Each role may do what those before it may; the least that is enough is named."
)


def refusals(terms: Terms, settings: Settings) -> dict[int, list[str]]:
    """What the gate answers by itself, by status, and when. Not that there is no room for an event stream: that begins, says `bye`, ends."""
    transport = terms.transport
    told: dict[int, list[str]] = {}

    def tell(status: int, says: str, *, softly: bool = transport == "websocket") -> None:
        told.setdefault(status, []).append(f"{says}{AN_UPGRADE}" if softly else says)

    if transport is None:
        tell(429, "too many requests of this caller")
    elif transport != "sse":
        tell(429, "too many requests, or too many streams, of this caller")
    if transport in ("websocket", "longpoll"):
        tell(503, "no room for another stream")
    if terms.proofs(settings):
        tell(401, "no token, or one that is not known here")
        tell(403, "a cookie that a page of this origin may not use", softly=False)
        if terms.role is not LEAST:
            tell(403, f"a token of a role below `{terms.role}`")
        if settings.auth == "jwt":
            tell(403, NO_ROLE)
            if transport != "sse":
                tell(503, NO_KEYS)
    return told


def schemes(settings: Settings, *, secure: bool) -> dict[str, dict[str, Any]]:
    """How a caller shows who it is, in OpenAPI's words; `secure`: over an encrypted connection."""
    if settings.auth == "none":
        return {}
    bearer = {
        "type": "http",
        "scheme": "bearer",
        "description": "For whoever can send headers.",
    }
    if settings.auth == "jwt":
        bearer["bearerFormat"] = "JWT"
    return {
        "bearer": bearer,
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": SECURE_COOKIE if secure else COOKIE,
            "description": "For pages: from `POST /api/session`, which takes a token.",
        },
        "ticket": {
            "type": "apiKey",
            "in": "query",
            "name": TICKET,
            "description": "For what can send neither: from `POST /api/tickets`, good for one stream, once, "
            f"within {settings.ticket_seconds:g} s.",
        },
    }


def who_may(settings: Settings) -> str:
    """Whether anybody is asked, in words for both documents."""
    return OPEN if settings.auth == "none" else CLOSED
