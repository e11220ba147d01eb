"""The door itself: connections, and what HTTP says before any handler is asked."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest

from realtime.config import Settings
from realtime.web.headers import ALWAYS
from realtime.web.problem import problem
from realtime.web.site import SITE
from realtime.web.tcp import acknowledged, reset, unacknowledged, unsent

LINGERING_SECONDS: Final = 1.0
"""After so long nobody waits for the rest of a body that was not asked for."""

CONTINUE: Final = "100-continue"

Answer = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

LOOKS_AFTER: Final = 2
"""Slow readers' timeouts between two looks at whether answers are read. Readers of streams are the hubs' to judge, which are quicker."""

log = structlog.get_logger()


class Connection(web.RequestHandler):
    """A connection. What cannot be read as a request is answered with a problem, and not logged: aiohttp would quote it, tokens and all."""

    __slots__ = ()

    def log_exception(self, *arguments: Any, **named: Any) -> None:
        """Log what is our fault: a body that cannot be unpacked, or is no body, is its sender's."""
        if not isinstance(sys.exception(), web.RequestPayloadError):
            super().log_exception(*arguments, **named)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        # Else a WebSocket that was closed properly is in a cycle with its connection, and waits for a full garbage collection, which is rare.
        self._data_received_cb = None

    def handle_error(
        self,
        request: BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer with a problem, and close."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        return _no_request(status, "this is not a request that HTTP allows, or a part of it is too long")


def _no_request(status: int, detail: str) -> web.Response:
    """What is answered before any handler is asked."""
    response = problem(status, detail, code="bad_request")
    response.headers.update(ALWAYS)
    response.force_close()
    return response


def expecting(handler: Answer) -> Answer:
    """Refuse what nobody can expect of a server, in front of the application: aiohttp would quote it, which fails where it is no text.

    A plain function, so that a stream has no frame more.
    """

    def answer(request: BaseRequest) -> Awaitable[web.StreamResponse]:
        expected = request.headers.get(hdrs.EXPECT)
        if expected and expected.lower() != CONTINUE:
            return _refuse()
        return handler(request)

    return answer


async def _refuse() -> web.StreamResponse:
    return _no_request(HTTPStatus.EXPECTATION_FAILED, f"nothing but {CONTINUE} can be expected here")


class Listening(web.Server):
    """Takes connections, and drops those that ask nothing, or do not read what they asked for.

    aiohttp has no such limits; tests hold its names to these.
    """

    def begin(self, settings: Settings) -> None:
        """To be called once, in place of `__init__`."""
        self.first_request_seconds = settings.first_request_seconds
        self.deadlines: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        """Of connections that are younger than that. Whoever leaves before takes it along: else it would hold all that the connection was."""
        self.look_seconds = LOOKS_AFTER * settings.slow_reader_timeout_seconds
        self.taken: dict[web.RequestHandler, int] = {}
        """Of those for whom anything waited at the last look: a number that changes with what they take."""
        self.looking = self._loop.call_later(self.look_seconds, self._look)

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: Any) -> None:
        super().connection_made(handler, transport)
        self.deadlines[handler] = self._loop.call_later(
            self.first_request_seconds, self._drop_if_silent, handler, transport
        )

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.taken.pop(handler, None)
        if deadline := self.deadlines.pop(handler, None):
            deadline.cancel()

    def _drop_if_silent(self, handler: web.RequestHandler, transport: Any) -> None:
        self.deadlines.pop(handler, None)
        if not handler._request_count and not transport.is_closing():  # noqa: SLF001
            transport.abort()

    def _look(self) -> None:
        """Reset whoever has taken nothing of what waits for it since the last look, though aiohttp may have closed it by now: what the kernel
        has not taken would stay for ever.
        """
        # First: no mistake may end all looking.
        self.looking = self._loop.call_later(self.look_seconds, self._look)
        before, self.taken = self.taken, {}
        unread = 0
        # A handler forgets a transport that it has closed, and the server does not until the connection is lost.
        for handler, transport in self._connections.items():
            if not waits(transport):
                continue
            took = acknowledged(transport)
            taken = -unsent(transport) - unacknowledged(transport) if took is None else took
            if taken == before.get(handler):
                reset(transport)
                unread += 1
            else:
                self.taken[handler] = taken
        if unread:
            log.info("answers were not read", connections=unread)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 — aiohttp's
        self.looking.cancel()
        await super().shutdown(timeout)


def waits(transport: Any) -> bool:
    """Whether there is anything that the other side has yet to take. What TLS holds back is in nobody's buffer size."""
    try:
        encrypted = transport.get_extra_info("ssl_object") is not None
    except AttributeError:
        return False  # so says asyncio's TLS of a connection that was closed twice
    return unsent(transport) > 0 or (encrypted and unacknowledged(transport) > 0)


class Runner(web.AppRunner):
    """Runs the application with the limits of the configuration."""

    def __init__(self, app: web.Application) -> None:
        settings = app[SITE].settings
        super().__init__(
            app,
            # Without it an event stream outlives its reader until the next write.
            handler_cancellation=True,
            # `bye` has been said and awaited by then; what is left is cut off.
            shutdown_timeout=1.0,
            access_log=None,
            max_line_size=settings.max_header_kib * 1024,
            max_field_size=settings.max_header_kib * 1024,
            keepalive_timeout=settings.keep_alive_seconds,
            lingering_time=LINGERING_SECONDS,
        )

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # aiohttp has no way to say which class of connection to make.
        server.__class__ = Listening
        server.request_handler = expecting(server.request_handler)
        server.begin(self.app[SITE].settings)  # type: ignore[attr-defined]
        return server
