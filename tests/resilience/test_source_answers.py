"""A source that answers, and not as it should: an otherwise real VictoriaMetrics behind a script."""

import json
import re
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from aiohttp import web

from tests import faulty
from tests.faulty import Answer, FaultyUpstream, forwarding
from tests.resilience.daemon import Daemon, started
from tests.resilience.numbered import NumberedExporter
from tests.resilience.oracle import Oracle
from tests.resilience.outage import ASKED, Watch, watching
from tests.upstream import VictoriaMetrics

STALE_AFTER_SECONDS: Final = 2.0
"""So that many faults have room in one test; what a real VictoriaMetrics shows is up to 1.3 s old."""

HURRIED: Final = {"STALE_AFTER_SECONDS": str(STALE_AFTER_SECONDS), "DATA_CACHE_TTL": "0"}

MAX_FETCH_MIB: Final = 4
BOMB_MIB: Final = 64
SLACK_MIB: Final = 6
"""What else a server needs meanwhile: answers to readers, and pieces that were just unpacked."""

HOUR_MS: Final = 3_600_000

SECRET: Final = secrets.token_urlsafe(24)
TOKEN: Final = {"PROMETHEUS_TOKEN": SECRET}
PASSWORD: Final = {"PROMETHEUS_USERNAME": "operator", "PROMETHEUS_PASSWORD": SECRET}
PACKED: Final = b64encode(f"operator:{SECRET}".encode()).decode()

Forward = Callable[..., Answer]


class Fault(NamedTuple):
    """An answer, and what readers are told of it."""

    answer: Answer
    qualities: tuple[str, ...] = ("stale",)
    code: str = "POLL_FAILED"
    path: str = "/federate"
    """What is answered so: the end of its path."""


def refusal(answer: Answer, path: str = "") -> Fault:
    """What is no answer: the source is down."""
    return Fault(answer, ("down",), path=path)


REFUSED: Final = {
    "301": refusal(faulty.status(301)),
    "400 in text": refusal(faulty.status(400)),
    "400 in JSON": refusal(faulty.rejected()),
    "422": refusal(faulty.status(422)),
    "reset": refusal(faulty.reset()),
}
NOT_NOW: Final = {
    "401 in text": refusal(faulty.status(401)),
    "403": refusal(faulty.status(403)),
    "429": refusal(faulty.status(429)),
    "503": refusal(faulty.status(503)),
    "503 for the probe alone": refusal(faulty.status(503), "/query"),
    "503 for the fetch alone": refusal(faulty.status(503), "/federate"),
}
NOT_METRICS: Final = {
    "garbage": Fault(faulty.garbage()),
    "garbage for the probe": Fault(faulty.garbage(), path="/query"),
    "a login page": Fault(faulty.html()),
    "a login page that says it is metrics": Fault(faulty.html(declared=False)),
    "JSON": Fault(faulty.json_instead()),
    "JSON that says it is metrics": Fault(faulty.json_instead(declared=False)),
}
NOT_ALL: Final = {
    "nothing": Fault(faulty.empty(), code="EXPORTER_DOWN"),
    "less than was announced": Fault(faulty.truncated()),
    "an end that nothing announced": Fault(faulty.cut_off()),
    "half of what was packed": Fault(faulty.half_packed()),
    "not packed as it says": Fault(faulty.not_gzip()),
    "part of the storage": Fault(
        faulty.query_result([], partial=True), ("partial", "stale"), "PARTIAL", "/query"
    ),
}


class Front:
    """Stands before a real source, and answers in its place where a fault says so."""

    def __init__(self, script: FaultyUpstream, forward: Forward) -> None:
        self._script = script
        self.forward = forward
        self.clear()

    def clear(self) -> None:
        self._script.otherwise = self.forward()

    def befall(self, fault: Fault) -> None:
        whole = self.forward()

        async def answer(request: web.Request) -> web.StreamResponse:
            return await (fault.answer if request.path.endswith(fault.path) else whole)(request)

        self._script.otherwise = answer


@pytest.fixture
async def front(faulty_upstream: FaultyUpstream, victoria: VictoriaMetrics) -> AsyncIterator[Front]:
    async with forwarding(victoria.url) as forward:
        yield Front(faulty_upstream, forward)


@pytest.fixture
def oracle(exporter: NumberedExporter) -> Oracle:
    return Oracle(exporter, 1_000 * STALE_AFTER_SECONDS)


