"""What this server says of itself: `GET /api/openapi.json` and `/api/asyncapi.json`, made once at the start."""

from typing import Final

import orjson
from aiohttp import web

from realtime.config import Settings
from realtime.web.asyncapi import asyncapi
from realtime.web.openapi import openapi

JSON: Final = {"Content-Type": "application/json", "Cache-Control": "no-cache"}


def documents(settings: Settings, version: str) -> dict[str, bytes]:
    """Path → document."""
    return {
        "/api/openapi.json": orjson.dumps(openapi(settings, version)),
        "/api/asyncapi.json": orjson.dumps(asyncapi(settings, version)),
    }


DOCUMENTS: Final = web.AppKey("documents", dict[str, bytes])


async def document(request: web.Request) -> web.Response:
    """One of them."""
    return web.Response(body=request.app[DOCUMENTS][request.path], headers=JSON)
