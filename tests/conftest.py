"""What several tests start: real sources, failing ones, and what a real exporter said."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop
from hypothesis import settings

from tests.faulty import FaultyUpstream, faulty
from tests.upstream import Exporter, Prometheus, VictoriaMetrics, running

CAPTURES = Path(__file__).parent / "data" / "metrics"

Capture = Callable[[str], str]

_job_numbers = itertools.count(1)

# How long an example takes says more of what else the machine does than of what is tested.
settings.register_profile("untimed", parent=settings.default, deadline=None)
settings.load_profile("untimed")

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
ON_BOTH_LOOPS = ("test_conformance.py", "test_accepting.py", "test_certificate.py")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The stories of conformance, how connections are taken and what TLS hides are told on both event loops, all else on Python's own."""
    names = LOOPS if item.path.name in ON_BOTH_LOOPS else ("asyncio",)
    return {name: LOOPS[name] for name in names}


@pytest.fixture(scope="session")
def capture() -> Capture:
    """`capture("at-1794166412")`, `capture("faults/qstat_t-fail")`: what a real exporter said."""

    def read(name: str) -> str:
        return (CAPTURES / f"{name}.txt").read_text()

    return read


@pytest.fixture
def job_name() -> str:
    """A job name that no other test has, so that tests can share a VictoriaMetrics."""
    return f"job-{os.getpid()}-{next(_job_numbers)}"


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """One VictoriaMetrics for everybody: import under your own `job`, and do not stop it."""
    with running(VictoriaMetrics(tmp_path_factory.mktemp("victoria-metrics"))) as program:
        yield program


@pytest.fixture
def start_victoria_metrics(tmp_path: Path) -> Iterator[Callable[..., VictoriaMetrics]]:
    """`start_victoria_metrics("-http.pathPrefix=/vm", promscrape_config=path)`: your own, with flags."""
    with ExitStack() as programs:
        numbers = itertools.count(1)

        def start(*flags: str, promscrape_config: Path | None = None) -> VictoriaMetrics:
            folder = tmp_path / f"victoria-metrics-{next(numbers)}"
            program = VictoriaMetrics(folder, *flags, promscrape_config=promscrape_config)
            return programs.enter_context(running(program))

        yield start


@pytest.fixture
def own_victoria_metrics(start_victoria_metrics: Callable[..., VictoriaMetrics]) -> VictoriaMetrics:
    """One that the test may stop, kill and start again; its port and its data stay."""
    return start_victoria_metrics()


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """`start_prometheus(exporter.target, job="pbs")`: scrapes it every second, or `every=`; `backfill=` for a past."""
    with ExitStack() as programs:
        numbers = itertools.count(1)

        def start(target: str = "", *, job: str = "pbs", backfill: str = "", every: str = "1s") -> Prometheus:
            folder = tmp_path / f"prometheus-{next(numbers)}"
            program = Prometheus(folder, target, job=job, backfill=backfill, every=every)
            return programs.enter_context(running(program))

        yield start


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """A page to scrape: set its `text`, or None to make scrapes fail."""
    page = Exporter()
    yield page
    page.close()


@pytest.fixture
async def faulty_upstream() -> AsyncIterator[FaultyUpstream]:
    """A source whose next answers are scripted (tests/faulty.py)."""
    async with faulty() as upstream:
        yield upstream
