"""Law 5: what is not known is absent, never zero."""

import re
from pathlib import Path
from typing import Any

import pytest

from realtime.pbs.assemble import SLICE, Assembler
from realtime.source.exposition import Exposition
from tests.pbs.assembled import Cluster, capture, finish, read

PBS = Path(__file__).parent.parent / "data" / "pbs"

MOMENTS = ("at-1794166412", "at-1794934410")


def pbsnodes(moment: str) -> dict[str, str]:
    """What PBS itself said of each node at that moment."""
    rows = (PBS / f"{moment}.pbsnodes_-aSj.txt").read_text().splitlines()[3:]
    return {row.split()[0]: row.split()[1] for row in rows}


OURS = {"free": "free", "job-busy": "busy", "job-exclusive": "busy", "offline": "offline", "down": "down"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_real_nodes_come_out_as_pbs_meant_them(moment: str) -> None:
    """Of a real exporter's nodes, each that PBS calls free, busy with jobs, offline or down is that; also where the exporter said 4."""
    nodes = read(capture(moment))["nodes"]

    wrong = {
        name: (said, nodes[name]["state"])
        for name, said in pbsnodes(moment).items()
        if said in OURS and nodes[name]["state"] != OURS[said]
    }

    assert wrong == {}


def test_every_topic_of_a_real_capture() -> None:
    """A capture of the real exporter becomes its nodes, queues, users and summary."""
    topics = read(capture("at-1794166412"))

    assert len(topics["nodes"]) == 46
    assert topics["nodes"]["hopper-03"] == {
        "id": "hopper-03",
        "name": "hopper-03",
        "totalCpus": 112,
        "usedCpus": 106,
        "totalGpus": 8,
        "usedGpus": 8,
        "jobCount": 4,
        "totalMemoryGiB": 2048,
        "usedMemoryGiB": 1233,
        "memoryCoarse": True,
        "state": "free",
        "stateDetail": "mixed",
    }
    assert topics["queues"]["medium"] == {
        "name": "medium",
        "runningJobs": 8,
        "queuedJobs": 7,
        "totalJobs": 15,
    }
    assert topics["users"]["phyzx"] == {"name": "phyzx", "runningJobs": 1}
    assert topics["summary"]["jobs"]["total"] == 45 + 26 + 5
    assert topics["summary"]["nodes"]["reportedDown"] == 18
    assert topics["source"]["unlabelled"]["dialect"] == "exporter"


def test_what_is_not_known_is_absent_never_zero() -> None:
    """What is not known is absent, never zero: no series, and NaN or Inf alike, make no field."""
    topics = read(
        'pbs_node_state{node="a"} 1\npbs_node_cpus_total{node="a"} NaN\npbs_node_gpus_total{node="a"} +Inf\n'
    )

    assert topics["nodes"]["a"] == {"id": "a", "name": "a", "state": "free", "stateDetail": "idle"}
    assert topics["summary"]["cpus"] == {}
    assert topics["summary"]["jobs"] == {}
    assert topics["queues"] == topics["users"] == {}


def test_nothing_about_pbs_is_nothing_at_all() -> None:
    """Samples of something else are no empty cluster."""
    steps = Assembler().assemble(finish(Exposition().read(b"go_goroutines 7\n", 1)).changed, [], 0)

    assert finish(steps) is None


def test_entities_that_did_not_change_are_the_same_objects() -> None:
    """A poll rebuilds the nodes that changed and no other."""
    cluster = Cluster()
    before = cluster.read(capture("at-1794166412"))["nodes"]

    after = cluster.read(
        capture("at-1794166412").replace(
            'pbs_node_jobs{node="hopper-03"} 4', 'pbs_node_jobs{node="hopper-03"} 5'
        )
    )["nodes"]

    assert [name for name in after if after[name] is not before[name]] == ["hopper-03"]
    assert after["hopper-03"]["jobCount"] == 5


def without_nodes(text: str) -> str:
    return re.sub(r"(?m)^pbs_node_\w+\{.*\n", "", text)


def test_nodes_that_vanish_all_at_once_are_held() -> None:
    """A scrape between the exporter's reset and its pbsnodes changes no node, however long it takes, and the source says so."""
    cluster = Cluster(grace_ms=1000)
    before = cluster.read(capture("at-1794166412"))

    during = cluster.read(without_nodes(capture("at-1794166412")), now_ms=10_000_000)
    after = cluster.read(capture("at-1794166412"), now_ms=10_000_001)

    assert during["nodes"] == before["nodes"] == after["nodes"]
    assert during["source"]["unlabelled"]["held"] == ["nodes"]
    assert "held" not in after["source"]["unlabelled"]


def test_a_single_node_is_missed_for_its_grace_and_then_removed() -> None:
    """A node that its exporter no longer lists is shown for the grace period, and not longer."""
    cluster = Cluster(grace_ms=150_000)
    whole = capture("at-1794166412")
    fewer = re.sub(r'(?m)^\w+\{node="hopper-07"\}.*\n', "", whole)
    cluster.read(whole, now_ms=0)

    counts = [len(cluster.read(fewer, now_ms=at)["nodes"]) for at in (1_000, 150_999, 151_000)]

    assert counts == [46, 46, 45]


def test_a_node_that_returns_in_its_grace_was_never_gone() -> None:
    """The grace of a node begins anew each time that it goes missing."""
    cluster = Cluster(grace_ms=150_000)
    whole = capture("at-1794166412")
    fewer = re.sub(r'(?m)^\w+\{node="hopper-07"\}.*\n', "", whole)
    for at, text in ((0, whole), (1, fewer), (100_000, whole), (100_001, fewer)):
        cluster.read(text, now_ms=at)

    assert len(cluster.read(fewer, now_ms=200_000)["nodes"]) == 46


def test_the_grace_of_a_node_stands_still_while_all_are_held() -> None:
    """A node that was missed just before the whole family vanished is not removed because of that outage."""
    cluster = Cluster(grace_ms=1_000)
    whole = capture("at-1794166412")
    fewer = re.sub(r'(?m)^\w+\{node="hopper-07"\}.*\n', "", whole)
    cluster.read(whole, now_ms=0)
    cluster.read(fewer, now_ms=1)
    cluster.read(without_nodes(whole), now_ms=900_000)

    assert len(cluster.read(fewer, now_ms=900_001)["nodes"]) == 46


def test_users_leave_with_their_jobs_but_not_with_a_scrape() -> None:
    """A user without jobs goes at once; all users at once, while jobs run, is the exporter's doing and is held."""
    cluster = Cluster()
    whole = capture("at-1794166412")
    cluster.read(whole)

    one_left = cluster.read(whole.replace('qstat_running_jobs_by_user{user="phyzx"} 1\n', ""))
    none_left = cluster.read(re.sub(r"(?m)^qstat_running_jobs_by_user\{.*\n", "", whole))
    idle = re.sub(r"(?m)^qstat_running_jobs_by_user\{.*\n", "", whole).replace(
        "qstat_total_r_jobs 45", "qstat_total_r_jobs 0"
    )

    assert "phyzx" not in one_left["users"]
    assert len(none_left["users"]) == 17
    assert cluster.read(idle)["users"] == {}


@pytest.mark.parametrize("fault", ["pbsnodes-fail", "pbsnodes-empty"])
def test_a_failing_pbsnodes_empties_no_cluster(fault: str) -> None:
    """When pbsnodes fails or prints nothing, the last known nodes stay on show and the source says that they are held."""
    cluster = Cluster()
    before = cluster.read(capture("at-1795366406"))

    during = cluster.read(capture(f"faults/{fault}"))

    assert during["nodes"] == before["nodes"]
    assert during["source"]["unlabelled"]["held"] == ["nodes"]


def labelled(text: str, **labels: str) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
    text = re.sub(r"(?m)^(\w+)\{", rf"\1{{{inner},", text)
    return re.sub(r"(?m)^(\w+) (\S+)$", rf"\1{{{inner}}} \2", text)


def test_two_exporters_of_one_cluster_are_not_added_up() -> None:
    """Of two instances that watch the same nodes one is believed: GPUs and jobs do not double."""
    text = capture("at-1794166412")
    one = read(text)

    two = read(labelled(text, job="pbs", instance="a:1") + labelled(text, job="pbs", instance="b:1"))

    assert two["summary"] == one["summary"]
    assert two["nodes"] == one["nodes"]
    assert {key: source.get("main", False) for key, source in two["source"].items()} == {
        "pbs|a:1": True,
        "pbs|b:1": False,
    }


def test_a_prefix_is_taken_off() -> None:
    """Names with a site's prefix mean what they mean without."""
    text = re.sub(r"(?m)^(pbs|qstat)", r"site_\1", capture("at-1794166412"))

    assert read(text, prefix="site_") == read(capture("at-1794166412"))


SEED = """
pbs_node_state{node="a"} 0
pbs_node_state{node="b"} 3
pbs_node_gpus_total{node="a"} 8
pbs_node_mem_total{node="a"} 2164663517184
pbs_node_mem_used{node="a"} 1073741824
qstat_total_r_jobs 4
"""


def test_the_seeds_names_and_codes_are_understood() -> None:
    """A source as the replaced backend's README describes it: codes from 0, memory in bytes."""
    topics = read(SEED)

    assert {name: node["state"] for name, node in topics["nodes"].items()} == {"a": "free", "b": "down"}
    assert topics["nodes"]["a"]["totalMemoryGiB"] == 2016
    assert topics["nodes"]["a"]["usedMemoryGiB"] == 1
    assert topics["source"]["unlabelled"]["dialect"] == "seed"


def test_the_label_form_is_understood_also_when_it_changes() -> None:
    """States as labels: the one with value 1 holds, several at once are the worst, and a state that goes is gone."""
    cluster = Cluster()
    first = cluster.read(
        'pbs_node_state{node="a",state="free"} 1\npbs_node_state{node="b",state="offline"} 1\npbs_node_state{node="b",state="job-busy"} 1\n'
        'pbs_node_state{node="a",state="down"} 0\npbs_node_jobs{node="b"} 2\n'
    )
    second = cluster.read(
        'pbs_node_state{node="a",state="down"} 1\npbs_node_state{node="b",state="job-busy"} 1\npbs_node_jobs{node="b"} 2\n'
    )

    assert [first["nodes"][name]["state"] for name in "ab"] == ["free", "offline"]
    assert first["nodes"]["b"]["stateDetail"] == "draining"
    assert [second["nodes"][name]["state"] for name in "ab"] == ["down", "busy"]


def test_a_large_cluster_gives_the_loop_its_turn() -> None:
    """Thousands of new nodes are built in slices."""
    text = "\n".join(f'pbs_node_state{{node="n{i}"}} 1' for i in range(4 * SLICE)).encode()
    reading = finish(Exposition().read(text, 1))

    turns = sum(1 for _ in Assembler().assemble(reading.changed, [], 0))

    assert turns >= 8


def test_names_are_data_and_never_anything_else() -> None:
    """Node, queue and user names of any text come through unchanged."""
    name = '<script>alert("x")</script>\\n'
    text = 'pbs_node_state{node="<script>alert(\\"x\\")</script>\\\\n"} 1\nqstat_jobs_in_queue{queue="__proto__"} 1\n'
    topics: dict[str, Any] = read(text)

    assert list(topics["nodes"]) == [name]
    assert list(topics["queues"]) == ["__proto__"]
