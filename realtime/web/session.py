"""`/api/session` and `/api/tickets`: how a browser, which can put a token into no header of a stream, shows who it is.

The cookie holds the token itself, so a restart logs nobody out and a revoked token ends it too. No script can read it (HttpOnly), and no
other site's page can make a browser send it (SameSite=Strict). It outlives the browser, since a wall display must come back by itself after a
power cut: until the token's end, or for `cookie_days` if it has none.
"""

import time
from typing import Any

import orjson
from aiohttp import hdrs, web

from realtime.errors import RequestError
from realtime.web.access import GATE, Gate, bearer_of
from realtime.web.caller import Caller, caller_of, refused
from realtime.web.cors import origin_allowed
from realtime.web.site import SITE

DAY_SECONDS = 86_400

MOST_COOKIE_BYTES = 4_000
"""Browsers drop a cookie of more than 4,096 bytes, its name and attributes among them, without a word."""


async def log_in(request: web.Request) -> web.Response:
    """`POST /api/session`: a token in, a cookie out."""
    gate = _gate_of(request)
    token = bearer_of(request) or await _token_in(request)
    try:
        caller = await gate.known(token)
        # A JWT is let in for a while after its end, since clocks differ; but a cookie of it would be gone at once, without a word.
        if caller.expires_at is not None and caller.expires_at - time.time() < 1:
            raise refused("this token has expired")
    except RequestError as error:
        # Here it is the handler that refuses, and not the gate; `problem.py` counts it.
        gate.log_refusal(request, error.code, gate.addresses.of(request))
        raise
    if len(token) > MOST_COOKIE_BYTES:
        raise RequestError("bad_parameter", "token is too long for a cookie; send it as a header", status=400)
    response = _json(200, {"role": caller.role, **_until(caller)})
    _set(gate, request, response, token, _kept_seconds(request, caller))
    return response


async def who(request: web.Request) -> web.Response:
    """`GET /api/session`: who the caller is logged in as, and whether by a cookie: no script can see that there is one, and so something to log out of."""
    caller = caller_of(request)
    # There is no third way but for streams.
    by_cookie = request.app[GATE].wants_token and bearer_of(request) is None
    return _json(200, {"role": caller.role, **_until(caller), "cookie": by_cookie})


async def log_out(request: web.Request) -> web.Response:
    """`DELETE /api/session`: the cookie's end. Streams that it opened are closed by the page that has them."""
    gate = _gate_of(request)
    response = web.Response(status=204, headers={"Cache-Control": "no-store"})
    _set(gate, request, response, "", 0)
    return response


async def ticket(request: web.Request) -> web.Response:
    """`POST /api/tickets`: one stream may be opened with `?ticket=`, once and soon."""
    gate = _gate_of(request)
    issued = gate.tickets.issue(caller_of(request))
    return _json(201, {"ticket": issued, "expiresInSeconds": gate.tickets.seconds})


def _gate_of(request: web.Request) -> Gate:
    gate = request.app[GATE]
    if not gate.wants_token:
        raise RequestError("no_login", "this server asks nobody for a token (auth: none)", status=404)
    if not origin_allowed(request, cookie=hdrs.ORIGIN in request.headers):
        raise RequestError("forbidden_origin", "a page of this origin may not log in here", status=403)
    return gate


async def _token_in(request: web.Request) -> str:
    """The body's `token`. Raises RequestError."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        body = None
    token = body.get("token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token:
        raise RequestError("bad_parameter", 'the body must be {"token": "…"}, or the token a bearer\'s')
    return token


def _kept_seconds(request: web.Request, caller: Caller) -> int | None:
    """How long a browser keeps the cookie; None: until it is closed."""
    if caller.expires_at is not None:
        return int(caller.expires_at - time.time())
    days = request.app[SITE].settings.cookie_days
    return days * DAY_SECONDS if days else None


def _set(gate: Gate, request: web.Request, response: web.Response, value: str, seconds: int | None) -> None:
    response.set_cookie(
        gate.cookie(request),
        value,
        max_age=seconds,
        path="/",
        secure=gate.addresses.secure(request),
        httponly=True,
        samesite="Strict",
    )


def _until(caller: Caller) -> dict[str, Any]:
    return {} if caller.expires_at is None else {"expiresAt": int(caller.expires_at * 1000)}


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
