"""The client, against real programs and against a server that fails in every way we know of."""

import asyncio
import base64
import gzip
import time
import traceback
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from realtime.config import Cluster
from realtime.errors import ConfigError, SourceError, SourceMalformed, SourceUnavailable
from realtime.source.victoria import HISTORIES, Victoria
from realtime.state.grid import Grid
from tests import faulty
from tests.faulty import Answer, FaultyUpstream
from tests.upstream import Exporter, Prometheus, VictoriaMetrics, now_ms

if TYPE_CHECKING:
    from realtime.source.source import Source

CAPTURE = "at-1794166412"
GRID = Grid(1_794_166_380, 60, 5)
MIB = 1 << 20
LINE = b"pbs_node_count_free 26 1794166412000\n"
SECRET = "hunter2-of-the-operator"
"""The one that must not be seen."""

LOGIN = {"prometheus_username": "operator", "prometheus_password": SECRET}

Connect = Callable[..., Victoria]
Call = Callable[[Victoria], Awaitable[object]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`connect(cluster)`: a client, closed at the end."""
    opened: list[Victoria] = []

    def connect(cluster: Cluster, max_fetch_bytes: int = 16 * MIB) -> Victoria:
        opened.append(Victoria(cluster, max_fetch_bytes))
        return opened[-1]

    yield connect
    for victoria in opened:
        await victoria.close()


def samples(text: str | bytes) -> set[str]:
    """The text's sample lines without timestamps and without the job."""
    lines = text.decode().splitlines() if isinstance(text, bytes) else text.splitlines()
    return {line.split(" ")[0] for line in lines if line and not line.startswith("#")}


def total_of(text: str, metric: str) -> float:
    """The sum over one metric's sample lines."""
    return sum(
        float(line.split(" ")[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == metric
    )


async def until(
    condition: Callable[[], Awaitable[Any]], seconds: float = 20, between: Callable[[], None] = lambda: None
) -> Any:
    """What the condition gives once it is true of something; a failure after so long."""
    deadline = time.monotonic() + seconds
    while not (result := await condition()):
        assert time.monotonic() < deadline, "it never came true"
        between()
        await asyncio.sleep(0.02)
    return result


# -- what a good source says


async def test_the_client_is_a_source(connect: Connect) -> None:
    """The protocol and the class agree, as mypy checks in this line."""
    source: Source = connect(Cluster(name="test"))
    await source.close()


async def test_a_fetch_holds_every_sample_with_its_timestamp(
    victoria_metrics: VictoriaMetrics, capture: Callable[[str], str], job_name: str, connect: Connect
) -> None:
    """What was stored comes back, every series once and with the time at which it was taken."""
    at = now_ms() - 20_000
    text = capture(CAPTURE)
    victoria_metrics.import_text(text, at, job=job_name)
    victoria_metrics.flush()
    victoria = connect(victoria_metrics.cluster(pbs_exporter_job_name=job_name))
    lines = (await victoria.fetch()).decode().splitlines()
    assert len(lines) == len(samples(text))
    assert {line.rsplit(" ", 1)[1] for line in lines} == {str(at)}
    assert f'pbs_node_count_free{{job="{job_name}"}} 26 {at}' in lines
    assert await victoria.probe() == at
    assert victoria.partial is False


async def test_a_sample_of_a_second_ago_is_seen_at_once(
    victoria_metrics: VictoriaMetrics, job_name: str, connect: Connect
) -> None:
    """VictoriaMetrics answers a plain query without its last 30 s; probe, fetch and history are not late."""
    now = now_ms()
    older, newest = now - 61_000, now - 1_000
    victoria_metrics.import_text("qstat_total_r_jobs 1", older, job=job_name)
    victoria_metrics.import_text("qstat_total_r_jobs 2", newest, job=job_name)
    victoria_metrics.flush()
    plain = f'qstat_total_r_jobs{{job="{job_name}"}}'
    assert victoria_metrics.value(plain) == "1", "the trap is not there any more"

    victoria = connect(victoria_metrics.cluster(pbs_exporter_job_name=job_name))
    assert await victoria.probe() == newest
    assert (await victoria.fetch()).endswith(f" 2 {newest}\n".encode())
    # In steps below a minute VictoriaMetrics repeats an older row for the last 30 s, and nothing lifts that.
    told = await victoria.history(["runningJobs"], Grid(now // 1_000, 60, 2))
    assert told == {"runningJobs": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("metrics", "newest"),
    [
        (("pbs_node_count_free", "qstat_total_r_jobs"), 1),
        (("qstat_total_r_jobs", "pbs_node_count_free"), 1),
        (("qstat_total_r_jobs",), 0),
        (("pbs_node_state", "qstat_running_jobs_by_queue"), 1),
    ],
)
async def test_the_probe_tells_the_newest_of_all(
    victoria_metrics: VictoriaMetrics,
    job_name: str,
    connect: Connect,
    metrics: tuple[str, ...],
    newest: int,
) -> None:
    """Whichever of two metrics with the same labels is newer, and also where nothing is counted."""
    at = now_ms() - 60_000
    for n, metric in enumerate(metrics):
        victoria_metrics.import_text(f"{metric} 1", at + n * 1_234, job=job_name)
    victoria_metrics.flush()
    victoria = connect(victoria_metrics.cluster(pbs_exporter_job_name=job_name))
    assert await victoria.probe() == at + newest * 1_234


async def test_a_source_without_samples_says_so(
    victoria_metrics: VictoriaMetrics, job_name: str, connect: Connect
) -> None:
    """No sample is None, nothing and rows of None; it is not an error of the source."""
    victoria = connect(victoria_metrics.cluster(pbs_exporter_job_name=job_name))
    assert await victoria.probe() is None
    assert await victoria.fetch() == b""
    assert await victoria.history(["runningJobs"], GRID) == {"runningJobs": [None] * 5}
    assert await victoria.history([], GRID) == {}


async def test_only_one_job_and_prefix_is_fetched(
    victoria_metrics: VictoriaMetrics, job_name: str, connect: Connect
) -> None:
    """Metrics of other jobs, of other prefixes and of other exporters stay where they are."""
    for label in (job_name, f"{job_name}-2"):
        victoria_metrics.import_text(
            "x_pbs_node_count_free 1\nx_qstat_total_r_jobs 2\npbs_node_count_free 3\nx_up 4", job=label
        )
    victoria_metrics.flush()
    keys = {"pbs_exporter_job_name": job_name, "pbs_exporter_prefix": "x_"}
    victoria = connect(victoria_metrics.cluster(**keys))
    assert samples(await victoria.fetch()) == {
        f'x_pbs_node_count_free{{job="{job_name}"}}',
        f'x_qstat_total_r_jobs{{job="{job_name}"}}',
    }
    assert await victoria.probe() is not None


async def test_prometheus_is_a_source_too(
    start_prometheus: Callable[..., Prometheus],
    exporter: Exporter,
    capture: Callable[[str], str],
    connect: Connect,
) -> None:
    """Probe, fetch and history mean the same in Prometheus."""
    exporter.text = capture(CAPTURE)
    prometheus = start_prometheus(exporter.target, job="hopper")
    victoria = connect(prometheus.cluster(pbs_exporter_job_name="hopper"))
    newest = await until(victoria.probe)
    assert abs(now_ms() - newest) < 10_000
    body = await victoria.fetch()
    assert len(samples(body)) == len(samples(exporter.text))
    assert f'pbs_node_count_free{{instance="{exporter.target}",job="hopper"}} 26 '.encode() in body
    told = await victoria.history(["runningJobs", "gpuUtilization"], Grid(newest // 1_000 + 1, 60, 1))
    used, total = (total_of(exporter.text, f"pbs_node_gpus_{which}") for which in ("used", "total"))
    assert told == {
        "runningJobs": [total_of(exporter.text, "qstat_total_r_jobs")],
        "gpuUtilization": [pytest.approx(100 * used / total)],
    }
    assert victoria.partial is False


async def test_victoria_metrics_scrapes_an_exporter(
    start_victoria_metrics: Callable[..., VictoriaMetrics],
    exporter: Exporter,
    tmp_path: Path,
    connect: Connect,
) -> None:
    """A scraped series is gone when scrapes fail, while the probe goes on telling when it was last there.

    VictoriaMetrics' timestamp() does not heed the mark of a failed scrape: an old probe is no sign of life.
    """
    config = tmp_path / "scrape.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s}}\n"
        f"scrape_configs: [{{job_name: pbs, static_configs: [{{targets: ['{exporter.target}']}}]}}]\n"
    )
    exporter.text = "pbs_node_count_free 5\n"
    program = start_victoria_metrics(promscrape_config=config)
    victoria = connect(program.cluster())
    await until(victoria.probe, between=program.flush)
    exporter.text = None

    async def is_gone() -> bool:
        return await victoria.fetch() == b""

    await until(is_gone, between=program.flush)
    last = await victoria.probe()
    assert last is not None
    assert last <= now_ms()


async def test_an_outage_ends_when_the_source_is_back(
    own_victoria_metrics: VictoriaMetrics, connect: Connect
) -> None:
    """The same client reads on after the source was killed and started again, from what it had stored."""
    own_victoria_metrics.import_text("pbs_node_count_free 7")
    own_victoria_metrics.flush()
    victoria = connect(own_victoria_metrics.cluster())
    before = await victoria.fetch()
    own_victoria_metrics.stop()
    with pytest.raises(SourceUnavailable, match=r"^nothing listens at the source's address$"):
        await victoria.fetch()
    own_victoria_metrics.start()
    assert await victoria.fetch() == before != b""


# -- how it is reached


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_source_may_have_a_path_prefix(
    start_victoria_metrics: Callable[..., VictoriaMetrics], connect: Connect, slash: str
) -> None:
    """A prefix serves with or without a slash at its end; without it the path is named as what is wrong."""
    program = start_victoria_metrics("-http.pathPrefix=/vm")
    program.import_text("pbs_node_count_free 7")
    program.flush()
    victoria = connect(program.cluster(prometheus_url=program.url + slash))
    assert await victoria.probe() is not None
    assert await victoria.fetch() != b""
    assert await victoria.history(["runningJobs"], GRID) == {"runningJobs": [None] * 5}
    astray = connect(program.cluster(prometheus_url=program.url.removesuffix("/vm")))
    with pytest.raises(SourceUnavailable, match=r"no such path, or refused the credentials \(HTTP 400\)$"):
        await astray.probe()


async def test_basic_authentication(
    start_victoria_metrics: Callable[..., VictoriaMetrics], connect: Connect
) -> None:
    """A user name and password open the source, as keys or in the URL; wrong ones are refused."""
    program = start_victoria_metrics("-httpAuth.username=operator", f"-httpAuth.password={SECRET}")
    assert await connect(program.cluster(**LOGIN)).fetch() == b""
    url = program.url.replace("//", f"//operator:{SECRET}@")
    assert await connect(program.cluster(prometheus_url=url)).fetch() == b""
    for wrong in (LOGIN | {"prometheus_password": "x"}, {}):
        with pytest.raises(SourceUnavailable, match=r"^the source refused the credentials \(HTTP 401\)$"):
            await connect(program.cluster(**wrong)).fetch()


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({}, None),
        ({"prometheus_token": "ab.cd\n"}, "Bearer ab.cd"),
        (
            {"prometheus_username": "ö", "prometheus_password": "€:"},
            "Basic " + base64.b64encode("ö:€:".encode()).decode(),
        ),
    ],
)
async def test_credentials_go_with_every_request(
    faulty_upstream: FaultyUpstream, connect: Connect, keys: dict[str, str], header: str | None
) -> None:
    """A bearer token or a login of any letters is in the header of every request."""
    victoria = connect(faulty_upstream.cluster(**keys))
    await victoria.probe()
    await victoria.fetch()
    await victoria.history(["runningJobs"], GRID)
    assert {asked.headers.get("Authorization") for asked in faulty_upstream.asked} == {header}


async def test_every_query_is_asked_fresh(faulty_upstream: FaultyUpstream, connect: Connect) -> None:
    """No query goes without both switches of the 30 s, and history is one request however many its fields."""
    victoria = connect(faulty_upstream.cluster())
    await victoria.probe()
    await victoria.history(["runningJobs", "queuedJobs", "nodeUtilization"], GRID)
    paths = [asked.path for asked in faulty_upstream.asked]
    assert paths == ["/api/v1/query", "/api/v1/query", "/api/v1/query_range"]
    for asked in faulty_upstream.asked:
        assert (asked.query["nocache"], asked.query["latency_offset"]) == ("1", "1ms")
    history = faulty_upstream.asked[-1].query
    assert (history["start"], history["end"], history["step"]) == ("1794166140", "1794166380", "60")


async def test_history_leaves_connections_to_others(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """However many charts are asked for at once, two questions are under way, and probe and fetch are answered meanwhile."""
    may_answer = asyncio.Event()

    async def held(request: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return await faulty.query_result([])(request)

    faulty_upstream.script(*[held] * 8, path="/query_range")
    victoria = connect(faulty_upstream.cluster())

    async def asked() -> bool:
        return [one.path for one in faulty_upstream.asked].count("/api/v1/query_range") == HISTORIES

    async with asyncio.TaskGroup() as group:
        charts = [group.create_task(victoria.history(["runningJobs"], GRID)) for _ in range(8)]
        await until(asked)
        await asyncio.gather(victoria.probe(), victoria.groups())
        await asyncio.gather(victoria.fetch(), victoria.groups())
        assert await asked()
        may_answer.set()
    assert [chart.result() for chart in charts] == [{"runningJobs": [None] * 5}] * 8


async def test_a_source_that_was_closed_is_asked_no_more(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """Questions that wait for their turn when the source is closed are told so, and open no connection that nobody would close."""
    victoria = connect(faulty_upstream.cluster())
    faulty_upstream.script(*[faulty.slow(30)] * HISTORIES, path="/query_range")
    charts = [asyncio.create_task(victoria.history(["runningJobs"], GRID)) for _ in range(2 * HISTORIES)]

    async def asked() -> bool:
        return len(faulty_upstream.asked) == HISTORIES

    await until(asked)
    await victoria.close()
    told = await asyncio.gather(*charts, return_exceptions=True)

    assert [type(each) for each in told] == [SourceUnavailable] * len(charts)
    assert len(faulty_upstream.asked) == HISTORIES


async def test_waiting_for_others_is_not_the_sources_slowness(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """A question of history that waited for two others until those were given up has all of its own time left."""
    faulty_upstream.script(faulty.slow(30), faulty.slow(30), path="/query_range")
    victoria = connect(faulty_upstream.cluster(prometheus_timeout=500))
    asked = (victoria.history(["runningJobs"], GRID) for _ in range(4))
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in told] == [SourceUnavailable, SourceUnavailable, dict, dict]


async def test_what_the_url_asks_for_is_asked_every_time(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """A tenant's fence in the URL (`?extra_label=…`) is part of every request."""
    victoria = connect(faulty_upstream.cluster(prometheus_url=f"{faulty_upstream.url}/vm?extra_label=a=b"))
    await victoria.fetch()
    asked = faulty_upstream.asked[0]
    assert (asked.path, asked.query["extra_label"]) == ("/vm/federate", "a=b")
    assert asked.query["match[]"] == '{__name__=~"(pbs_.*|qstat.*)"}'


async def test_answers_travel_packed(
    victoria_metrics: VictoriaMetrics,
    capture: Callable[[str], str],
    job_name: str,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """VictoriaMetrics sends a tenth of what the text weighs, because we asked for gzip."""
    victoria_metrics.import_text(capture(CAPTURE), job=job_name)
    victoria_metrics.flush()
    victoria = connect(victoria_metrics.cluster(pbs_exporter_job_name=job_name))
    packed: list[int] = []
    read = victoria._read

    async def weigh(answer: aiohttp.ClientResponse) -> bytes:
        body = await read(answer)
        packed.append(answer.content.total_raw_bytes)
        return body

    monkeypatch.setattr(victoria, "_read", weigh)
    body = await victoria.fetch()
    assert 0 < packed[0] * 10 < len(body)


async def test_an_answer_in_several_packings_is_read_whole(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """Where a gzip answer has several members, what each of them holds is there: half a cluster is never believed."""
    lines = [b'pbs_node_jobs{node="n%d"} 1 1794166412000\n' % node for node in range(3_000)]
    faulty_upstream.otherwise = faulty.in_members(*lines[:20], b"", b"".join(lines[20:]))
    assert await connect(faulty_upstream.cluster()).fetch() == b"".join(lines)


async def test_a_missing_storage_node_is_remembered(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """A partial probe is known as such until one is whole again; history refuses to be too low."""
    victoria = connect(faulty_upstream.cluster())
    faulty_upstream.otherwise = faulty.good("pbs_node_count_free 1", partial=True)
    await victoria.probe()
    assert victoria.partial is True
    with pytest.raises(SourceUnavailable, match="storage is missing"):
        await victoria.history(["runningJobs"], GRID)
    faulty_upstream.otherwise = faulty.good("pbs_node_count_free 1")
    await victoria.probe()
    assert victoria.partial is False


async def test_it_can_be_closed_twice_and_before_it_was_opened(connect: Connect) -> None:
    """Closing gives back what there is to give back."""
    victoria = connect(Cluster(name="test"))
    await victoria.close()
    await victoria.close()


# -- what goes wrong


def probe(victoria: Victoria) -> Awaitable[object]:
    return victoria.probe()


def fetch(victoria: Victoria) -> Awaitable[object]:
    return victoria.fetch()


def history(victoria: Victoria) -> Awaitable[object]:
    return victoria.history(["runningJobs"], GRID)


EVERY_CALL = (probe, fetch, history)
QUERIES = (probe, history)


async def fail(victoria: Victoria, call: Call) -> SourceError:
    """The error of one call, which tells nobody where the source is, who we are or what it answered."""
    with pytest.raises(SourceError) as caught:
        await call(victoria)
    error = caught.value
    assert error.__cause__ is None
    told = "".join(traceback.format_exception(error)) + repr(error)
    base = victoria._base
    for hidden in (SECRET, faulty.BODY_OF_A_FAILURE, base.host, str(base.port), "operator:", "http://"):
        assert hidden is not None
        assert hidden not in told
    return error


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (faulty.status(301), "the source answered with a redirect, which is not followed (HTTP 301)"),
        (faulty.status(302), "the source answered with a redirect, which is not followed (HTTP 302)"),
        (faulty.status(400), "the source has no such path, or refused the credentials (HTTP 400)"),
        (faulty.rejected(), "the source rejected the query (HTTP 400)"),
        (faulty.status(401), "the source refused the credentials (HTTP 401)"),
        (faulty.status(403), "the source forbids this to these credentials (HTTP 403)"),
        (faulty.status(404), "the source has no such path: check the path prefix of its URL (HTTP 404)"),
        (
            faulty.status(418),
            "the source answered as neither VictoriaMetrics nor Prometheus would (HTTP 418)",
        ),
        (faulty.status(422), "the source rejected the query (HTTP 422)"),
        (faulty.status(429), "the source is overloaded (HTTP 429)"),
        (faulty.status(500), "the source failed (HTTP 500)"),
        (faulty.status(502), "a proxy cannot reach the source (HTTP 502)"),
        (faulty.status(503), "the source is overloaded (HTTP 503)"),
        (faulty.reset(), "the source broke the connection"),
    ],
)
async def test_a_source_that_does_not_serve_is_unavailable(
    faulty_upstream: FaultyUpstream, connect: Connect, call: Call, answer: Answer, sentence: str
) -> None:
    """Every refusal is a sentence that an operator understands and that tells no secret."""
    faulty_upstream.otherwise = answer
    error = await fail(connect(faulty_upstream.cluster(**LOGIN)), call)
    assert (type(error), str(error)) == (SourceUnavailable, sentence)


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (faulty.truncated(), "the source's answer is cut off or cannot be unpacked"),
        (faulty.not_gzip(), "the source's answer is cut off or cannot be unpacked"),
        (faulty.half_packed(), "the source's answer is cut off or cannot be unpacked"),
        (faulty.in_members(LINE, behind=LINE), "the source's answer is cut off or cannot be unpacked"),
        (
            faulty.in_members(LINE, behind=gzip.compress(LINE)[:-1]),
            "the source's answer is cut off or cannot be unpacked",
        ),
        (faulty.gzip_bomb(4), "the source's answer is larger than 1,048,576 bytes"),
        (faulty.in_members(*[LINE * 10_000] * 4), "the source's answer is larger than 1,048,576 bytes"),
    ],
)
async def test_a_body_that_cannot_be_read_is_malformed(
    faulty_upstream: FaultyUpstream, connect: Connect, call: Call, answer: Answer, sentence: str
) -> None:
    """Half a body is never taken for a whole one, nor is one too large held."""
    faulty_upstream.otherwise = answer
    error = await fail(connect(faulty_upstream.cluster(**LOGIN), MIB), call)
    assert (type(error), str(error)) == (SourceMalformed, sentence)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (faulty.html(), "the source answered with another format than text/plain"),
        (faulty.html(declared=False), "the source answered with something else than metrics"),
        (faulty.json_instead(), "the source answered with another format than text/plain"),
        (faulty.json_instead(declared=False), "the source answered with something else than metrics"),
        (faulty.garbage(), "the source answered with something else than metrics"),
        (faulty.cut_off(), "the source's answer is cut off"),
    ],
)
async def test_what_is_not_metrics_is_not_taken_for_metrics(
    faulty_upstream: FaultyUpstream, connect: Connect, answer: Answer, sentence: str
) -> None:
    """A login page, JSON, binary and half a body are malformed, whatever their header says."""
    faulty_upstream.otherwise = answer
    error = await fail(connect(faulty_upstream.cluster()), fetch)
    assert (type(error), str(error)) == (SourceMalformed, sentence)


@pytest.mark.parametrize("call", QUERIES)
@pytest.mark.parametrize(
    "answer",
    [
        faulty.html(),
        faulty.html(declared=False),
        faulty.json_instead(),
        faulty.garbage(),
        faulty.empty(),
        faulty.query_result(None),
        faulty.query_result("none"),
        faulty.query_result([{}]),
        faulty.query_result([None]),
        faulty.query_result([{"metric": {"field": "runningJobs"}, "values": 1, "value": [0, "soon"]}]),
        faulty.query_result([{"metric": {"field": "other"}, "values": [], "value": []}]),
        faulty.query_result(
            [{"metric": {"field": "runningJobs"}, "values": [[1, "1"]], "value": [1, "NaN"]}]
        ),
        faulty.query_result(
            [{"metric": {"field": "runningJobs"}, "values": [[1, "1"]], "value": [1, "Inf"]}]
        ),
    ],
)
async def test_an_answer_that_is_no_query_s_is_malformed(
    faulty_upstream: FaultyUpstream, connect: Connect, call: Call, answer: Answer
) -> None:
    """JSON of another shape, rows off the grid and series that nobody asked for are never read as numbers."""
    faulty_upstream.otherwise = answer
    error = await fail(connect(faulty_upstream.cluster()), call)
    assert type(error) is SourceMalformed


@pytest.mark.parametrize("label", [5, None, True, ["hopper"], {"name": "hopper"}])
async def test_a_label_that_is_no_text_is_malformed(
    faulty_upstream: FaultyUpstream, connect: Connect, label: object
) -> None:
    """Clusters are named by what the labels say, so one that says no text names none."""
    series = [{"metric": {"cluster": "hopper"}}, {"metric": {"cluster": label}}]
    faulty_upstream.otherwise = faulty.query_result(series)
    with pytest.raises(SourceMalformed, match="something else than labels"):
        await connect(faulty_upstream.cluster()).groups()


async def test_an_empty_answer_is_an_empty_body(faulty_upstream: FaultyUpstream, connect: Connect) -> None:
    """200 and nothing in it is what a source without samples says; the caller decides what that means."""
    faulty_upstream.script(faulty.empty(), path="/federate")
    assert await connect(faulty_upstream.cluster()).fetch() == b""


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize("answer", [faulty.slow(30), faulty.dripping(30)])
async def test_a_slow_source_is_given_up(
    faulty_upstream: FaultyUpstream, connect: Connect, call: Call, answer: Answer
) -> None:
    """An answer that does not begin or does not end within the timeout is an outage of so many seconds."""
    faulty_upstream.otherwise = answer
    error = await fail(connect(faulty_upstream.cluster(prometheus_timeout=50)), call)
    assert (type(error), str(error)) == (SourceUnavailable, "the source did not answer within 0.05 s")


async def test_a_gzip_bomb_is_never_held(faulty_upstream: FaultyUpstream, connect: Connect) -> None:
    """64 KiB that unpack to 64 MiB cost no more than the limit and a few pieces."""
    faulty_upstream.otherwise = faulty.gzip_bomb(64)
    victoria = connect(faulty_upstream.cluster(), MIB)
    tracemalloc.start()
    try:
        await fail(victoria, fetch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:65531", "nothing listens at the source's address"),
        ("http://source.invalid:8428", "the source cannot be found by name"),
        ("http://a..b:8428", "the source cannot be found by name"),
        (f"http://{'a' * 64}.example:8428", "the source cannot be found by name"),
    ],
)
async def test_a_source_that_is_not_there(connect: Connect, url: str, sentence: str) -> None:
    """No listener and no such name are told apart, without telling the name."""
    error = await fail(connect(Cluster(name="test", prometheus_url=url)), fetch)
    assert (type(error), str(error)) == (SourceUnavailable, sentence)


async def test_a_source_without_tls_is_not_spoken_to_in_tls(
    faulty_upstream: FaultyUpstream, connect: Connect
) -> None:
    """https to a plain server is told from a missing server."""
    url = faulty_upstream.url.replace("http:", "https:")
    error = await fail(connect(faulty_upstream.cluster(prometheus_url=url)), fetch)
    assert str(error) == "the source does not speak TLS: check http or https in its URL"


async def test_a_program_that_does_not_speak_http(connect: Connect) -> None:
    """A port on which something else listens is malformed, not a traceback."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        victoria = connect(Cluster(name="test", prometheus_url=f"http://127.0.0.1:{port}"))
        error = await fail(victoria, fetch)
    assert (type(error), str(error)) == (SourceMalformed, "the source does not speak HTTP: check its URL")


def test_a_url_that_no_request_can_be_made_of_is_the_operators() -> None:
    """What the configuration's own check lets through is refused before the first request."""
    cluster = Cluster.model_construct(name="test", prometheus_url="http://[::1")
    with pytest.raises(ConfigError, match=r"^prometheus_url: allowed: "):
        Victoria(cluster, MIB)
