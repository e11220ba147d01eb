"""The whole URL table."""

import asyncio
import time

from aiohttp import web

from realtime.stream import messages
from realtime.web import cors
from realtime.web.analytics import ARCHIVE, Archive, analytics
from realtime.web.health import clusters, health
from realtime.web.longpoll import changes
from realtime.web.problem import problems
from realtime.web.rest import jobs, no_single_jobs, node, nodes, queues, state, stats
from realtime.web.shelf import SHELF, Shelf
from realtime.web.site import SITE, Site
from realtime.web.sse import events
from realtime.web.websocket import websocket

ROUTES = (
    web.get("/api/ws", websocket),
    web.get("/api/events", events, allow_head=False),
    web.get("/api/changes", changes, allow_head=False),
    web.get("/api/state", state),
    web.get("/api/health", health),
    web.get("/api/clusters", clusters),
    web.get("/api/jobs", jobs),
    web.get("/api/nodes", nodes),
    web.get("/api/nodes/{id}", node),
    web.get("/api/queues", queues),
    web.get("/api/stats/cluster", stats),
    web.get("/api/analytics/jobs", analytics),
    web.get("/api/analytics/resources", analytics),
    web.get("/api/jobs/{id}", no_single_jobs),
    web.delete("/api/jobs/{id}", no_single_jobs),
    web.post("/api/jobs/{id}/hold", no_single_jobs),
    web.post("/api/jobs/{id}/release", no_single_jobs),
)


def application(site: Site) -> web.Application:
    """The site as an aiohttp application; it says goodbye to every reader when it shuts down."""
    app = web.Application(middlewares=[problems])
    app[SITE] = site
    app[SHELF] = Shelf()
    app[ARCHIVE] = Archive(site.settings.data_cache_ttl / 1000, time.monotonic)
    app.add_routes(ROUTES)
    cors.setup(app, site.settings.cors_origin)
    app.on_shutdown.append(say_goodbye)
    return app


async def say_goodbye(app: web.Application) -> None:
    """Tell every reader to come back, each at another time, and close politely; who does not close in time is cut off."""
    site = app[SITE]
    readers = {
        subscriber.outlet for hub in site.hubs.values() for subscriber in hub.subscribers()
    } | site.sockets
    for hub in site.hubs.values():
        hub.close(messages.RESTART, "restart", site.retry_ms)
    for socket in site.sockets:
        socket.end(messages.bye(messages.RESTART, "restart", site.retry_ms()), messages.RESTART)
    if site.closing:
        await asyncio.wait(set(site.closing), timeout=site.settings.shutdown_seconds)
    for reader in readers:
        reader.abort()
