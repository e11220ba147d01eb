"""The whole path on real parts: VictoriaMetrics or Prometheus, a server on a real socket, and readers."""

import asyncio
import itertools
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtime.app import Server, serving
from realtime.loading import load
from tests.readers import WebSocketReader
from tests.upstream import Exporter, Prometheus, VictoriaMetrics

POLL_SECONDS = 0.25


@asynccontextmanager
async def connected(**keys: Any) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    settings = load(api_port=0, **{"poll_interval_seconds": POLL_SECONDS, "backoff_max_seconds": 1, **keys})
    async with serving(settings) as server, aiohttp.ClientSession() as session:
        yield server, session


async def get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        return await response.json()


def node_jobs(text: str, node: str, jobs: int) -> str:
    return re.sub(rf'(?m)^(pbs_node_jobs\{{node="{node}"\}}) .*$', rf"\g<1> {jobs}", text)


async def test_a_sample_is_in_the_stream_within_two_poll_intervals_of_being_visible(
    victoria_metrics: VictoriaMetrics, job_name: str, capture: Callable[[str], str]
) -> None:
    """A pushed sample reaches a subscriber within two polls, where a plain query is still 30 s late."""
    text = capture("at-1794166412")
    victoria_metrics.import_text(text, time.time_ns() // 1_000_000 - 45_000, job=job_name)
    victoria_metrics.flush()
    async with (
        connected(prometheus_url=victoria_metrics.url, pbs_exporter_job_name=job_name) as (server, session),
        WebSocketReader(session, server.url) as reader,
    ):
        await reader.until(lambda client: client.state is not None)
        victoria_metrics.import_text(node_jobs(text, "hopper-03", 77), job=job_name)
        victoria_metrics.flush()
        visible = time.monotonic()

        await reader.until(
            lambda client: bool(client.state and client.state["nodes"]["hopper-03"]["jobCount"] == 77)
        )

        assert time.monotonic() - visible < 2 * POLL_SECONDS + 0.25
        plain = victoria_metrics.value(f'pbs_node_jobs{{job="{job_name}",node="hopper-03"}}')
        assert plain == "4"


async def test_a_scraped_simulation_is_streamed(
    start_victoria_metrics: Callable[..., VictoriaMetrics], tmp_path: Path
) -> None:
    """`realtime simulate`, scraped by a real VictoriaMetrics, arrives at a subscriber as the exporter says it."""
    simulation = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "realtime", "simulate", "--port", "0", "--tick-seconds", "0.5", "--nodes", "12",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert simulation.stderr is not None
        async with asyncio.timeout(20):
            line = (await simulation.stderr.readline()).decode()
        target = line.split("http://")[1].split("/")[0]
        scrape = tmp_path / "scrape.yml"
        scrape.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs:\n- job_name: pbs\n  static_configs: [{{targets: ['{target}']}}]\n"
        )
        victoria_metrics = start_victoria_metrics(promscrape_config=scrape)
        async with (
            connected(prometheus_url=victoria_metrics.url) as (server, session),
            WebSocketReader(session, server.url) as reader,
        ):
            await asyncio.sleep(1)  # the first scrape
            await asyncio.to_thread(victoria_metrics.flush)
            await reader.until(lambda client: client.count("diff") >= 3 and client.state is not None, 30)

            state = reader.client.state
            assert state is not None
            assert len(state["nodes"]) == 12
            assert state["source"][f"pbs|{target}"]["dialect"] == "exporter"
            assert state["summary"]["jobs"]["running"] == sum(
                user["runningJobs"] for user in state["users"].values()
            )
    finally:
        simulation.terminate()
        await simulation.wait()


async def test_prometheus_is_a_source_too(
    start_prometheus: Callable[..., Prometheus], exporter: Exporter, capture: Callable[[str], str]
) -> None:
    """With Prometheus in VictoriaMetrics' place, state, changes and analytics are the same."""
    text = capture("at-1794166412")
    exporter.text = text
    prometheus = start_prometheus(exporter.target)
    async with (
        connected(prometheus_url=prometheus.url) as (server, session),
        WebSocketReader(session, server.url) as reader,
    ):
        await reader.until(lambda client: bool(client.state and len(client.state["nodes"]) == 46), 20)
        exporter.text = node_jobs(text, "hopper-03", 77)

        await reader.until(
            lambda client: bool(client.state and client.state["nodes"]["hopper-03"]["jobCount"] == 77)
        )

        rows = await get(session, f"{server.url}/api/analytics/resources?timeRange=1h")
        assert len(rows) == 60


