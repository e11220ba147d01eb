"""REST: the replaced backend's shapes, from the same state that is streamed.

A body is encoded once per revision of the topics that it shows, however many ask.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from realtime.errors import RequestError
from realtime.state.cursor import Cursor
from realtime.state.freshness import Quality
from realtime.state.view import matches
from realtime.stream.hub import Hub
from realtime.web import shapes
from realtime.web.asked import integer, items, known_hub_of, make_view, view_of
from realtime.web.caller import caller_of
from realtime.web.shelf import SHELF, Prepared
from realtime.web.site import SITE

STATES: Final = ("free", "busy", "offline", "down", "unknown")
MOST_ROWS: Final = 100_000
"""The largest `limit` and `offset`: more than any cluster has nodes."""

JSON: Final = {"Content-Type": "application/json"}

NO_SINGLE_JOBS: Final = "the metrics hold no single jobs, only their numbers; ask PBS itself: qstat -f JOB, qdel JOB, qhold JOB, qrls JOB"


def live_headers(hub: Hub) -> dict[str, str]:
    """How old what we say is, and what to call it; to be asked again each time."""
    headers = {"Cache-Control": "no-cache", "X-Data-Quality": hub.quality.value}
    age = hub.data_age_ms
    if age is not None:
        headers["X-Data-Age"] = f"{age / 1000:.1f}"
    return headers


Built = tuple[Any, Mapping[str, str]]
"""What a body is made of, and the headers that go with it."""


def live(
    request: web.Request,
    topics: tuple[str, ...],
    build: Callable[[web.Request, Hub], Built],
    audience: str = "",
) -> web.Response:
    """Answer with what these topics say: 304 if the reader has it, else a body that is built once per revision.

    `build` also judges the query, and raises RequestError: a query whose body stands on the shelf was judged when that was built.
    `audience` is who has bodies of its own.
    """
    hub = known_hub_of(request)
    cursor = (hub.store.epoch, hub.store.changed_at(topics))
    shelf = request.app[SHELF]
    key = (hub.name + audience, request.raw_path)
    prepared = shelf.get(key)
    if prepared is None or prepared.cursor != cursor:
        content, extra = build(request, hub)
        body = bytes(memoryview(orjson.dumps(content)))
        prepared = Prepared(Cursor(*cursor), f'"{Cursor(*cursor)}"', body, {**JSON, **extra})
        shelf.put(key, prepared)
    headers = {**live_headers(hub), "ETag": prepared.etag}
    if has(request, prepared.etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=prepared.body, headers=headers | prepared.headers)


def has(request: web.Request, etag: str) -> bool:
    """Whether the reader's `If-None-Match` names what we would send."""
    tags = request.if_none_match
    return tags is not None and any(each.value in (etag[1:-1], "*") for each in tags)


async def jobs(request: web.Request) -> web.Response:
    """`GET /api/jobs`: how many, of whom, in which queue."""
    if "users" in caller_of(request).topics:
        return live(request, ("summary", "queues", "users"), _jobs)
    return live(request, ("summary", "queues"), _jobs_of_nobody, " without users")


def _jobs(request: web.Request, hub: Hub) -> Built:
    limit = integer(request.query, "limit", least=1, most=MOST_ROWS)
    summary, users, queues = (hub.store.entities(topic) for topic in ("summary", "users", "queues"))
    return shapes.jobs(summary, users, queues, limit=limit), {}


def _jobs_of_nobody(request: web.Request, hub: Hub) -> Built:
    """As `_jobs`, for whom users have no names."""
    body, headers = _jobs(request, hub)
    return {name: value for name, value in body.items() if name != "byUser"}, headers


async def nodes(request: web.Request) -> web.Response:
    """`GET /api/nodes`: every node, or those of a state or name; in pages if asked."""
    return live(request, ("nodes",), _nodes)


def _nodes(request: web.Request, hub: Hub) -> Built:
    query = request.query
    limit = integer(query, "limit", least=1, most=MOST_ROWS)
    offset = integer(query, "offset", least=0, most=MOST_ROWS) or 0
    states = items(query, "state")
    for state in states:
        if state not in STATES:
            raise RequestError(
                "bad_parameter", f"state must be one of {', '.join(STATES)}, not {state[:64]!r}"
            )
    globs = make_view(["nodes"], items(query, "name"), request.app[SITE].settings).nodes
    found = [
        entity
        for name, entity in hub.store.entities("nodes").items()
        if (not states or entity["state"] in states) and (not globs or matches(globs, name))
    ]
    headers = {"X-Total-Count": str(len(found))}
    if limit is None:
        return shapes.nodes(found)[offset:], headers
    if links := _links(request, limit, offset, len(found)):
        headers["Link"] = links
    return shapes.nodes(found)[offset : offset + limit], headers


def _links(request: web.Request, limit: int, offset: int, total: int) -> str:
    """Where the other pages are (RFC 8288)."""
    last = max(0, (total - 1) // limit * limit)
    places = {"first": 0, "prev": max(0, offset - limit), "next": offset + limit, "last": last}
    if offset <= 0:
        del places["prev"]
    if places["next"] >= total:
        del places["next"]
    return ", ".join(
        f'<{request.rel_url.update_query(limit=limit, offset=place)}>; rel="{name}"'
        for name, place in places.items()
    )


async def node(request: web.Request) -> web.Response:
    """`GET /api/nodes/{id}`: one node."""
    return live(request, ("nodes",), _node)


def _node(request: web.Request, hub: Hub) -> Built:
    name = request.match_info["id"]
    entity = hub.store.entity("nodes", name)
    if entity is None:
        raise RequestError("unknown_node", f"cluster {hub.name} has no node {name[:64]!r}", status=404)
    return shapes.node(entity), {}


async def queues(request: web.Request) -> web.Response:
    """`GET /api/queues`: every queue."""
    return live(request, ("queues",), lambda _, hub: (shapes.queues(hub.store.entities("queues")), {}))


async def stats(request: web.Request) -> web.Response:
    """`GET /api/stats/cluster`: the cluster in a few numbers."""
    return live(request, ("summary",), lambda _, hub: (shapes.stats(hub.store.entities("summary")), {}))


async def state(request: web.Request) -> web.Response:
    """`GET /api/state`: what a subscriber of this view would hold."""
    hub = known_hub_of(request)
    view = view_of(request.query, request.app[SITE].settings, caller_of(request).topics)
    edition = hub.edition(view)
    cursor = str(edition.cursor)
    etag = f'"{cursor}"'
    # The body tells age and quality, and the tag does not: no browser may put its old body under our 304.
    headers = {**live_headers(hub), "ETag": etag, "Cache-Control": "no-store"}
    if hub.quality is Quality.LIVE and has(request, etag):
        return web.Response(status=304, headers=headers)
    head: dict[str, Any] = {"cluster": hub.name, "cursor": cursor, "quality": hub.quality.value}
    if hub.data_age_ms is not None:
        head["dataAgeMs"] = hub.data_age_ms
    body = b'%s,"state":%s}' % (orjson.dumps(head)[:-1], edition.state)
    return web.Response(body=body, headers={**JSON, **headers})


async def no_single_jobs(request: web.Request) -> web.Response:
    """Whatever asks for one job, or would change it."""
    raise RequestError("not_in_metrics", f"{request.method} {request.path}: {NO_SINGLE_JOBS}", status=501)
