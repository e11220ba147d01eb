"""How a refusal is told on each transport.

A browser's page never learns the status of a WebSocket that was not opened, and an EventSource that hears any status but 200 stops for ever.
So a WebSocket is opened, told `bye`, and closed; an event stream for which there is no room now is opened, told `bye`, and ended; all else is
a problem (RFC 9457).
"""

import math
from http import HTTPStatus
from typing import Final

from aiohttp import web

from realtime.stream import messages
from realtime.web.limits import OVERLOADED, TOO_MANY, Refusal
from realtime.web.problem import problem, retry_after
from realtime.web.site import SITE

PARTING_SECONDS: Final = 1.0
"""How long who was refused has to answer the close."""

NO_ROOM: Final = (OVERLOADED, TOO_MANY)


async def refuse(request: web.Request, transport: str | None, refusal: Refusal) -> web.StreamResponse:
    """Say no; `transport` is None for what is no stream."""
    if transport == "websocket" and refusal.code != "forbidden_origin":
        socket = web.WebSocketResponse(compress=False, timeout=PARTING_SECONDS, max_msg_size=1024)
        if can_open(socket, request):
            return await _close(request, socket, refusal)
    if transport == "sse" and refusal.close_code in NO_ROOM:
        return await _end(request, refusal)
    headers = retry_after(refusal.retry_seconds) if refusal.status in (429, 503) else {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer" + (
            ' error="invalid_token"' if refusal.code == "bad_token" else ""
        )
    return problem(refusal.status, refusal.detail, code=refusal.code, headers=headers)


def can_open(socket: web.WebSocketResponse, request: web.Request) -> bool:
    """Whether the request is a WebSocket's handshake."""
    try:
        return bool(socket.can_prepare(request))
    except ValueError:
        return False  # a key that is no ASCII, which aiohttp does not expect


def _bye(request: web.Request, refusal: Refusal) -> tuple[messages.Message, int]:
    site = request.app[SITE]
    retry_ms = max(site.retry_ms(), math.ceil(1000 * refusal.retry_seconds))
    return messages.bye(refusal.close_code, refusal.detail, retry_ms), retry_ms


async def _close(request: web.Request, socket: web.WebSocketResponse, refusal: Refusal) -> web.StreamResponse:
    await socket.prepare(request)
    message, _ = _bye(request, refusal)
    if request.transport is not None and not request.transport.is_closing():
        request.transport.write(message.frame)
        await socket.close(code=refusal.close_code)
    return socket


async def _end(request: web.Request, refusal: Refusal) -> web.StreamResponse:
    message, retry_ms = _bye(request, refusal)
    # No EventSourceResponse: that is made to last, and has a task of its own.
    return web.Response(
        body=b"retry: %d\n\n%s" % (retry_ms, message.event),
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache, no-transform",
            "Connection": "close",
        },
    )
