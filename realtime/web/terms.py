"""On what terms an address is served: to which role, shown how, refused how. The gate asks, and the documents tell, by the one table in
`routes.py`, so neither can say what the other does not.
"""

from typing import Any, Final, Literal, NamedTuple

from realtime.config import Settings
from realtime.web.caller import Role

Transport = Literal["websocket", "sse", "longpoll"]

COOKIE: Final = "realtime"
SECURE_COOKIE: Final = "__Host-realtime"
"""Where the connection is encrypted. A browser takes a cookie of this name from this host alone, and only over TLS."""

TICKET: Final = "ticket"
"""What holds one, in a stream's query."""

LEAST: Final = Role.KIOSK
"""Enough for every address that names no other role."""

AN_UPGRADE: Final = " (an upgrade is opened, told `bye` and closed)"

OPEN: Final = "Nobody is asked for a token."
CLOSED: Final = (
    "A token is asked for. Its role: `kiosk` sees everything live but people, `viewer` everything live, `admin` also who is connected and "
    "the server's own figures. Each role may do what those before it may; the least that is enough is named."
)


class Terms(NamedTuple):
    """What an address wants of who comes, where tokens are asked for."""

    role: Role | None = LEAST
    """The least that is enough; None: no token is looked at."""

    transport: Transport | None = None
    """Of what holds a connection for long."""

    def proofs(self, settings: Settings) -> tuple[str, ...]:
        """The schemes of which one is enough; none where nobody is asked."""
        if self.role is None or settings.auth == "none":
            return ()
        return ("bearer", "cookie", "ticket") if self.transport else ("bearer", "cookie")

    def refusals(self, settings: Settings) -> dict[int, list[str]]:
        """What the gate answers by itself, by status, and when. Not that there is no room for an event stream: that begins, says `bye`, ends."""
        told: dict[int, list[str]] = {}

        def tell(status: int, says: str, *, softly: bool = self.transport == "websocket") -> None:
            told.setdefault(status, []).append(f"{says}{AN_UPGRADE}" if softly else says)

        if self.transport != "sse":
            tell(429, "too many requests, or too many streams, of this caller")
        if self.transport in ("websocket", "longpoll"):
            tell(503, "no room for another stream")
        if self.proofs(settings):
            tell(401, "no token, or one that is not known here")
            tell(403, "a cookie that a page of this origin may not use", softly=False)
            if self.role is not LEAST:
                tell(403, f"a token of a role below `{self.role}`")
            if settings.auth == "jwt":
                tell(403, "a token without a role")
                if self.transport != "sse":
                    tell(503, "tokens cannot be checked now")
        return told


ANY_ROLE: Final = Terms()
EVERYONE: Final = Terms(None)

Table = dict[tuple[str, str], Terms]
"""Method and path → terms."""


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
