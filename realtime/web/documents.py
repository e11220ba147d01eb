"""What this server says of itself: `GET /api/openapi.json` and `/api/asyncapi.json`, made once at the start: for who comes over an encrypted
connection and for who does not, since the cookie's name depends on that.
"""

from typing import Final

import orjson
from aiohttp import web

from realtime.config import Settings
from realtime.web.access import GATE
from realtime.web.asyncapi import asyncapi
from realtime.web.openapi import openapi
from realtime.web.terms import Table

JSON: Final = {"Content-Type": "application/json", "Cache-Control": "no-cache"}


Documents = dict[tuple[str, bool], bytes]


def documents(settings: Settings, version: str, table: Table) -> Documents:
    """Path, and whether the connection is encrypted → document."""
    made = {"/api/openapi.json": openapi, "/api/asyncapi.json": asyncapi}
    return {
        (path, secure): orjson.dumps(make(settings, version, table, secure=secure))
        for path, make in made.items()
        for secure in (False, True)
    }


DOCUMENTS: Final = web.AppKey("documents", Documents)


async def document(request: web.Request) -> web.Response:
    """One of them."""
    secure = request.app[GATE].addresses.secure(request)
    return web.Response(body=request.app[DOCUMENTS][request.path, secure], headers=JSON)
