"""`GET /api/health`: whether what we serve can be believed, cluster by cluster; and what those ask who start, stop and balance servers."""

from typing import Final, Literal

import orjson
from aiohttp import web

from realtime.clock import iso, now_ms
from realtime.errors import RequestError
from realtime.state.freshness import Quality
from realtime.stream.hub import Hub
from realtime.web.bodies import ClusterHealth, Health
from realtime.web.problem import retry_after
from realtime.web.site import SITE

UNSERVING: Final = ("starting", "down")
"""Statuses that make a load balancer look elsewhere (503)."""


PROBED: Final = {"Cache-Control": "no-store"}


async def livez(request: web.Request) -> web.Response:  # noqa: ARG001 — whoever asks
    """`GET /livez`: the event loop answers. Nothing else is asked: a restart mends no source."""
    return web.json_response({"status": "ok"}, headers=PROBED)


async def readyz(request: web.Request) -> web.Response:
    """`GET /readyz`: there is something to serve, be it old, and this server stays."""
    site = request.app[SITE]
    if site.stopping:
        raise RequestError("restarting", "this server is about to stop", status=503)
    if not any(hub.known for hub in site.hubs.values()):
        raise RequestError("no_data_yet", "no data of any cluster yet", status=503)
    return web.json_response({"status": "ok"}, headers=PROBED)


async def health(request: web.Request) -> web.Response:
    """Every cluster's quality and age, and what is wrong with it."""
    site = request.app[SITE]
    clusters = [cluster(hub) for hub in site.hubs.values()]
    status = overall([Quality(each["quality"]) for each in clusters])
    body: Health = {
        "status": status,
        "timestamp": iso(now_ms()),
        "version": site.version,
        "clusters": clusters,
    }
    headers = {"Cache-Control": "no-store"}
    if status in UNSERVING:
        headers |= retry_after(site.retry_seconds(status))
    return web.Response(
        status=503 if status in UNSERVING else 200,
        body=orjson.dumps(body),
        content_type="application/json",
        headers=headers,
    )


async def clusters(request: web.Request) -> web.Response:
    """`GET /api/clusters`: which clusters there are, the one first that readers get who name none."""
    body = [cluster(hub) for hub in request.app[SITE].hubs.values()]
    return web.Response(
        body=orjson.dumps(body), content_type="application/json", headers={"Cache-Control": "no-cache"}
    )


def overall(qualities: list[Quality]) -> Literal["ok", "degraded", "starting", "down"]:
    """One word for all clusters: `ok`, `degraded`, `starting` or `down`."""
    kinds = set(qualities)
    if kinds == {Quality.LIVE}:
        return "ok"
    if kinds == {Quality.STARTING}:
        return "starting"
    return "down" if kinds <= {Quality.DOWN, Quality.STARTING} else "degraded"


def cluster(hub: Hub) -> ClusterHealth:
    """One cluster's health."""
    health: ClusterHealth = {"name": hub.name, "quality": hub.quality.value, "faults": hub.faults}
    age = hub.data_age_ms
    if age is not None:
        health["dataAgeSeconds"] = round(age / 1000, 1)
    if hub.known:
        health["cursor"] = str(hub.store.cursor)
    main = next((each for each in hub.store.entities("source").values() if each.get("main")), None)
    if main is not None:
        health["dialect"] = main["dialect"]
        health["dialectDecidedBy"] = main["decidedBy"]
    return health
