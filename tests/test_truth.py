"""What the exporter gets wrong, on the real VictoriaMetrics that scrapes it: held back, healed or named, never believed in silence."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from realtime.app import serving
from realtime.loading import load
from tests.readers import WebSocketReader
from tests.upstream import Exporter, VictoriaMetrics

HEALTHY = "at-1795366406"


class Screen(NamedTuple):
    """A reader of everything, and the same server's REST."""

    reader: WebSocketReader
    session: aiohttp.ClientSession
    url: str

    @property
    def state(self) -> dict[str, Any]:
        assert self.reader.client.state is not None
        return self.reader.client.state

    async def faults(self) -> dict[str, str]:
        async with self.session.get(f"{self.url}/api/health") as response:
            (cluster,) = (await response.json())["clusters"]
        return {fault["code"]: fault["detail"] for fault in cluster["faults"]}

    async def until_fault(self, code: str) -> str:
        async with asyncio.timeout(30):
            while code not in (faults := await self.faults()):
                await asyncio.sleep(0.1)
        return faults[code]


@pytest.fixture
def scraped(
    start_victoria_metrics: Callable[..., VictoriaMetrics], exporter: Exporter, tmp_path: Path
) -> VictoriaMetrics:
    """A VictoriaMetrics that scrapes the `exporter` page each second."""
    scrape = tmp_path / "scrape.yml"
    scrape.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs:\n- job_name: pbs\n  static_configs: [{{targets: ['{exporter.target}']}}]\n"
    )
    return start_victoria_metrics(promscrape_config=scrape)


@asynccontextmanager
async def screen(victoria_metrics: VictoriaMetrics, **keys: Any) -> AsyncIterator[Screen]:
    settings = load(
        api_port=0,
        **{
            "prometheus_url": victoria_metrics.url,
            "poll_interval_seconds": 0.2,
            "refetch_seconds": 0.5,
            "node_grace_seconds": 3,
            **keys,
        },
    )
    async with (
        serving(settings) as server,
        aiohttp.ClientSession() as session,
        WebSocketReader(session, server.url) as reader,
    ):
        async with asyncio.timeout(30):
            while not (reader.client.state and reader.client.state["nodes"]):
                # VictoriaMetrics shows a brand-new series after up to 10 s, or when told to.
                await asyncio.to_thread(victoria_metrics.flush)
                await asyncio.sleep(0.1)
        yield Screen(reader, session, server.url)


def without(text: str, pattern: str) -> str:
    return re.sub(rf"(?m)^{pattern}.*\n", "", text)


async def test_the_exporters_reset_race_is_no_diff(
    scraped: VictoriaMetrics, exporter: Exporter, capture: Callable[[str], str]
) -> None:
    """A scrape between the exporter's reset and its pbsnodes changes no entity on any screen; the quality says partial meanwhile."""
    exporter.text = text = capture(HEALTHY)
    async with screen(scraped, node_grace_seconds=60) as on_screen:
        await on_screen.until_fault("TRUNCATED_NAMES")  # of a user's name, as three scrapes show
        heard = len(on_screen.reader.client.heard)
        before = on_screen.state
        exporter.text = without(text, r"pbs_node_\w+\{")
        await on_screen.reader.until(lambda client: client.quality == "partial", 20)
        exporter.text = text
        await on_screen.reader.until(lambda client: client.quality == "live", 20)

        told = [
            message["patch"] for message in on_screen.reader.client.heard[heard:] if message["type"] == "diff"
        ]

    assert [patch for patch in told if set(patch) != {"trend"}] == []
    assert on_screen.state["nodes"] == before["nodes"]


@pytest.mark.parametrize(
    ("fault", "code", "stays"),
    [
        ("pbsnodes-fail", "PBSNODES_FAILED", ["nodes"]),
        ("pbsnodes-empty", "PBSNODES_FAILED", ["nodes"]),
        ("qstat_t-fail", "QSTAT_FAILED", ["users", "queues"]),
        ("lm-numeric", "QUE_LIMIT", []),
        ("pbsnodes-warn", "ODD_NAMES", []),
    ],
)
async def test_a_half_failed_exporter_is_named_and_its_last_good_data_stay(
    scraped: VictoriaMetrics,
    exporter: Exporter,
    capture: Callable[[str], str],
    fault: str,
    code: str,
    stays: list[str],
) -> None:
    """Each captured failure of a PBS command is named in a sentence, and what it lost is shown as it last was."""
    exporter.text = capture(HEALTHY)
    async with screen(scraped) as on_screen:
        before = on_screen.state
        exporter.text = capture(f"faults/{fault}")

        sentence = await on_screen.until_fault(code)

        assert len(sentence.split()) > 8
        assert {topic: on_screen.state[topic] for topic in stays} == {topic: before[topic] for topic in stays}
        assert len(on_screen.state["nodes"]) == 46
        (source,) = on_screen.state["source"].values()
        assert code in [each["code"] for each in source["faults"]]


