"""The simulated exporter's page: in form it is the real one, and in numbers it is the PBS behind it."""

import re
import time
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from realtime.source.simulated_page import HELP, NODE_METRICS, Page, cluster_numbers, node_numbers
from realtime.source.simulated_pbs import SimulatedPBS

CAPTURE = (Path(__file__).parent.parent / "data" / "metrics" / "at-1794166412.txt").read_text()
NOW_MS = 1_794_166_412_000
SERIES = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?")


def cluster(nodes: int = 46) -> SimulatedPBS:
    pbs = SimulatedPBS(nodes, prefix="hopper", pace=0.05, rng=Random(1))
    pbs.advance(NOW_MS)
    return pbs


def shown(pbs: SimulatedPBS) -> str:
    """The page as the exporter gives it."""
    return Page(pbs, "").render(b"\n").decode()


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
    assert form(shown(cluster(nodes))) == form(CAPTURE)


def test_names_are_those_of_the_capture() -> None:
    """Nodes and queues are the captured cluster's, and every user's name is one that the captures show."""
    simulated, captured = read(shown(cluster())), read(CAPTURE)
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
    pbs = cluster()
    for tick in range(200):
        pbs.advance(NOW_MS + tick * 5_000)
        now = read(shown(pbs))
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
    now = read(shown(cluster()))
    full = [
        node
        for node, free in now["pbs_node_cpus_available"].items()
        if free == 0 and now["pbs_node_state"][node] != 3
    ]
    assert full
    assert {now["pbs_node_state"][node] for node in full} == {4}
    assert now["pbs_node_count_down"][""] >= len(full)


def test_a_long_user_name_is_cut() -> None:
    """No user's name is longer than 16 characters, and the one that would be is seen, cut."""
    pbs = cluster(400)
    seen: set[str] = set()
    for tick in range(20):
        pbs.advance(NOW_MS + tick)
        seen |= set(read(shown(pbs))["qstat_running_jobs_by_user"])
    assert "stu_long_usernam" in seen
    assert max(map(len, seen)) == 16


def test_a_kept_page_is_the_page_of_a_new_cluster() -> None:
    """Lines not written again are still true: a page read at every tick is that of a twin read once."""
    often, once = cluster(), cluster()
    page = Page(often, "")
    for tick in range(100):
        often.advance(NOW_MS + tick)
        once.advance(NOW_MS + tick)
        page.render(b"\n")
    assert page.render(b"\n").decode() == shown(once)


def test_an_empty_vector_is_not_announced() -> None:
    """Where no job runs the metric by user is absent, HELP and TYPE too, as in the exporter's library."""
    pbs = cluster(3)
    for node in pbs.nodes:
        pbs.fail(node.name)
    text = shown(pbs)
    assert "qstat_running_jobs_by_user" not in text
    assert 'qstat_running_jobs_by_queue{queue="large"} 0' in text


def test_a_large_cluster_is_told_quickly() -> None:
    """The text of 5,000 nodes, of which one in twenty changed, takes less than 40 ms."""
    pbs = cluster(5_000)
    page = Page(pbs, 'job="pbs-exporter"')
    assert page.render(b"\n").count(b"pbs_node_state{") == 5_000
    took = []
    for tick in range(5):
        pbs.advance(NOW_MS + tick)
        started = time.perf_counter()
        page.render(b"\n")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.04  # the best of several: other tests may have the machine


def test_every_metric_has_its_numbers() -> None:
    """What is numbered by node and by cluster is together, each once, what the exporter announces."""
    pbs = cluster()
    assert sorted([*NODE_METRICS, *cluster_numbers(pbs)]) == sorted(HELP)
    assert all(len(node_numbers(node)) == len(NODE_METRICS) for node in pbs.nodes)
