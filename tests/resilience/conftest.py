"""What every fault befalls: a numbered exporter, scraped by a real VictoriaMetrics or Prometheus, polled by the real server as a process."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.resilience.daemon import PATIENCE_SECONDS, STALE_AFTER_MS, Daemon, started
from tests.resilience.numbered import ALL_SERIES, NumberedExporter
from tests.resilience.oracle import Oracle
from tests.upstream import Prometheus, VictoriaMetrics, running


@pytest.fixture(scope="session")
def numbered() -> Iterator[NumberedExporter]:
    """One exporter for all: each source that scrapes it sees ever higher numbers, and leaves some out."""
    exporter = NumberedExporter()
    yield exporter
    exporter.close()


@pytest.fixture
def exporter(numbered: NumberedExporter) -> Iterator[NumberedExporter]:
    """The exporter, counting; and counting again whatever a test had it say, for a source may be started next that waits for it."""
    yield numbered
    numbered.recover()


@pytest.fixture
def oracle(exporter: NumberedExporter) -> Oracle:
    return Oracle(exporter, STALE_AFTER_MS)


@pytest.fixture(scope="session")
def prometheus(numbered: NumberedExporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the exporter five times a second, and shows each scrape whole and at once. It befalls nothing."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running(Prometheus(folder, numbered.target, every="200ms")) as program:
        wait_for_scrapes(numbered, 3)
        yield program


@pytest.fixture(scope="module")
def lasting(
    numbered: NumberedExporter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VictoriaMetrics]:
    """A VictoriaMetrics as `scraping`, which takes four seconds to have seen all, for the tests of a file."""
    folder = tmp_path_factory.mktemp("victoria")
    (folder / "scrape.yml").write_text(numbered.scrape_config)
    with running(VictoriaMetrics(folder, promscrape_config=folder / "scrape.yml")) as program:
        wait_for_scrapes(numbered, ALL_SERIES)
        yield program


@pytest.fixture
def victoria(lasting: VictoriaMetrics, exporter: NumberedExporter) -> Iterator[VictoriaMetrics]:
    """The one that lasts: a test may kill it and start it again, and leaves its data to the next."""
    yield lasting
    if not lasting.runs:
        lasting.start()


@pytest.fixture
def scraping(
    exporter: NumberedExporter, start_victoria_metrics: Callable[..., VictoriaMetrics], tmp_path: Path
) -> VictoriaMetrics:
    """A VictoriaMetrics of the test's own that scrapes the exporter five times a second, and shows that once a second."""
    config = tmp_path / "scrape.yml"
    config.write_text(exporter.scrape_config)
    program = start_victoria_metrics(promscrape_config=config)
    # A brand-new series is shown some time after the others of its scrape.
    wait_for_scrapes(exporter, ALL_SERIES)
    return program


def wait_for_scrapes(exporter: NumberedExporter, number: int) -> None:
    enough, deadline = exporter.scrape + number, time.monotonic() + PATIENCE_SECONDS
    while exporter.scrape < enough:
        assert time.monotonic() < deadline, "nobody scrapes"
        time.sleep(0.02)


@pytest.fixture
async def daemon(prometheus: Prometheus, exporter: NumberedExporter, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A server whose source changes five times a second."""
    with started(Daemon(tmp_path / "server", PROMETHEUS_URL=prometheus.url)) as server:
        await server.until_ready()
        yield server