async def test_an_outage_is_never_an_empty_cluster(
    own_victoria_metrics: VictoriaMetrics, capture: Callable[[str], str]
) -> None:
    """While VictoriaMetrics is gone every number stays on show with its age; when it is back the stream goes on without a snapshot."""
    text = capture("at-1794166412")
    own_victoria_metrics.import_text(text)
    own_victoria_metrics.flush()
    async with (
        connected(prometheus_url=own_victoria_metrics.url, stale_after_seconds=2, heartbeat_seconds=1) as (
            server,
            session,
        ),
        WebSocketReader(session, server.url) as reader,
    ):
        await reader.until(lambda client: client.state is not None)
        before = await get(session, f"{server.url}/api/nodes")

        own_victoria_metrics.kill()
        await reader.until(lambda client: client.quality == "down", 20)

        async with session.get(f"{server.url}/api/nodes") as response:
            assert await response.json() == before
            assert response.headers["X-Data-Quality"] == "down"
            assert float(response.headers["X-Data-Age"]) >= 2
        async with session.get(f"{server.url}/api/health") as response:
            health = await response.json()
            assert response.status == 503
        assert health["status"] == "down"
        assert [fault["code"] for fault in health["clusters"][0]["faults"]] == ["POLL_FAILED"]
        assert own_victoria_metrics.url.removeprefix("http://") not in str(health)

        own_victoria_metrics.start()
        own_victoria_metrics.import_text(node_jobs(text, "hopper-03", 77))
        own_victoria_metrics.flush()
        await reader.until(
            lambda client: bool(client.state and client.state["nodes"]["hopper-03"]["jobCount"] == 77), 20
        )

        assert reader.client.count("snapshot") == 1


async def test_two_clusters_are_two_feeds(
    victoria_metrics: VictoriaMetrics, capture: Callable[[str], str], job_name: str
) -> None:
    """Two clusters of one configuration have their own state and cursor; a reader chooses, and one that fails leaves the other alone."""
    victoria_metrics.import_text(capture("at-1794166412"), job=job_name)
    victoria_metrics.flush()
    clusters = [
        {"name": "hopper", "prometheus_url": victoria_metrics.url, "pbs_exporter_job_name": job_name},
        {"name": "vanda", "prometheus_url": "http://127.0.0.1:9", "pbs_exporter_job_name": "other"},
    ]
    async with connected(clusters=clusters) as (server, session):
        async with WebSocketReader(session, server.url, {"cluster": "hopper"}) as reader:
            await reader.until(lambda client: client.state is not None)
            hello = reader.client.heard[0]
        async with WebSocketReader(session, server.url, {"cluster": "vanda"}) as reader:
            await reader.until(lambda client: client.quality == "down")
            assert reader.client.state is None
        async with session.get(f"{server.url}/api/nodes?cluster=vanda") as response:
            assert response.status == 503
            assert "nothing listens" in (await response.json())["detail"]
        health = await get(session, f"{server.url}/api/health")

    assert hello["clusters"] == ["hopper", "vanda"]
    assert health["status"] == "degraded"
    assert [cluster["quality"] for cluster in health["clusters"]] == ["live", "down"]


async def test_a_second_cluster_is_never_mixed_in(
    own_victoria_metrics: VictoriaMetrics, capture: Callable[[str], str]
) -> None:
    """Where a second exporter begins to report, by one label alone, no reader ever hears of its nodes as the first one's; then there are two."""
    text = capture("at-1794166412")
    own_victoria_metrics.import_text(text, job="pbs", cluster="hopper")
    own_victoria_metrics.flush()
    async with (
        connected(prometheus_url=own_victoria_metrics.url) as (server, session),
        WebSocketReader(session, server.url) as reader,
    ):
        await reader.until(lambda client: client.state is not None)
        own_victoria_metrics.import_text(text.replace("hopper-", "vanda-"), job="pbs", cluster="vanda")
        await reader.until(lambda client: client.count("bye") > 0, 20)
        assert not [each for each in reader.client.heard if "vanda-" in str(each)]

        for cluster in ("hopper", "vanda"):
            async with WebSocketReader(session, server.url, {"cluster": cluster}) as other:
                await other.until(lambda client: client.state is not None)
                state = other.client.state
                assert state is not None
                assert {name.partition("-")[0] for name in state["nodes"]} == {cluster}


