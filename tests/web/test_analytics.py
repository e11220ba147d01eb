"""History over REST: even rows, honest gaps, and one upstream query however many ask."""

import asyncio
import json
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from realtime.errors import RequestError, SourceMalformed, SourceUnavailable
from realtime.state.grid import Grid
from realtime.stream.hub import Hub
from realtime.web.analytics import Archive, job_row, rows
from tests.web.served import DATA, NOW, FakeHistory, Serve, Served, served, until

ROWS = {"1h": (60, 60), "24h": (288, 300), "7d": (336, 1800), "30d": (180, 14_400)}


@pytest.mark.parametrize("chart", ["jobs", "resources"])
@pytest.mark.parametrize("time_range", ROWS)
async def test_every_range_is_an_even_grid(server: Served, chart: str, time_range: str) -> None:
    """Each range has its number of rows, one step apart, the last at the last whole step; both timestamps tell the same instant."""
    answer = await server.get(f"/api/analytics/{chart}?timeRange={time_range}")

    count, step = ROWS[time_range]
    stamps = [row["ts"] for row in answer.json]
    last = NOW // 1000 // step * step * 1000
    assert stamps == list(range(last - (count - 1) * step * 1000, last + 1, step * 1000))
    for row in answer.json:
        assert row["timestamp"].endswith("Z")
        assert datetime.fromisoformat(row["timestamp"]).timestamp() * 1000 == row["ts"]


async def test_a_day_is_the_default(server: Served) -> None:
    """Without `timeRange` the last 24 hours are told, from the same query as with it."""
    default = await server.get("/api/analytics/jobs")

    assert default.body == (await server.get("/api/analytics/jobs?timeRange=24h")).body
    assert len(server.history.asked) == 1


@pytest.mark.parametrize("chart", ["jobs", "resources"])
async def test_rows_have_the_old_fields(server: Served, chart: str) -> None:
    """Every field of the old rows is there; percentages are numbers, and what the old backend drew at random is null."""
    body = json.loads((DATA / "reference" / f"api_analytics_{chart}.json").read_text())["body"]

    row = (await server.get(f"/api/analytics/{chart}")).json[-1]
    assert set(body[0]) <= set(row)
    unknown = {"completedJobs", "failedJobs"}
    assert {field for field, value in row.items() if value is None} == unknown & set(row)
    assert all(isinstance(row[field], float) for field in set(row) - unknown - {"timestamp", "ts"})
    assert server.history.asked[0][0] == tuple(
        field for field in row if field not in {"timestamp", "ts", "totalJobs", *unknown}
    )


async def test_a_gap_is_null(server: Served) -> None:
    """A step in which nothing was measured is a row of nulls, not one of zeros and not a missing one."""
    server.history.gaps = {1, 58}

    body = (await server.get("/api/analytics/jobs?timeRange=1h")).json
    assert [row["runningJobs"] for row in body[:3]] == [1.0, None, 3.0]
    assert [row["totalJobs"] for row in body[:3]] == [3.0, None, 9.0]
    assert body[58]["queuedJobs"] is None


def test_a_total_needs_all_its_parts() -> None:
    """The total of a row is null as soon as one of its parts is, and rounded to a tenth otherwise."""
    assert job_row({"runningJobs": 1.0, "queuedJobs": None, "heldJobs": 0.0})["totalJobs"] is None
    assert job_row({"runningJobs": 0.1, "queuedJobs": 0.2, "heldJobs": 0.0})["totalJobs"] == 0.3


def test_a_row_stands_at_the_end_of_its_step() -> None:
    """The column's values stand in the grid's order beside its instants."""
    told = rows(Grid(120, 60, 2), {"x": [1.0, None]}, dict)

    assert told == [
        {"timestamp": "1970-01-01T00:01:00Z", "ts": 60_000, "x": 1.0},
        {"timestamp": "1970-01-01T00:02:00Z", "ts": 120_000, "x": None},
    ]


@pytest.mark.parametrize("given", ["bogus", "", "1H", "24h ", "7d,30d", "<script>"])
async def test_a_bad_range_names_the_allowed_ones(server: Served, given: str) -> None:
    """A range that is not one of the four is a 400 that lists them, and nobody upstream is asked."""
    answer = await server.ask("GET", f"/api/analytics/jobs?timeRange={given.replace(' ', '%20')}")

    assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
    assert answer.json["detail"] == "timeRange must be one of 1h, 24h, 7d, 30d"
    assert server.history.asked == []


async def test_an_answer_may_be_kept_as_long_as_we_keep_it(serve: Serve) -> None:
    """Cache-Control tells the time for which the server itself serves one answer."""
    server = await serve(data_cache_ttl=12_000)

    answer = await server.get("/api/analytics/resources")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "max-age=12")


async def test_each_cluster_has_its_own_history(serve: Serve) -> None:
    """`cluster=` chooses the source that is asked, and answers are not mixed up."""
    server = await serve(clusters=("hopper", "vanda"))
    server.histories["vanda"].gaps = set(range(300))

    hopper = await server.get("/api/analytics/jobs")
    vanda = await server.get("/api/analytics/jobs?cluster=vanda")
    assert hopper.json[0]["runningJobs"] == 1.0
    assert vanda.json[0]["runningJobs"] is None
    assert [len(history.asked) for history in server.histories.values()] == [1, 1]


# -- one query however many ask


