"""Headers that every answer has, whatever it says."""

from typing import Final

from aiohttp import hdrs, web

from realtime.config import Settings

SERVER: Final = "realtime"
"""No version: what is installed is nobody's business who does not ask `/api/health`."""

ALWAYS: Final = {
    hdrs.SERVER: SERVER,
    # Data is data: no browser may take it for a page or a script.
    hdrs.X_CONTENT_TYPE_OPTIONS: "nosniff",
    # Other sites' pages may read what CORS lets them, and load nothing as picture or script.
    "Cross-Origin-Resource-Policy": "same-origin",
}

ENCRYPTED: Final = {"Strict-Transport-Security": "max-age=31536000"}
"""Where this server speaks HTTPS itself; behind a proxy that is the proxy's to say."""


def guard_headers(app: web.Application, settings: Settings, *, private: bool) -> None:
    """Put them on. `private`: what was answered to one caller is not for another, so no shared cache may keep it."""
    headers = ALWAYS | (ENCRYPTED if settings.tls_cert else {})

    async def guard(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)
        if private:
            said = response.headers.get(hdrs.CACHE_CONTROL, "")
            if "public" not in said and "no-store" not in said:
                response.headers[hdrs.CACHE_CONTROL] = f"private, {said}" if said else "private"
            # One address says more to one caller than to another, and an ETag does not tell to whom.
            response.headers.add(hdrs.VARY, "Authorization, Cookie")

    app.on_response_prepare.append(guard)
