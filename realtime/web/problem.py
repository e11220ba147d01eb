"""Errors on their way out: RFC 9457 problems, with a member `error` for clients of the replaced backend.

A problem tells what the reader can do about it, and never an upstream URL, a credential or a traceback.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import orjson
import structlog
from aiohttp import web

from realtime.errors import RequestError, SourceError, SourceUnavailable
from realtime.web.site import SITE

log = structlog.get_logger()


def problem(
    status: int, detail: str, *, code: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    """A problem details object as a response."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error": detail,
    }
    if code:
        body["code"] = code
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem."""
    try:
        return await handler(request)
    except RequestError as error:
        request.app[SITE].door.refusals[error.code] += 1
        return problem(
            error.status,
            error.detail,
            code=error.code,
            headers=retry_after(request.app[SITE].retry_seconds(error.code))
            if error.status == HTTPStatus.SERVICE_UNAVAILABLE
            else None,
        )
    except SourceError as error:
        status = (
            HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, SourceUnavailable) else HTTPStatus.BAD_GATEWAY
        )
        return problem(
            status,
            str(error),
            code="source_failed",
            headers=retry_after(request.app[SITE].retry_seconds("source_failed")),
        )
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        kept = {name: value for name, value in error.headers.items() if name in ("Allow", "Upgrade")}
        return problem(error.status, _explain(error, request), headers=kept)
    except Exception as error:
        if isinstance(error, ConnectionResetError) and _has_left(request):
            return web.Response()  # which aiohttp finds nobody to send to; of thousands who return at once, hundreds leave like that
        log.exception("a handler failed", path=request.path)
        if request.task.cancelling():
            raise
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is our fault; the server's log says more")


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to ask again, in whole seconds."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _explain(error: web.HTTPException, request: web.Request) -> str:
    if isinstance(error, web.HTTPNotFound):
        return "there is nothing here; /docs lists what there is"
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{request.method} is not allowed here; allowed: {', '.join(sorted(error.allowed_methods))}"
    return error.text or error.reason
