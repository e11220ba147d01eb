"""The source itself: VictoriaMetrics and Prometheus killed, stopped, slow, emptied and put back, and the exporter that they scrape."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.resilience.crowd import eventually
from tests.resilience.daemon import Daemon, started
from tests.resilience.line import Line
from tests.resilience.numbered import GUEST, GUESTS, NumberedExporter
from tests.resilience.oracle import Oracle
from tests.resilience.outage import Watch, watching
from tests.upstream import Prometheus, VictoriaMetrics

TIMEOUT_SECONDS: Final = 1.5
"""`PROMETHEUS_TIMEOUT` in these tests."""

NODES: Final = ("pbs_node_state", "pbs_node_jobs", "pbs_node_cpus", "pbs_node_gpus")
"""What an exporter leaves out for which pbsnodes fails; it goes on counting."""

JOBS: Final = ("qstat_running_jobs_by",)
"""The same of qstat."""

MINUTE_MS: Final = 60_000


@asynccontextmanager
async def watched(folder: Path, url: str, oracle: Oracle, **variables: str) -> AsyncIterator[Watch]:
    """A server before this source, and its readers."""
    with started(Daemon(folder / "server", PROMETHEUS_URL=url, **variables)) as daemon:
        await daemon.until_ready()
        async with watching(daemon, oracle, secrets=(url.removeprefix("http://"),)) as watch:
            yield watch


# -- killed, stopped


async def test_a_source_that_is_killed_is_down_and_nothing_changes(
    victoria: VictoriaMetrics, oracle: Oracle, tmp_path: Path
) -> None:
    """While VictoriaMetrics is dead everything stays as it was and is said to be down; restarted on its data it is live again."""
    async with watched(tmp_path, victoria.url, oracle) as watch:
        victoria.kill()
        await watch.fails("POLL_FAILED", "down")
        await asyncio.to_thread(victoria.start)
        await watch.recovers()


async def test_a_source_that_is_stopped_is_down_after_its_timeout(
    victoria: VictoriaMetrics, oracle: Oracle, tmp_path: Path
) -> None:
    """A VictoriaMetrics that takes connections and has no processor to answer is down after its timeout, and live as soon as it answers."""
    async with watched(tmp_path, victoria.url, oracle) as watch:
        os.kill(victoria.pid, signal.SIGSTOP)
        try:
            await watch.fails("POLL_FAILED", "down")
        finally:
            os.kill(victoria.pid, signal.SIGCONT)
        await watch.recovers()


async def test_prometheus_that_is_killed_is_down_too(
    start_prometheus: Callable[..., Prometheus], exporter: NumberedExporter, oracle: Oracle, tmp_path: Path
) -> None:
    """With Prometheus as the source a kill and a restart are the same."""
    prometheus = start_prometheus(exporter.target, every="200ms")
    async with watched(tmp_path, prometheus.url, oracle) as watch:
        prometheus.kill()
        await watch.fails("POLL_FAILED", "down")
        await asyncio.to_thread(prometheus.start)
        await watch.recovers()


# -- its data


async def test_a_source_that_lost_everything_is_no_empty_cluster(
    scraping: VictoriaMetrics, oracle: Oracle, tmp_path: Path
) -> None:
    """A VictoriaMetrics that knows nothing any more is no empty cluster: until it shows what it has scraped anew all stays as it was."""
    async with watched(tmp_path, scraping.url, oracle) as watch:
        scraping.kill()
        shutil.rmtree(scraping.data)
        await asyncio.to_thread(scraping.start)
        await watch.fails("EXPORTER_DOWN", "stale")
        await watch.recovers()


async def test_a_source_that_was_put_back_takes_nobody_back(
    scraping: VictoriaMetrics, exporter: NumberedExporter, oracle: Oracle, tmp_path: Path
) -> None:
    """A VictoriaMetrics that was put back to what it held some time ago takes nobody back: what was known later stays, and grows old, until
    something later than that is scraped.
    """
    async with watched(tmp_path, scraping.url, oracle) as watch:
        await asyncio.to_thread(scraping.stop)
        shutil.copytree(scraping.data, tmp_path / "older")
        await asyncio.to_thread(scraping.start)
        await watch.crowd.until_newer()
        scraping.kill()
        shutil.rmtree(scraping.data)
        shutil.copytree(tmp_path / "older", scraping.data)
        config = tmp_path / "scrape.yml"
        config.write_text("scrape_configs: []\n")
        await asyncio.to_thread(scraping.start)
        await watch.fails("SCRAPE_LATE", "stale")

        figures = await watch.daemon.figures()
        assert figures["realtime_polls_total", "older"] > 0, "the older samples were never seen"
        scraping.kill()
        config.write_text(exporter.scrape_config)
        await asyncio.to_thread(scraping.start)
        await watch.recovers()


# -- the way to it


async def test_a_source_that_is_slow_is_late_and_then_down(
    victoria: VictoriaMetrics, oracle: Oracle, tmp_path: Path
) -> None:
    """A source that takes a fifth of its timeout is late and nothing more; one that takes twice the timeout is down."""
    async with Line(victoria.port) as line, watched(tmp_path, line.url, oracle) as watch:
        line.delay_seconds = TIMEOUT_SECONDS / 5
        for _ in range(2):
            await watch.crowd.until_newer()
        await watch.crowd.until_quality("live")
        assert not [line for line in watch.daemon.logged() if "did not answer" in line.get("problem", "")]
        line.delay_seconds = 2 * TIMEOUT_SECONDS
        await watch.fails("POLL_FAILED", "down")
        line.delay_seconds = 0.0
        await watch.recovers()


async def test_a_source_that_drips_is_down(victoria: VictoriaMetrics, oracle: Oracle, tmp_path: Path) -> None:
    """A source whose answers begin at once and come a byte at a time is down when the whole takes longer than the timeout."""
    async with Line(victoria.port) as line, watched(tmp_path, line.url, oracle) as watch:
        line.drip_seconds = 0.02
        await watch.fails("POLL_FAILED", "down")
        line.drip_seconds = 0.0
        await watch.recovers()


async def test_an_answer_that_is_cut_is_believed_whole_or_not_at_all(
    victoria: VictoriaMetrics, oracle: Oracle, tmp_path: Path
) -> None:
    """Of answers that are cut at random bytes each is believed whole or not at all."""
    random = Random(1)
    async with Line(victoria.port) as line, watched(tmp_path, line.url, oracle) as watch:
        # A probe's answer has some 400 bytes, a fetch's 2,000.
        line.cut_after = lambda: random.randint(1, 3_000)
        line.cut()

        async def was_cut() -> bool:
            figures = await watch.daemon.figures()
            return figures.get(("realtime_polls_total", "POLL_FAILED"), 0) >= 20

        await eventually(was_cut, "failed twenty times")
        line.cut_after = None
        line.cut()
        await watch.recovers()


# -- the exporter


async def test_scrapes_that_fail_are_no_empty_cluster(
    victoria: VictoriaMetrics, exporter: NumberedExporter, oracle: Oracle, tmp_path: Path
) -> None:
    """An exporter that cannot be scraped ends all of its series at once: everything stays as it was, and is said to be stale."""
    async with watched(tmp_path, victoria.url, oracle) as watch:
        exporter.text = None
        await watch.fails("EXPORTER_DOWN", "stale")
        exporter.text = ""
        await watch.recovers()


@pytest.mark.parametrize(("left_out", "code"), [(NODES, "PBSNODES_FAILED"), (JOBS, "QSTAT_FAILED")])
async def test_what_an_exporter_lists_no_more_stays_and_is_partial(
    victoria: VictoriaMetrics,
    exporter: NumberedExporter,
    oracle: Oracle,
    tmp_path: Path,
    left_out: tuple[str, ...],
    code: str,
) -> None:
    """What an exporter lists no more is shown as it last was, said to be partial, and named after its grace."""
    async with watched(tmp_path, victoria.url, oracle) as watch:
        # The other half would go on, and no scrape would be whole.
        exporter.frozen = True
        last = exporter.scrape
        await watch.crowd.until(lambda reader: reader.standing.scrape == last, "held the last scrape")
        exporter.left_out = left_out
        await watch.fails(code, "partial")
        exporter.left_out = ()
        exporter.frozen = False
        await watch.recovers()


async def test_timestamps_that_go_back_are_no_news(
    victoria: VictoriaMetrics, exporter: NumberedExporter, oracle: Oracle, tmp_path: Path
) -> None:
    """An exporter that says of each sample when it was taken, and suddenly that this was a minute ago, tells nothing new: all stays, and is stale."""
    # Were it to leave just then, its end would be news: that is told as of now, by whoever scrapes.
    exporter.left_out = GUESTS
    async with watched(tmp_path, victoria.url, oracle) as watch:
        await watch.crowd.until(
            lambda reader: GUEST not in (reader.client.state or {}).get("nodes", {}), "saw the guest leave"
        )
        exporter.stamped_ms_ago = MINUTE_MS
        await watch.fails("SCRAPE_LATE", "stale")
        exporter.stamped_ms_ago = 0
        await watch.recovers()
