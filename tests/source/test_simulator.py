"""The simulated exporter: in form it is the real one, and in numbers it is the cluster behind it."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import given, settings, strategies as st

from realtime.source.history import FIELDS
from realtime.source.simulator import (
    KEEP_MINUTES,
    Past,
    SimulatedCluster,
    SimulatedSource,
    headline,
    simulated_exporter,
)
from realtime.source.source import Source
from realtime.state.grid import TIME_RANGES, Grid, grid_of

CAPTURE = (Path(__file__).parent.parent / "data" / "metrics" / "at-1794166412.txt").read_text()
NOW_MS = 1_794_166_412_000
SERIES = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?")

Client = Callable[[web.Application], Awaitable[TestClient[Any, Any]]]


def cluster(nodes: int = 46, **more: Any) -> SimulatedCluster:
    simulated = SimulatedCluster(nodes, **more)
    simulated.advance(NOW_MS)
    return simulated


def read(text: str) -> dict[str, dict[str, int]]:
    """Metric → label's value → number, of an exposition without a scrape's labels."""
    metrics: dict[str, dict[str, int]] = defaultdict(dict)
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SERIES.fullmatch(line)
            assert match, line
            value = re.sub(r'^\w+="(.*)"$', r"\1", match[2] or "")
            assert value not in metrics[match[1]], line
            metrics[match[1]][value] = int(match[3])
    return metrics


def exposed(simulated: SimulatedCluster) -> dict[str, dict[str, int]]:
    return read(simulated.exposition(timestamps=False).decode())


def form(text: str) -> list[str]:
    """An exposition without its numbers and labels' values, equal lines once."""
    lines: list[str] = []
    for line in text.splitlines():
        bare = line if line.startswith("#") else re.sub(r" \S+$", "", re.sub(r'"[^"]*"', '""', line))
        if not lines or lines[-1] != bare:
            lines.append(bare)
    return lines


@pytest.mark.parametrize("nodes", [46, 5_000])
def test_the_form_is_that_of_the_real_exporter(nodes: int) -> None:
    """Families, their order, HELP and TYPE lines and label names are those of the capture, line by line."""
    assert form(cluster(nodes).exposition(timestamps=False).decode()) == form(CAPTURE)


def test_names_are_those_of_the_capture() -> None:
    """Nodes and queues are the captured cluster's, and every user's name is one that the captures show."""
    simulated, captured = exposed(cluster()), read(CAPTURE)
    for metric in captured:
        if metric.startswith("pbs_node_") or metric.endswith("_queue"):
            assert list(simulated[metric]) == list(captured[metric])
    users = {
        user
        for path in Path(__file__).parent.parent.glob("data/metrics/at-*")
        for user in read(path.read_text())["qstat_running_jobs_by_user"]
    }
    assert set(simulated["qstat_running_jobs_by_user"]) <= users


def test_the_numbers_are_consistent() -> None:
    """At every tick the exporter's numbers add up as the real one's do."""
    simulated = cluster()
    for tick in range(200):
        simulated.advance(NOW_MS + tick * 5_000)
        now = exposed(simulated)
        for what in ("cpus", "gpus"):
            for node, total in now[f"pbs_node_{what}_total"].items():
                used, free = now[f"pbs_node_{what}_used"][node], now[f"pbs_node_{what}_available"][node]
                assert 0 <= used <= total
                assert used + free == total
        for node, total in now["pbs_node_memory_total_gb"].items():
            used, free = now["pbs_node_memory_used_gb"][node], now["pbs_node_memory_available_gb"][node]
            assert 0 <= used <= total
            assert used + free == total
        codes = list(now["pbs_node_state"].values())
        counts = {state: now[f"pbs_node_count_{state}"][""] for state in ("free", "busy", "offline", "down")}
        assert counts == {
            "free": codes.count(1),
            "busy": codes.count(2),
            "offline": codes.count(3),
            "down": codes.count(4),
        }
        assert sum(counts.values()) == 46
        letters = {letter: now[f"qstat_total_{letter}_jobs"][""] for letter in "befhqr"}
        running = letters["r"]
        assert running == now["qstat_total_running_jobs"][""]
        assert running == sum(now["qstat_running_jobs_by_user"].values())
        assert running == sum(now["qstat_running_jobs_by_queue"].values())
        total = now["qstat_total_all_jobs"][""]
        assert total == sum(now["qstat_jobs_in_queue"].values()) == sum(now["qstat_jobs_by_status"].values())
        assert total == sum(letters.values()) + now["qstat_jobs_by_status"].get("X", 0)
        assert now["qstatq_total_running"][""] == now["qstatq_total_queued"][""] == 0
        assert all(now["qstat_jobs_by_status"].values())
        assert all(now["qstat_running_jobs_by_user"].values())


def test_a_full_node_is_called_down() -> None:
    """The exporter's fault is there: a healthy node whose CPUs are all used has state 4, counted as down."""
    now = exposed(cluster())
    full = [
        node
        for node, free in now["pbs_node_cpus_available"].items()
        if free == 0 and now["pbs_node_state"][node] != 3
    ]
    assert full
    assert {now["pbs_node_state"][node] for node in full} == {4}
    assert now["pbs_node_count_down"][""] >= len(full)


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


