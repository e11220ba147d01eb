"""`GET /api/health`: whether what we serve can be believed, cluster by cluster."""

from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from realtime.state.freshness import Quality
from realtime.stream.hub import Hub
from realtime.web.site import SITE

UNSERVING: Final = ("starting", "down")
"""Statuses that make a load balancer look elsewhere (503)."""


async def health(request: web.Request) -> web.Response:
    """Every cluster's quality and age, and what is wrong with it."""
    site = request.app[SITE]
    clusters = [cluster(hub) for hub in site.hubs.values()]
    status = overall([Quality(each["quality"]) for each in clusters])
    body = {
        "status": status,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": site.version,
        "clusters": clusters,
    }
    return web.Response(
        status=503 if status in UNSERVING else 200,
        body=orjson.dumps(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def clusters(request: web.Request) -> web.Response:
    """`GET /api/clusters`: which clusters there are, the one first that readers get who name none."""
    body = [cluster(hub) for hub in request.app[SITE].hubs.values()]
    return web.Response(
        body=orjson.dumps(body), content_type="application/json", headers={"Cache-Control": "no-cache"}
    )


def overall(qualities: list[Quality]) -> str:
    """One word for all clusters: `ok`, `degraded`, `starting` or `down`."""
    kinds = set(qualities)
    if kinds == {Quality.LIVE}:
        return "ok"
    if kinds == {Quality.STARTING}:
        return "starting"
    return "down" if kinds <= {Quality.DOWN, Quality.STARTING} else "degraded"


def cluster(hub: Hub) -> dict[str, Any]:
    """One cluster's health."""
    health: dict[str, Any] = {"name": hub.name, "quality": hub.quality.value}
    age = hub.data_age_ms
    if age is not None:
        health["dataAgeSeconds"] = round(age / 1000, 1)
    if hub.known:
        health["cursor"] = str(hub.store.cursor)
    main = next((each for each in hub.store.entities("source").values() if each.get("main")), None)
    if main is not None:
        health["dialect"] = main["dialect"]
        health["dialectDecidedBy"] = main["decidedBy"]
    return health | {"faults": hub.faults}