async def test_an_exporter_that_is_down_empties_nothing_and_is_named(
    scraped: VictoriaMetrics, exporter: Exporter, capture: Callable[[str], str]
) -> None:
    """When scrapes fail every series vanishes at once: the cluster stays on show, and the exporter is named until it returns."""
    exporter.text = text = capture(HEALTHY)
    async with screen(scraped, stale_after_seconds=3) as on_screen:
        before = on_screen.state
        exporter.text = None

        await on_screen.until_fault("EXPORTER_DOWN")
        await on_screen.reader.until(lambda client: client.quality == "stale", 20)

        assert on_screen.state["nodes"] == before["nodes"]
        exporter.text = text
        await on_screen.reader.until(lambda client: client.quality == "live", 30)
        assert "EXPORTER_DOWN" not in await on_screen.faults()
        assert on_screen.reader.client.count("snapshot") == 1


async def test_full_nodes_are_busy_and_dead_ones_down(
    scraped: VictoriaMetrics, exporter: Exporter, capture: Callable[[str], str]
) -> None:
    """Nodes that the exporter calls down for want of a word are busy and marked; both its count and ours are shown."""
    exporter.text = capture("at-1794166412")
    async with screen(scraped) as on_screen:
        counts = on_screen.state["summary"]["nodes"]
        inferred = [node for node in on_screen.state["nodes"].values() if node.get("stateInferred")]
        async with on_screen.session.get(f"{on_screen.url}/api/stats/cluster") as response:
            stats = await response.json()

    assert (counts["reportedDown"], counts["down"], counts["busy"], len(inferred)) == (18, 1, 17, 17)
    assert {node["state"] for node in inferred} == {"busy"}
    assert (stats["busyNodes"], stats["reportedDownNodes"]) == (17, 18)


async def test_with_inference_off_the_exporter_is_believed(
    scraped: VictoriaMetrics, exporter: Exporter, capture: Callable[[str], str]
) -> None:
    """The switch `off` shows the exporter's own states."""
    exporter.text = capture("at-1794166412")
    async with screen(scraped, pbs_infer_busy="off") as on_screen:
        assert on_screen.state["summary"]["nodes"]["down"] == 18


DIALECTS = {
    "exporter": 'pbs_node_state{node="a"} 1\npbs_node_state{node="b"} 4\n',
    "seed": 'pbs_node_state{node="a"} 0\npbs_node_state{node="b"} 3\n',
    "fork": 'pbs_node_state{node="a"} 1\npbs_node_state{node="b"} 4\npbs_node_state{node="c"} 2\n'
    'pbs_node_cpus_total{node="c"} 8\npbs_node_cpus_used{node="c"} 8\npbs_node_jobs{node="c"} 1\n',
    "label": 'pbs_node_state{node="a",state="free"} 1\npbs_node_state{node="b",state="down"} 1\n',
}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
async def test_each_dialect_is_told_from_its_data(
    victoria_metrics: VictoriaMetrics, job_name: str, dialect: str
) -> None:
    """All four encodings of a node's state are read right without configuration, and the health says which and how it was told."""
    victoria_metrics.import_text(DIALECTS[dialect] + "qstat_total_r_jobs 1\n", job=job_name)
    victoria_metrics.flush()
    async with screen(victoria_metrics, pbs_exporter_job_name=job_name) as on_screen:
        async with on_screen.session.get(f"{on_screen.url}/api/health") as response:
            (cluster,) = (await response.json())["clusters"]
        states = {name: node["state"] for name, node in on_screen.state["nodes"].items()}

    assert (cluster["dialect"], states["a"], states["b"]) == (dialect, "free", "down")
    assert cluster["dialectDecidedBy"] in {"code", "label"}
    assert states.get("c", "busy") == "busy"
