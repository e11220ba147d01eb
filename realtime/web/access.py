"""The gate: who a request comes from, whether it may, and how many of its kind there are already.

One middleware, in front of every handler. A token comes as `Authorization: Bearer`, as the cookie of `POST /api/session`, or, for streams,
as a ticket; nothing here keeps one, and no message, log line or counter holds any of it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from realtime.config import Settings
from realtime.errors import RequestError
from realtime.stream import messages
from realtime.stream.messages import Message
from realtime.stream.subscriber import Outlet
from realtime.web.address import Addresses
from realtime.web.caller import ANYONE, CALLER, NOBODY, Caller, Proofs, Role, caller_of, refused
from realtime.web.cors import origin_allowed
from realtime.web.limits import OVERLOADED, Limits, Rate, Refusal
from realtime.web.refusal import refuse
from realtime.web.site import SITE, Site
from realtime.web.terms import ANY_ROLE, COOKIE, SECURE_COOKIE, TICKET, Terms
from realtime.web.tickets import Tickets
from realtime.web.tokens import Tokens

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EXPIRED: Final = 4002
"""Close code: the login has ended; come back with a new one."""

BAD_TOKEN: Final = 4500
"""Close code: no token, or one that is not known here."""

FORBIDDEN: Final = 4503
"""Close code: known, but not allowed."""

CLOSE_CODES: Final = {401: BAD_TOKEN, 403: FORBIDDEN, 503: OVERLOADED}

BEARER: Final = "bearer"

LOGGED_PER_SECOND: Final = 0.1
"""Refusals of one kind that are logged; they are all counted."""

log = structlog.get_logger()


class Visit:
    """A stream, and by whose leave it goes on."""

    __slots__ = ("_gate", "caller", "outlet")

    def __init__(self, gate: "Gate", caller: Caller) -> None:
        self._gate = gate
        self.caller = caller
        self.outlet: Outlet | None = None
        """Set when the stream has begun."""

    async def renew(self, token: str) -> None:
        """Go on by leave of another token of the same role. Raises RequestError, and then goes on as before."""
        caller = await self._gate.known(token)
        if caller.role is not self.caller.role:
            raise refused(f"this token is of role {caller.role}; this stream began as {self.caller.role}")
        self._gate.limits.rename(self.caller.name, caller.name)
        self.caller = caller


VISIT: Final = web.RequestKey("visit", Visit)


class Gate:
    """What stands in front of every handler."""

    def __init__(
        self,
        settings: Settings,
        proofs: Proofs | None,
        *,
        terms: Mapping[Handler, Terms],
        refusals: Counter[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`proofs` is None where nobody is asked for a token. Handlers that `terms` does not name want any role. `refusals` are counted by their code,
        whoever refuses.
        """
        self.addresses = Addresses(settings.trusted_proxies)
        self.limits = Limits(settings, clock)
        self.tickets = Tickets(settings.ticket_seconds, clock)
        self.visits: set[Visit] = set()
        self._proofs = proofs
        self._terms = terms
        self._refusals = refusals
        self._check_seconds = settings.auth_check_seconds
        self._logged = Rate(LOGGED_PER_SECOND, 0.0, clock)

    # -- the way in

    @property
    def middleware(self) -> Middleware:
        """The gate, as aiohttp wants it."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            ip = self.addresses.of(request)
            terms = self._terms.get(handler, ANY_ROLE)
            transport = terms.transport
            refusal = self.limits.count_request(ip)
            if refusal is None and self._proofs is not None:
                refusal = await self._admit(request, terms)
            if refusal is None and transport is None:
                return await handler(request)
            # A stream lives in here, so what follows is not a function of its own: that would be another frame for each.
            token = "" if self._proofs is None else caller_of(request).name
            if refusal is None:
                refusal = self.limits.enter(ip, token, lasting=transport != "longpoll")
            if refusal is not None:
                self._note(request, refusal, ip)
                return await refuse(request, transport, refusal)
            visit = self._begin(request)
            try:
                return await handler(request)
            finally:
                self.limits.leave(ip, token if visit is None else visit.caller.name)
                if visit is not None:
                    self.visits.discard(visit)

        return gate

    def _begin(self, request: web.Request) -> Visit | None:
        if self._proofs is None:
            return None
        visit = request[VISIT] = Visit(self, caller_of(request))
        self.visits.add(visit)
        return visit

    async def _admit(self, request: web.Request, terms: Terms) -> Refusal | None:
        """Find out who asks, and whether it may."""
        role = terms.role
        if role is None or request.method == hdrs.METH_OPTIONS:
            request[CALLER] = NOBODY
            return None
        try:
            caller = request[CALLER] = await self._identify(request, terms)
        except RequestError as error:
            unavailable = error.status == HTTPStatus.SERVICE_UNAVAILABLE
            seconds = request.app[SITE].retry_seconds(error.code) if unavailable else 0.0
            return Refusal(error.status, CLOSE_CODES[error.status], error.code, error.detail, seconds)
        if not caller.may(role):
            return Refusal(403, FORBIDDEN, "forbidden", f"this is for the role {role}, not {caller.role}")
        return None

    async def _identify(self, request: web.Request, terms: Terms) -> Caller:
        """Whose token or ticket a request shows. Raises RequestError."""
        if token := bearer_of(request):
            return await self.known(token)
        if terms.transport is not None and (ticket := request.query.get(TICKET)):
            caller = self.tickets.redeem(ticket)
            if caller is None or not self.stands(caller):
                raise refused("this ticket was used, or is too old: ask for another")
            return caller
        if token := request.cookies.get(self.cookie(request)):
            if not origin_allowed(request, cookie=True):
                raise RequestError(
                    "forbidden_origin", "a page of this origin may not use this login", status=403
                )
            return await self.known(token)
        raise RequestError("no_token", "this needs a token; /docs says how to show one", status=401)

    async def known(self, token: str) -> Caller:
        """Whose token this is. Raises RequestError."""
        if self._proofs is None:
            return ANYONE
        return await self._proofs.caller(token)

    def stands(self, caller: Caller) -> bool:
        """Whether this caller would still be let in, as the same."""
        return self._proofs is None or self._proofs.stands(caller)

    @property
    def wants_token(self) -> bool:
        """Whether anybody is asked for a token."""
        return self._proofs is not None

    def cookie(self, request: web.Request) -> str:
        """The cookie's name on this connection."""
        return SECURE_COOKIE if self.addresses.secure(request) else COOKIE

    def _note(self, request: web.Request, refusal: Refusal, ip: str | None) -> None:
        """Count a refusal, and now and then log one."""
        self.log_refusal(request, refusal.code, ip)
        self._refusals[refusal.code] += 1

    def log_refusal(self, request: web.Request, code: str, ip: str | None) -> None:
        """Log a refusal, unless one of its kind was just now: by the route, since what a caller wrote into a path or a query may be a token."""
        if not self._logged.take(code):
            resource = request.match_info.route.resource
            route = "none" if resource is None else resource.canonical
            log.warning("refused", code=code, route=route, ip=ip or "local", before=self._refusals[code])

    # -- the way out

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """While the server runs: learn what has changed, and end what is no longer allowed."""
        if self._proofs is None:
            yield
            return
        watching = asyncio.create_task(self._watch(self._proofs, app[SITE]))
        yield
        watching.cancel()
        await asyncio.wait({watching})
        await self._proofs.close()

    async def _watch(self, proofs: Proofs, site: Site) -> None:
        while True:
            await proofs.refresh()
            self.dismiss(site)
            await asyncio.sleep(self._check_seconds)

    def dismiss(self, site: Site) -> None:
        """End the streams whose login has ended."""
        for visit in [each for each in self.visits if not self.stands(each.caller)]:
            if visit.outlet is not None:
                self.visits.discard(visit)
                visit.outlet.end(messages.bye(EXPIRED, "your login has ended", site.retry_ms()), EXPIRED)


def proofs_of(settings: Settings) -> Proofs | None:
    """How tokens are told here; None if nobody is asked for one. Raises ConfigError."""
    match settings.auth:
        case "tokens":
            return Tokens(Path(settings.auth_tokens_file))
        case "jwt":
            from realtime.web.jwts import JsonWebTokens  # noqa: PLC0415 — cryptography takes its time to load

            return JsonWebTokens(settings)
    return None


GATE: Final = web.AppKey("gate", Gate)


def begun(request: web.Request, outlet: Outlet) -> Visit | None:
    """Note where a stream is told that it must end; None where nobody is asked for a token."""
    visit = request.get(VISIT)
    if visit is not None:
        visit.outlet = outlet
    return visit


def hello_to(request: web.Request) -> Message:
    """The first message for this caller: it lists the topics that exist for it."""
    hello = request.app[SITE].hello
    caller = caller_of(request)
    if caller.may(Role.VIEWER):
        return hello
    return Message("hello", orjson.dumps(orjson.loads(hello.json) | {"topics": caller.topics}))


def bearer_of(request: web.Request) -> str | None:
    """The token of an `Authorization` header."""
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() or None if kind.lower() == BEARER else None
