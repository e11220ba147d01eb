"""Which pages may read this server.

aiohttp-cors answers preflights and marks the responses of its routes. It leaves three gaps, closed here: no `Vary: Origin`, nothing on
404 and 405, and no say in WebSockets, which no browser's same-origin rule protects.
"""

from urllib.parse import urlsplit

import aiohttp_cors
from aiohttp import hdrs, web

from realtime.web.site import SITE

EXPOSED = ("ETag", "Link", "Retry-After", "X-Cursor", "X-Data-Age", "X-Data-Quality", "X-Total-Count")


def setup(app: web.Application, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read every route; `*` lets all, and then never with credentials."""
    options = {
        origin: aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
            allow_credentials=origin != "*", expose_headers=EXPOSED, allow_headers="*", allow_methods="*"
        )
        for origin in origins
    }
    cors = aiohttp_cors.setup(app, defaults=options)
    for route in list(app.router.routes()):
        if route.method != hdrs.METH_HEAD:
            cors.add(route)
    app.on_response_prepare.append(_fill_gaps)


def _allowed(origin: str, origins: tuple[str, ...]) -> bool:
    return "*" in origins or origin in origins


async def _fill_gaps(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    origin = request.headers.get(hdrs.ORIGIN)
    origins = request.app[SITE].settings.cors_origin
    if origin and hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in response.headers and _allowed(origin, origins):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = ",".join(EXPOSED)


def origin_allowed(request: web.Request) -> bool:
    """Whether a WebSocket may be opened: from no page at all, from this host's own, or from an allowed origin."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or _allowed(origin, request.app[SITE].settings.cors_origin):
        return True
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False
