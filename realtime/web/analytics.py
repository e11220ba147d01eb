"""`GET /api/analytics/…`: history on an even grid, asked of the source once however many ask us.

An answer serves everyone for `DATA_CACHE_TTL`; while one is being fetched, others wait for that one. A gap in the data is `null`, and so
is what the metrics do not know: nothing is made up.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from realtime.clock import iso
from realtime.state.grid import Grid, grid_of
from realtime.stream.hub import Hub
from realtime.web.asked import hub_of
from realtime.web.site import SITE, History

DEFAULT_RANGE: Final = "24h"

Values = Mapping[str, list[float | None]]

JOBS: Final = ("runningJobs", "queuedJobs", "heldJobs")
RESOURCES: Final = ("gpuUtilization", "cpuUtilization", "memoryUtilization", "nodeUtilization")


def job_row(values: Mapping[str, float | None]) -> dict[str, Any]:
    """`completedJobs` and `failedJobs` are what the old backend drew at random; no metric knows them."""
    counts = [values[field] for field in JOBS]
    known = [count for count in counts if count is not None]
    total = round(sum(known), 1) if len(known) == len(counts) else None
    return {**values, "totalJobs": total, "completedJobs": None, "failedJobs": None}


def resource_row(values: Mapping[str, float | None]) -> dict[str, Any]:
    """Percentages, as numbers."""
    return dict(values)


def rows(
    grid: Grid, values: Values, row: Callable[[Mapping[str, float | None]], dict[str, Any]]
) -> list[Any]:
    """One row a step: its end as ISO 8601 UTC and epoch ms, and the numbers, to one decimal: they are means."""
    columns = {
        field: [None if value is None else round(value, 1) for value in column]
        for field, column in values.items()
    }
    return [
        {
            "timestamp": iso(at * 1000, "seconds"),
            "ts": at * 1000,
            **row({field: column[index] for field, column in columns.items()}),
        }
        for index, at in enumerate(grid.instants)
    ]


class Archive:
    """Answers of the analytics endpoints, each fetched once per `ttl_seconds` and by one task at a time."""

    def __init__(self, ttl_seconds: float, clock: Callable[[], float]) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._answers: dict[tuple[str, str, str, str], tuple[float, asyncio.Task[bytes]]] = {}

    async def body(self, hub: Hub, history: History, chart: str, time_range: str) -> bytes:
        """The JSON of one chart. Raises SourceError, which is not remembered, and RequestError for an unknown range."""
        # Where one cluster turned out to be several, one of them may have its name, and not its history.
        key = (hub.name, hub.store.epoch, chart, time_range)
        grid = grid_of(time_range, hub.now_ms() / 1000)
        if key not in self._answers or self._is_over(*self._answers[key]):
            self._answers = {one: each for one, each in self._answers.items() if not self._is_over(*each)}
            self._answers[key] = (self._clock(), asyncio.create_task(_fetch(history, chart, grid)))
        # One reader who leaves must not take the answer from the others who wait for it.
        return await asyncio.shield(self._answers[key][1])

    def _is_over(self, asked_at: float, task: asyncio.Task[bytes]) -> bool:
        """Whether an answer serves nobody any more."""
        return task.done() and (_failed(task) or self._clock() - asked_at >= self._ttl_seconds)


def _failed(task: asyncio.Task[bytes]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _fetch(history: History, chart: str, grid: Grid) -> bytes:
    fields, row = CHARTS[chart]
    values = await history(fields, grid)
    return orjson.dumps(rows(grid, values, row))


CHARTS: Final = {"jobs": (JOBS, job_row), "resources": (RESOURCES, resource_row)}

ARCHIVE: Final = web.AppKey("archive", Archive)


async def analytics(request: web.Request) -> web.Response:
    """`GET /api/analytics/jobs` and `/resources`, `?timeRange=1h·24h·7d·30d`."""
    hub = hub_of(request)
    chart = request.path.rpartition("/")[2]
    time_range = request.query.get("timeRange", DEFAULT_RANGE)
    site = request.app[SITE]
    body = await request.app[ARCHIVE].body(hub, site.histories[hub.name], chart, time_range)
    headers = {"Cache-Control": f"max-age={site.settings.data_cache_ttl // 1000}"}
    return web.Response(body=body, content_type="application/json", headers=headers)
