"""Which pages may read this server.

aiohttp-cors answers preflights and marks the responses of its routes. It leaves three gaps, closed here: no `Vary: Origin`, nothing on
404 and 405, and no say in WebSockets, which no browser's same-origin rule protects.
"""

from urllib.parse import urlsplit

import aiohttp_cors
from aiohttp import hdrs, web

from realtime.web.site import SITE

EXPOSED = ("ETag", "Link", "Retry-After", "X-Cursor", "X-Data-Age", "X-Data-Quality", "X-Total-Count")

ASKED_WITH = ("Authorization", "Cache-Control", "Content-Type", "If-None-Match", "Last-Event-ID")
"""Request headers that mean something here, beside those that every page may send."""

PREFLIGHT_SECONDS = 600
"""For so long a browser needs not ask again whether it may ask."""


def setup(app: web.Application, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read every route; `*` lets all, and then never with credentials."""
    options = {
        origin: aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
            allow_credentials=origin != "*",
            expose_headers=EXPOSED,
            allow_headers=ASKED_WITH,
            max_age=PREFLIGHT_SECONDS,
        )
        for origin in origins
    }
    cors = aiohttp_cors.setup(app, defaults=options)
    mark = app.on_response_prepare.pop()
    for route in list(app.router.routes()):
        if route.method != hdrs.METH_HEAD:
            cors.add(route)

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if not origin:
            return  # aiohttp-cors has nothing to do either, and needs a tenth of a whole request's time to find that out
        await mark(request, response)
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in response.headers and _allowed(origin, origins):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = ",".join(EXPOSED)
            if "*" not in origins:
                response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"

    app.on_response_prepare.append(allow)


def _allowed(origin: str, origins: tuple[str, ...]) -> bool:
    return "*" in origins or origin in origins


def origin_allowed(request: web.Request, *, cookie: bool = False) -> bool:
    """Whether the page that sent a request may: one of this host's own, of an allowed origin, or no page at all.

    With `cookie` the browser has shown it by itself, so the page must be known: `*` is nobody, and what a page cannot be asked without its
    origin (WebSockets, all that changes something) must name one.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    origins = request.app[SITE].settings.cors_origin
    if origin is None:
        unnamed = request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and hdrs.UPGRADE not in request.headers
        return not cookie or (
            unnamed and request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        )
    if origin in origins or ("*" in origins and not cookie):
        return True
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False