async def test_fifty_at_once_are_one_query(server: Served) -> None:
    """Fifty who ask at the same time wait for one upstream query and get the same bytes."""
    server.history.open.clear()
    askers = [asyncio.create_task(server.get("/api/analytics/jobs")) for _ in range(50)]
    await until(lambda: server.history.asked)
    server.history.open.set()

    answers = await asyncio.gather(*askers)
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert len(server.history.asked) == 1


async def test_the_first_asker_may_leave(server: Served) -> None:
    """When the one whose question started the query disconnects, the others still get its answer, from the same query."""
    server.history.open.clear()
    async with server.raw(b"GET /api/analytics/jobs HTTP/1.1\r\nHost: x\r\n\r\n"):
        await until(lambda: server.history.asked)
        others = [asyncio.create_task(server.get("/api/analytics/jobs")) for _ in range(49)]
        await until(lambda: server.connections() == 50)
    await until(lambda: server.connections() == 49)
    server.history.open.set()

    assert {answer.status for answer in await asyncio.gather(*others)} == {200}
    assert len(server.history.asked) == 1


async def test_everybody_may_leave_a_query_that_fails(server: Served) -> None:
    """A query that fails after all who waited have left disturbs nobody, and is asked again by the next."""
    server.history.open.clear()
    server.history.failure = SourceUnavailable("no answer")
    async with server.raw(b"GET /api/analytics/jobs HTTP/1.1\r\nHost: x\r\n\r\n"):
        await until(lambda: server.history.asked)
    await until(lambda: not server.connections())
    server.history.open.set()
    assert (await server.get("/api/analytics/jobs")).status == 503

    server.history.failure = None
    assert (await server.get("/api/analytics/jobs")).status == 200


class Archived:
    """An archive with a clock that the test moves."""

    def __init__(self, hub: Hub) -> None:
        self.now = 1000.0
        self.archive = Archive(30.0, lambda: self.now)
        self.history = FakeHistory()
        self.hub = hub

    async def body(self, chart: str = "jobs", time_range: str = "1h") -> bytes:
        return await self.archive.body(self.hub, self.history, chart, time_range)


@pytest.fixture
async def archived() -> Archived:
    return Archived(served().hub)


async def test_an_answer_serves_everyone_until_it_is_old(archived: Archived) -> None:
    """One answer is given until the time to live is over, and then the source is asked again."""
    first = await archived.body()
    archived.now += 29.9
    assert await archived.body() is first
    archived.now += 0.1
    await archived.body()

    assert len(archived.history.asked) == 2


async def test_every_chart_and_range_is_kept_apart(archived: Archived) -> None:
    """Charts and ranges have an answer each."""
    told = [await archived.body(chart, each) for chart in ("jobs", "resources") for each in ROWS]

    assert len(archived.history.asked) == len(set(told)) == 8


async def test_a_cluster_of_the_same_name_is_another_one(archived: Archived) -> None:
    """Where one cluster turned out to be several, the one that keeps its name is not told the history of all of them."""
    mixed = await archived.body()
    archived.hub = served().hub
    archived.history.gaps = {0}

    assert await archived.body() != mixed


async def test_an_old_answer_is_forgotten(archived: Archived) -> None:
    """What serves nobody any more goes with the next question, be it of another cluster."""
    await archived.body()
    archived.now += 30
    archived.hub = served().hub
    await archived.body()

    assert len(archived.archive._answers) == 1


async def test_a_late_answer_is_waited_for(archived: Archived) -> None:
    """A query that takes longer than the time to live is not asked a second time meanwhile."""
    archived.history.open.clear()
    first = asyncio.create_task(archived.body())
    await until(lambda: archived.history.asked)
    archived.now += 100
    second = asyncio.create_task(archived.body())
    await asyncio.sleep(0)
    archived.history.open.set()

    assert await first is await second
    assert len(archived.history.asked) == 1


async def test_an_error_is_not_remembered(archived: Archived) -> None:
    """A failed query fails everyone who waited for it and nobody after them."""
    archived.history.failure = SourceMalformed("half an answer")
    results: list[Any] = await asyncio.gather(*(archived.body() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [SourceMalformed] * 3
    assert len(archived.history.asked) == 1

    archived.history.failure = None
    assert json.loads(await archived.body())[0]["runningJobs"] == 1.0


async def test_an_unknown_range_leaves_no_trace(archived: Archived) -> None:
    """Whoever invents ranges does not fill the archive."""
    with pytest.raises(RequestError):
        await archived.body(time_range="1y")

    assert archived.archive._answers == {}


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (SourceUnavailable("the source does not answer"), 503),
        (SourceMalformed("the source is no source"), 502),
    ],
)
async def test_a_failed_query_is_a_problem(server: Served, failure: Exception, status: int) -> None:
    """A source that does not answer is a 503, one that answers nonsense a 502, both to be tried again, never an empty chart."""
    server.history.failure = failure

    answer = await server.get("/api/analytics/resources")
    assert (answer.status, answer.json["code"]) == (status, "source_failed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["error"] == str(failure)


async def test_history_needs_no_live_data(serve: Serve) -> None:
    """The past can be asked for before the first poll has succeeded."""
    server = await serve()

    assert (await server.get("/api/analytics/jobs")).status == 200


async def test_a_reader_who_leaves_does_not_stop_the_server(server: Served) -> None:
    """An asker whose own time is over gets nothing, and the server serves on."""
    server.history.open.clear()
    with pytest.raises(asyncio.TimeoutError):
        await server.session.get(server.url("/api/analytics/jobs"), timeout=aiohttp.ClientTimeout(total=0.05))
    server.history.open.set()

    assert (await server.get("/api/analytics/jobs")).status == 200
