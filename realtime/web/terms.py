"""On what terms an address is served: to which role, shown how. The gate asks by them, and `admission.py` tells them in the documents, both by
the one table in `routes.py`, so neither can say what the other does not.
"""

from typing import Final, Literal, NamedTuple

from realtime.config import Settings
from realtime.web.caller import Role

Transport = Literal["websocket", "sse", "longpoll"]

COOKIE: Final = "realtime"
SECURE_COOKIE: Final = "__Host-realtime"
"""Where the connection is encrypted. A browser takes a cookie of this name from this host alone, and only over TLS."""

TICKET: Final = "ticket"
"""The parameter of a stream's query that carries a ticket."""

LEAST: Final = Role.KIOSK
"""Enough for every address that names no other role."""


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


ANY_ROLE: Final = Terms()
EVERYONE: Final = Terms(None)

Table = dict[tuple[str, str], Terms]
"""Method and path → terms."""
