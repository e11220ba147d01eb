"""The whole URL table."""

import asyncio
import time
from typing import Final

from aiohttp import web

from realtime.stream import messages
from realtime.web import cors
from realtime.web.access import GATE, Gate, Handler, proofs_of
from realtime.web.analytics import ARCHIVE, Archive, analytics
from realtime.web.caller import Role
from realtime.web.documents import DOCUMENTS, document, documents
from realtime.web.headers import guard_headers
from realtime.web.health import clusters, health, livez, readyz
from realtime.web.longpoll import changes
from realtime.web.metrics import FIGURES, Figures, count, metrics
from realtime.web.pages import DIST, PAGES, page, read
from realtime.web.problem import problems
from realtime.web.rest import jobs, no_single_jobs, node, nodes, queues, state, stats
from realtime.web.screens import SCREENS, Screens, screens
from realtime.web.session import log_in, log_out, ticket, who
from realtime.web.shelf import SHELF, Shelf
from realtime.web.site import SITE, Site
from realtime.web.sse import events
from realtime.web.terms import ANY_ROLE, EVERYONE, Table, Terms
from realtime.web.websocket import websocket

ROUTES = (
    web.get("/", page),
    web.get("/kiosk", page),
    web.get("/docs", page),
    web.get("/client.js", page),
    web.get("/favicon.svg", page),
    web.get("/assets/{name}", page),
    web.get("/api/ws", websocket),
    web.get("/api/events", events, allow_head=False),
    web.get("/api/changes", changes, allow_head=False),
    web.get("/api/state", state),
    web.get("/api/health", health),
    web.get("/api/clusters", clusters),
    web.get("/api/screens", screens),
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
    web.get("/api/session", who),
    web.post("/api/session", log_in),
    web.delete("/api/session", log_out),
    web.post("/api/tickets", ticket),
    web.get("/api/openapi.json", document),
    web.get("/api/asyncapi.json", document),
    web.get("/livez", livez),
    web.get("/readyz", readyz),
    web.get("/metrics", metrics),
)


TERMS: Final[dict[Handler, Terms]] = {
    websocket: Terms(transport="websocket"),
    events: Terms(transport="sse"),
    changes: Terms(transport="longpoll"),
    page: EVERYONE,
    document: EVERYONE,
    livez: EVERYONE,
    readyz: EVERYONE,
    log_in: EVERYONE,
    log_out: EVERYONE,
    screens: Terms(Role.ADMIN),
    metrics: Terms(Role.ADMIN),
}
"""Who may, where tokens are asked for, and which handlers hold a connection for long. What is not named here is for any role."""


def terms() -> Table:
    """The same by method and path, for the documents."""
    return {(route.method, route.path): TERMS.get(route.handler, ANY_ROLE) for route in ROUTES}


def application(site: Site) -> web.Application:
    """The site as an aiohttp application; it says goodbye to every reader when it shuts down. Raises ConfigError."""
    settings = site.settings
    gate = Gate(settings, proofs_of(settings), terms=TERMS, refusals=site.door.refusals)
    app = web.Application(
        middlewares=[problems, gate.middleware], client_max_size=settings.max_body_kib * 1024
    )
    app[GATE] = gate
    app.cleanup_ctx.append(gate.running)
    app[SITE] = site
    app[PAGES] = read(DIST)
    app[SHELF] = Shelf()
    app[SCREENS] = Screens()
    app[DOCUMENTS] = documents(settings, site.version, terms())
    app[FIGURES] = Figures(site)
    app[ARCHIVE] = Archive(site.settings.data_cache_ttl / 1000, time.monotonic)
    app.add_routes(ROUTES)
    cors.setup(app, site.settings.cors_origin)
    guard_headers(app, settings, private=gate.wants_token)
    app.on_response_prepare.append(count)
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
