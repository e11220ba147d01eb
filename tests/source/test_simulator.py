"""The simulated cluster: a source that lives by itself, an exporter to scrape, a month that it has lived."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from realtime.source.history import FIELDS
from realtime.source.simulator import SimulatedCluster, SimulatedSource, simulated_exporter
from realtime.source.source import Source
from realtime.state.grid import TIME_RANGES, Grid, grid_of
from tests.source.test_simulated_page import read

NOW_MS = 1_794_166_412_000

Client = Callable[[web.Application], Awaitable[TestClient[Any, Any]]]


def cluster() -> SimulatedCluster:
    simulated = SimulatedCluster()
    simulated.advance(NOW_MS)
    return simulated


def exposed(simulated: SimulatedCluster) -> dict[str, dict[str, int]]:
    return read(simulated.exposition(timestamps=False).decode())


def test_what_an_operator_does_is_seen_without_a_tick() -> None:
    """A node that is failed, drained or restored has the exporter's code for it in the next exposition."""
    simulated = cluster()
    for act, code in (
        (simulated.fail, 4),
        (simulated.restore, 1),
        (simulated.drain, 3),
        (simulated.restore, 1),
    ):
        act("hopper-11")
        if code == 4:
            assert exposed(simulated)["pbs_node_jobs"]["hopper-11"] == 0
        assert exposed(simulated)["pbs_node_state"]["hopper-11"] == code


def test_every_line_of_a_scrape_has_the_ticks_time_and_the_scrapes_labels() -> None:
    """With timestamps each sample has the last tick's time, job and instance; else the text is the same."""
    simulated = cluster()
    text = simulated.exposition(timestamps=True).decode()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(line.endswith(f" {NOW_MS}") for line in samples)
    assert all('instance="simulated:8888",job="pbs-exporter"' in line for line in samples)
    bare = re.sub(r'instance="simulated:8888",job="pbs-exporter",?', "", text).replace("{}", "")
    assert bare.replace(f" {NOW_MS}\n", "\n").encode() == simulated.exposition(timestamps=False)


def test_a_past_fills_every_row_of_every_time_range() -> None:
    """After 30 days lived each of the four time ranges has a number in every row, within its bounds."""
    simulated = SimulatedCluster()
    simulated.live_through(30 * 86_400, NOW_MS)
    assert simulated.at_ms == NOW_MS
    for time_range in TIME_RANGES:
        grid = grid_of(time_range, NOW_MS / 1_000)
        for field in FIELDS:
            rows = simulated.past.means(field, grid)
            assert len(rows) == grid.rows
            for row in rows:
                assert row is not None
                assert 0 <= row <= (100 if field.endswith("Utilization") else 1_000)


def test_a_large_cluster_has_its_past_in_seconds() -> None:
    """5,000 nodes live through 30 days in less than ten seconds of CPU, and end at now."""
    started = time.process_time()
    simulated = SimulatedCluster(5_000)
    simulated.live_through(30 * 86_400, NOW_MS)
    assert time.process_time() - started < 10  # it takes 3
    assert simulated.at_ms == NOW_MS


async def test_every_probe_of_the_source_finds_something_new() -> None:
    """Each probe is a tick at the clock's time that changes something; fetching twice gives the same."""
    clock = iter(range(NOW_MS, NOW_MS + 10_000_000, 250))
    source: Source = SimulatedSource(SimulatedCluster(), now_ms=lambda: next(clock))
    last = b""
    for tick in range(200):
        at_ms = await source.probe()
        assert at_ms == NOW_MS + tick * 250
        body = await source.fetch()
        assert body == await source.fetch()
        assert not source.partial
        assert f" {at_ms}\n".encode() in body
        now = body.replace(f" {at_ms}\n".encode(), b"\n")
        assert now != last
        last = now
    await source.close()


async def test_the_sources_history_is_what_was_shown() -> None:
    """A row of the source's history is the mean of what its expositions said in that row's step."""
    clock = iter(range(NOW_MS, NOW_MS + 10_000_000, 20_000))
    simulated = SimulatedCluster()
    source = SimulatedSource(simulated, now_ms=lambda: next(clock))
    shown = []
    for _ in range(9):
        await source.probe()
        now = exposed(simulated)
        cpus = 100 * sum(now["pbs_node_cpus_used"].values()) / sum(now["pbs_node_cpus_total"].values())
        memory = (
            100 * sum(now["pbs_node_memory_used_gb"].values()) / sum(now["pbs_node_memory_total_gb"].values())
        )
        nodes = 100 * sum(jobs > 0 for jobs in now["pbs_node_jobs"].values()) / 46
        shown.append((simulated.at_ms, now["qstat_total_r_jobs"][""], cpus, memory, nodes))
    grid = Grid.ending(NOW_MS / 1_000 + 160, 60, 2)
    fields = ["runningJobs", "cpuUtilization", "memoryUtilization", "nodeUtilization"]
    history = await source.history([*fields, "noSuchField"], grid)
    assert history.pop("noSuchField") == [None, None]
    assert list(history) == fields
    for row, at in enumerate(grid.instants):
        inside = [tick[1:] for tick in shown if (at - 60) * 1_000 < tick[0] <= at * 1_000]
        assert len(inside) == 3
        for column, field in enumerate(fields):
            assert history[field][row] == pytest.approx(sum(tick[column] for tick in inside) / 3)


async def test_the_exporter_serves_what_a_scraper_expects(aiohttp_client: Client) -> None:
    """`GET /metrics` is the exposition without timestamps in the text format's type; else there is 404."""
    simulated = SimulatedCluster()
    client = await aiohttp_client(simulated_exporter(simulated, tick_seconds=3_600, now_ms=lambda: NOW_MS))
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert await response.read() == simulated.exposition(timestamps=False)
    assert (await client.get("/")).status == 404


async def test_the_exporter_lives_on_by_itself(aiohttp_client: Client) -> None:
    """The cluster ticks at the clock's time while nobody asks, and no more once the application has ended."""
    simulated = SimulatedCluster()
    ticked = asyncio.Event()
    count = 0

    def now_ms() -> int:
        nonlocal count
        count += 1
        if count == 5:
            ticked.set()
        return NOW_MS + count * 1_000

    client = await aiohttp_client(simulated_exporter(simulated, tick_seconds=0.001, now_ms=now_ms))
    await asyncio.wait_for(ticked.wait(), 10)
    assert simulated.at_ms == NOW_MS + count * 1_000
    await client.close()
    ended = count
    await asyncio.wait_for(asyncio.to_thread(lambda: None), 10)
    assert count == ended


async def test_a_broken_exporter_says_so(aiohttp_client: Client) -> None:
    """When the cluster cannot go on the answer is a 500 and never numbers that stand still."""

    def now_ms() -> int:
        raise ZeroDivisionError

    app = simulated_exporter(SimulatedCluster(), tick_seconds=0.001, now_ms=now_ms)
    client = await aiohttp_client(app)
    assert (await client.get("/metrics")).status == 500
    with pytest.raises(ZeroDivisionError):
        await client.close()