def test_a_long_user_name_is_cut() -> None:
    """No user's name is longer than 16 characters, and the one that would be is seen, cut."""
    simulated = cluster(400)
    seen: set[str] = set()
    for tick in range(20):
        simulated.advance(NOW_MS + tick)
        seen |= set(exposed(simulated)["qstat_running_jobs_by_user"])
    assert "stu_long_usernam" in seen
    assert max(map(len, seen)) == 16


def test_every_line_of_a_scrape_has_the_ticks_time_and_the_scrapes_labels() -> None:
    """With timestamps each sample has the last tick's time, job and instance; else the text is the same."""
    simulated = cluster()
    text = simulated.exposition(timestamps=True).decode()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(line.endswith(f" {NOW_MS}") for line in samples)
    assert all('instance="simulated:8888",job="pbs-exporter"' in line for line in samples)
    bare = re.sub(r'instance="simulated:8888",job="pbs-exporter",?', "", text).replace("{}", "")
    assert bare.replace(f" {NOW_MS}\n", "\n").encode() == simulated.exposition(timestamps=False)


def test_a_kept_page_is_the_page_of_a_new_cluster() -> None:
    """Lines not written again are still true: a page read at every tick is that of a twin read once."""
    often, once = cluster(), cluster()
    for tick in range(100):
        often.advance(NOW_MS + tick)
        once.advance(NOW_MS + tick)
        often.exposition(timestamps=True)
    assert often.exposition(timestamps=True) == once.exposition(timestamps=True)


def test_an_empty_vector_is_not_announced() -> None:
    """Where no job runs the metric by user is absent, HELP and TYPE too, as in the exporter's library."""
    simulated = cluster(3)
    for node in simulated.pbs.nodes:
        simulated.fail(node.name)
    text = simulated.exposition(timestamps=False).decode()
    assert "qstat_running_jobs_by_user" not in text
    assert 'qstat_running_jobs_by_queue{queue="large"} 0' in text


def test_a_large_cluster_is_told_quickly() -> None:
    """The text of 5,000 nodes, of which one in twenty changed, takes less than 40 ms."""
    simulated = cluster(5_000)
    assert simulated.exposition(timestamps=True).count(b"pbs_node_state{") == 5_000
    took = []
    for tick in range(5):
        simulated.advance(NOW_MS + tick)
        started = time.perf_counter()
        simulated.exposition(timestamps=True)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.04  # the best of several: other tests may have the machine


TICKS = st.lists(st.tuples(st.integers(0, 3 * 3_600_000), st.integers(0, 100)), min_size=1, max_size=60)


@settings(deadline=None)
@given(ticks=TICKS, step_minutes=st.integers(1, 40), rows=st.integers(1, 60), end_minutes=st.integers(0, 200))
def test_a_row_is_the_mean_of_its_steps_ticks(
    ticks: list[tuple[int, int]], step_minutes: int, rows: int, end_minutes: int
) -> None:
    """On any grid of whole minutes a row is the mean of the ticks in `(at - step, at]`, None without one."""
    past = Past()
    base_ms = NOW_MS // 60_000 * 60_000
    ticks = sorted(ticks)
    for offset, number in ticks:
        past.note(base_ms + offset, {"runningJobs": number})
    grid = Grid(base_ms // 1_000 + end_minutes * 60, step_minutes * 60, rows)
    wanted = []
    for at in grid.instants:
        inside = [
            n for offset, n in ticks if (at - grid.step_seconds) * 1_000 < base_ms + offset <= at * 1_000
        ]
        wanted.append(pytest.approx(sum(inside) / len(inside)) if inside else None)
    assert past.means("runningJobs", grid) == wanted


def test_the_past_keeps_a_month_and_no_more() -> None:
    """In two months of minutes the memory stays bounded, and the last 30 days are all there."""
    past = Past()
    minutes = 60 * 1_440
    for minute in range(minutes + 1):
        past.note(NOW_MS + minute * 60_000, {"heldJobs": minute})
    assert len(past._ticks) <= KEEP_MINUTES + 1_440
    assert len(past._sums["heldJobs"]) == len(past._ticks)
    rows = past.means("heldJobs", grid_of("30d", NOW_MS / 1_000 + minutes * 60))
    assert None not in rows
    assert rows == sorted(rows, key=lambda row: row or 0)


def test_a_clock_that_jumps_does_no_harm() -> None:
    """A tick from before the beginning is not kept, and one from years later begins anew."""
    past = Past()
    past.note(NOW_MS, {"heldJobs": 1})
    past.note(NOW_MS - 86_400_000, {"heldJobs": 100})
    assert past.means("heldJobs", Grid.ending(NOW_MS / 1_000 + 60, 60, 2)) == [None, 1]
    later_ms = NOW_MS + 20 * 365 * 86_400_000
    past.note(later_ms, {"heldJobs": 2})
    assert past.means("heldJobs", Grid.ending(later_ms / 1_000 + 60, 60, 2)) == [None, 2]
    assert len(past._ticks) == 1


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


def test_the_headline_has_the_fields_of_history() -> None:
    """The simulator remembers exactly the fields that VictoriaMetrics is asked for."""
    assert list(headline(cluster().pbs)) == list(FIELDS)


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