SEED = """
pbs_node_state{node="v-1"} 0
pbs_node_state{node="v-2"} 3
pbs_node_cpus_total{node="v-1"} 64
pbs_node_count_free 1
pbs_node_count_busy 0
pbs_node_count_offline 0
pbs_node_count_down 1
qstat_total_r_jobs 0
"""


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (({"job": "pbs-a"}, {"job": "pbs-b"}), ["pbs-a", "pbs-b"]),
        (({"job": "pbs", "cluster": "hopper"}, {"job": "pbs", "cluster": "vanda"}), ["hopper", "vanda"]),
        (({"job": "pbs-a"}, {"job": "pbs", "cluster": "vanda"}), ["pbs-a", "vanda"]),
    ],
)
async def test_two_exporters_under_their_own_labels_are_two_clusters(
    own_victoria_metrics: VictoriaMetrics,
    capture: Callable[[str], str],
    labels: tuple[dict[str, str], ...],
    names: list[str],
) -> None:
    """Two exporters of different dialects in one VictoriaMetrics are found by their labels, and each is read in its own."""
    async with connected(prometheus_url=own_victoria_metrics.url) as (server, session):
        async with WebSocketReader(session, server.url) as early:
            await early.until(lambda client: client.count("heartbeat") > 0)
            own_victoria_metrics.import_text(capture("at-1794166412"), None, **labels[0])
            own_victoria_metrics.import_text(SEED, None, **labels[1])
            own_victoria_metrics.flush()
            await early.until(lambda client: client.count("bye") == 1)
        nodes = {}
        for name in names:
            async with WebSocketReader(session, server.url, {"cluster": name}) as reader:
                await reader.until(lambda client: client.state is not None)
                assert reader.client.heard[0]["clusters"] == names
                assert reader.client.state is not None
                nodes[name] = reader.client.state["nodes"]
        clusters = await get(session, f"{server.url}/api/clusters")
        unnamed = await get(session, f"{server.url}/api/stats/cluster")
        rows = await get(session, f"{server.url}/api/analytics/jobs?cluster={names[1]}&timeRange=1h")

    assert [len(each) for each in nodes.values()] == [46, 2]
    assert {name: node["state"] for name, node in nodes[names[1]].items()} == {"v-1": "free", "v-2": "down"}
    assert [(each["name"], each["dialect"]) for each in clusters] == [
        (names[0], "exporter"),
        (names[1], "seed"),
    ]
    assert unnamed["totalNodes"] == 46
    assert {row["runningJobs"] for row in rows} <= {0.0, None}


async def test_a_cluster_that_comes_later_is_not_mixed_into_the_first(
    own_victoria_metrics: VictoriaMetrics, capture: Callable[[str], str]
) -> None:
    """A second exporter that reports only after the start becomes a cluster of its own, and whoever read the one chooses anew."""
    own_victoria_metrics.import_text(capture("at-1794166412"), job="pbs-a")
    own_victoria_metrics.flush()
    async with connected(prometheus_url=own_victoria_metrics.url, refetch_seconds=0.5) as (server, session):
        async with WebSocketReader(session, server.url) as early:
            await early.until(lambda client: client.state is not None)
            own_victoria_metrics.import_text(SEED, job="pbs-b")
            own_victoria_metrics.flush()
            await early.until(lambda client: client.count("bye") == 1)
        async with WebSocketReader(session, server.url, {"cluster": "pbs-b"}) as reader:
            await reader.until(lambda client: bool(client.state and len(client.state["nodes"]) == 2))
        async with WebSocketReader(session, server.url, {"cluster": "pbs-a"}) as reader:
            await reader.until(lambda client: bool(client.state and len(client.state["nodes"]) == 46))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("jobs", ("runningJobs", "queuedJobs", "heldJobs", "totalJobs")),
        ("resources", ("gpuUtilization", "cpuUtilization", "memoryUtilization", "nodeUtilization")),
    ],
)
async def test_analytics_are_means_of_real_history_with_gaps_as_null(
    victoria_metrics: VictoriaMetrics,
    capture: Callable[[str], str],
    job_name: str,
    path: str,
    fields: tuple[str, ...],
) -> None:
    """Rows stand on an even grid; where the source has samples they are numbers, and elsewhere null."""
    text = capture("at-1794166412")
    now = time.time_ns() // 1_000_000
    for minute in range(10, 20):
        victoria_metrics.import_text(text, now - minute * 60_000, job=job_name)
    victoria_metrics.import_text(text, job=job_name)
    victoria_metrics.flush()
    async with connected(prometheus_url=victoria_metrics.url, pbs_exporter_job_name=job_name) as (
        server,
        session,
    ):
        rows = await get(session, f"{server.url}/api/analytics/{path}?timeRange=1h")

    steps = {later["ts"] - earlier["ts"] for earlier, later in itertools.pairwise(rows)}
    known = [row for row in rows if row[fields[0]] is not None]
    assert (len(rows), steps) == (60, {60_000})
    assert 10 <= len(known) <= 13
    expected = {"runningJobs": 45, "totalJobs": 76, "gpuUtilization": 56.8}
    for row in known:
        assert all(isinstance(row[field], int | float) for field in fields)
        assert all(row[field] == value for field, value in expected.items() if field in row)