@asynccontextmanager
async def watched(
    folder: Path, script: FaultyUpstream, oracle: Oracle, **variables: str
) -> AsyncIterator[Watch]:
    """A server before this script, and its readers."""
    variables = HURRIED | {"PROMETHEUS_URL": script.url} | variables
    with started(Daemon(folder / "server", **variables)) as daemon:
        await daemon.until_ready()
        hidden = (script.url.removeprefix("http://"), SECRET, PACKED)
        async with watching(daemon, oracle, secrets=hidden) as watch:
            yield watch


async def go_through(watch: Watch, front: Front, fault: Fault) -> None:
    """It befalls, and is over."""
    front.befall(fault)
    await watch.fails(fault.code, *fault.qualities, ask=(*ASKED, "/api/analytics/jobs?timeRange=1h"))
    front.clear()
    await watch.recovers()


@pytest.mark.parametrize(
    ("faults", "login"),
    [
        pytest.param(REFUSED, TOKEN, id="refused"),
        pytest.param(NOT_NOW, PASSWORD, id="not now"),
        pytest.param(NOT_METRICS, TOKEN, id="not metrics"),
        pytest.param(NOT_ALL, PASSWORD, id="not all"),
    ],
)
async def test_whatever_is_answered_instead(
    front: Front,
    faulty_upstream: FaultyUpstream,
    oracle: Oracle,
    tmp_path: Path,
    faults: dict[str, Fault],
    login: dict[str, str],
) -> None:
    """Whatever the source answers instead of its metrics, all stays as it was, is said not to be live in time, and is live again with the first
    good answer; what it answered is told to nobody, and the login neither told nor logged at any level.
    """
    async with watched(tmp_path, faulty_upstream, oracle, LOG_LEVEL="debug", **login) as watch:
        for name, fault in faults.items():
            try:
                await go_through(watch, front, fault)
            except BaseException as error:
                error.add_note(f"the fault: {name}")
                raise
    sent = {asked.headers.get("Authorization") for asked in faulty_upstream.asked}
    assert sent in ({f"Bearer {SECRET}"}, {f"Basic {PACKED}"})


async def test_values_that_are_no_numbers(
    front: Front, faulty_upstream: FaultyUpstream, oracle: Oracle, tmp_path: Path
) -> None:
    """Samples that are all NaN, infinite, or larger than any count say nothing, and what was known stays."""
    strange = cycle([b"NaN", b"+Inf", b"-Inf", b"1e300"])

    def poison(body: bytes) -> bytes:
        return re.sub(rb"(?m) \S+ (\d+)$", lambda line: b" %s %s" % (next(strange), line[1]), body)

    async with watched(tmp_path, faulty_upstream, oracle) as watch:
        await go_through(watch, front, Fault(front.forward(poison), code="EXPORTER_DOWN"))


async def test_a_bomb_costs_no_memory(
    front: Front, faulty_upstream: FaultyUpstream, oracle: Oracle, tmp_path: Path
) -> None:
    """An answer of some KiB that unpacks to 64 MiB is given up at `max_fetch_mib`: the server never holds more than that."""
    async with watched(tmp_path, faulty_upstream, oracle, MAX_FETCH_MIB=str(MAX_FETCH_MIB)) as watch:
        before = watch.daemon.rss_mib
        watch.daemon.forget_peak()
        for path in ("/query", "/federate"):
            await go_through(watch, front, Fault(faulty.gzip_bomb(BOMB_MIB), path=path))
        grown = watch.daemon.peak_mib - before
    assert grown <= MAX_FETCH_MIB + SLACK_MIB


@pytest.mark.parametrize(
    ("hours", "quality", "code"), [(-1, "stale", "SCRAPE_LATE"), (1, "live", "CLOCK_SKEW")]
)
async def test_a_clock_of_the_source_that_is_set(
    front: Front,
    faulty_upstream: FaultyUpstream,
    oracle: Oracle,
    tmp_path: Path,
    hours: int,
    quality: str,
    code: str,
) -> None:
    """When the source's clock is set an hour back or forth its numbers are told on, as old as its clock says they are or as of now, and the fault
    is named; when it is set right all is well at once.
    """
    set_ms = hours * HOUR_MS

    def later(body: bytes) -> bytes:
        if body.startswith(b"{"):
            told = json.loads(body)
            for series in told["data"]["result"]:
                series["value"][1] = str(float(series["value"][1]) + set_ms / 1_000)
            return json.dumps(told).encode()
        return re.sub(rb"(?m) (\d+)$", lambda line: b" %d" % (int(line[1]) + set_ms), body)

    async with watched(tmp_path, faulty_upstream, oracle) as watch:
        front.befall(Fault(front.forward(later), path=""))
        await watch.crowd.until_quality(quality)
        await watch.until_named(code)
        await watch.crowd.until_newer()
        await watch.crowd.until_quality(quality)
        front.clear()
        await watch.recovers()
