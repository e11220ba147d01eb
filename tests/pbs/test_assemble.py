"""Law 5: what is not known is absent, never zero."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from realtime.pbs.assemble import FORGOTTEN_AFTER_MS, SLICE, Assembler
from realtime.pbs.faults import FROZEN_AFTER_MS
from realtime.source.exposition import Exposition
from tests.pbs.assembled import (
    FULL,
    GRACE_MS,
    HALF,
    IDLE,
    LISTING,
    NODES,
    SCRAPE_MS,
    Cluster,
    Topics,
    capture,
    faults,
    labelled,
    node_text,
    read,
    stamped,
    without,
)
from tests.steps import finish

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


def test_an_absurd_number_is_not_known() -> None:
    """A value that no count can have makes a field that is not there, and not an entity that cannot be sent."""
    nodes = read(
        'pbs_node_state{node="a"} 1\npbs_node_jobs{node="a"} 1e20\npbs_node_cpus_total{node="a"} -1e300\n'
    )["nodes"]

    assert nodes["a"] == {"id": "a", "name": "a", "state": "free", "stateDetail": "idle"}


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


def test_nodes_that_vanish_all_at_once_are_held() -> None:
    """A scrape between the exporter's reset and its pbsnodes changes no node, however long it takes, and the source says so."""
    cluster = Cluster(grace_ms=1000)
    before = cluster.read(capture("at-1794166412"))

    during = cluster.read(without(capture("at-1794166412"), NODES), now_ms=10_000_000)
    late = cluster.read(without(capture("at-1794166412"), NODES), now_ms=10_001_000)
    was_partial = cluster.partial
    after = cluster.read(capture("at-1794166412"), now_ms=10_001_001)

    assert during["nodes"] == before["nodes"] == after["nodes"]
    assert (was_partial, cluster.partial) == (True, False)
    assert faults(late) == ["PBSNODES_FAILED"]
    assert faults(after) == []


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
    cluster.read(without(whole, NODES), now_ms=900_000)

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
    """When pbsnodes fails or prints nothing, the last known nodes stay on show, and after the grace the source says so."""
    cluster = Cluster()
    before = cluster.scrape(capture("at-1795366406"))

    during = cluster.scrape(capture(f"faults/{fault}"))
    late = cluster.scrape(capture(f"faults/{fault}"), after_ms=GRACE_MS)

    assert during["nodes"] == before["nodes"] == late["nodes"]
    assert cluster.partial
    assert "PBSNODES_FAILED" in faults(late)


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


def test_a_cold_cluster_gives_the_loop_its_turn_everywhere() -> None:
    """Neither taking in, nor counting, nor building thousands of nodes is one piece: there are more turns than thousands of samples."""
    text = "".join(node_text(f"n{number}", 1, **HALF) for number in range(3_000)).encode()
    reading = finish(Exposition().read(text, 1))

    turns = sum(1 for _ in Assembler().assemble(reading.changed, [], 0))

    assert turns >= len(reading.changed) // SLICE + 3 + 30


HEALTHY = capture("at-1795366406")

SAME = "as before"
FROM_FAULT = "as the exporter says"
NOTHING_NEW = ["TRUNCATED_NAMES"]
"""What a healthy capture has too: a user's name of 16 characters."""

SHOWN: dict[str, tuple[str, str, str, list[str], bool]] = {
    "pbsnodes-fail": (SAME, FROM_FAULT, FROM_FAULT, ["PBSNODES_FAILED"], True),
    "pbsnodes-empty": (SAME, FROM_FAULT, FROM_FAULT, ["PBSNODES_FAILED"], True),
    "pbsnodes-warn": (FROM_FAULT, FROM_FAULT, FROM_FAULT, ["ODD_NAMES", "TRUNCATED_NAMES"], False),
    "qstat_t-fail": (FROM_FAULT, SAME, SAME, ["QSTAT_FAILED"], True),
    "qstat_t-empty": (SAME, SAME, SAME, ["PBSNODES_FAILED", "QSTAT_FAILED"], True),
    "qstat_t-garbage": (SAME, SAME, SAME, ["PBSNODES_FAILED", "QSTAT_FAILED"], True),
    "qstat_t-warn": (FROM_FAULT, FROM_FAULT, FROM_FAULT, NOTHING_NEW, False),
    "qstat_q-fail": (FROM_FAULT, FROM_FAULT, FROM_FAULT, NOTHING_NEW, False),
    "qstat_q-warn": (FROM_FAULT, FROM_FAULT, FROM_FAULT, NOTHING_NEW, False),
    "lm-numeric": (FROM_FAULT, FROM_FAULT, FROM_FAULT, ["QUE_LIMIT", "TRUNCATED_NAMES"], False),
}
"""Capture of a fault → the nodes, the queues and the users that are shown in it after a healthy one, the faults that are told when it lasts,
and whether something is held. The qstat_t captures `empty` and `garbage` were taken in the reset before pbsnodes: they hold no node either.
A failing `qstat -q` shows nowhere: the exporter keeps its last numbers.
"""


@pytest.mark.parametrize(("fault", "shown"), SHOWN.items(), ids=SHOWN)
def test_what_a_screen_shows_in_each_captured_fault(
    fault: str, shown: tuple[str, str, str, list[str], bool]
) -> None:
    """In each captured fault what was lost is shown as it was, what is told is shown as told, and what is wrong is named in the end."""
    nodes, queues, users, codes, partial = shown
    ill = capture(f"faults/{fault}")
    told = read(ill)
    cluster = Cluster()
    before = cluster.scrape(HEALTHY)

    during = cluster.scrape(ill)

    assert faults(during) == []
    late = cluster.scrape(ill, ill, after_ms=GRACE_MS)
    assert faults(late) == codes
    assert cluster.partial is partial
    for topics in (during, late):
        for topic, expected in (("nodes", nodes), ("queues", queues), ("users", users)):
            other = before if expected == SAME else told
            assert stateless(topics[topic]) == stateless(other[topic]), topic
        assert len(topics["nodes"]) == 46
        assert topics["summary"]["jobs"]["running"] == (
            46 if queues == SAME and fault != "qstat_t-fail" else 43
        )
        assert topics["summary"]["gpus"]["total"] == before["summary"]["gpus"]["total"]
    healed = cluster.scrape(HEALTHY)
    assert faults(healed) in ([], NOTHING_NEW)
    assert stateless(healed["nodes"]) == stateless(before["nodes"])
    assert not cluster.partial


def stateless(entities: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The entities without what only a history tells."""
    return {
        name: {
            field: value
            for field, value in entity.items()
            if field not in ("stateSince", "capacityRemembered")
        }
        for name, entity in entities.items()
    }


@pytest.mark.parametrize(("fault", "shown"), SHOWN.items(), ids=SHOWN)
def test_a_fault_at_the_first_look_shows_nothing_that_is_not(
    fault: str, shown: tuple[str, str, str, list[str], bool]
) -> None:
    """Whoever starts while it lasts sees what is told, no zero for what is not, and the same faults in the end."""
    nodes, _, users, codes, _ = shown
    cluster = Cluster()

    topics = cluster.scrape(*[capture(f"faults/{fault}")] * 4, after_ms=GRACE_MS)

    assert len(topics["nodes"]) == (46 if nodes == FROM_FAULT else 0)
    assert bool(topics["users"]) is (users == FROM_FAULT)
    assert topics["summary"]["jobs"].get("running") in (
        {43} if users == FROM_FAULT or fault == "qstat_t-fail" else {None}
    )
    assert set(faults(topics)) >= set(codes) - {"QSTAT_FAILED"} - set(NOTHING_NEW)
    assert ("QSTAT_FAILED" in faults(topics)) is (fault in ("qstat_t-empty", "qstat_t-garbage"))


@pytest.mark.parametrize(
    "lost", [NODES, LISTING, f"({NODES}|{LISTING})"], ids=["pbsnodes", "qstat -t", "both"]
)
@pytest.mark.parametrize("moment", [*MOMENTS, "at-1795366406"])
def test_the_reset_race_is_no_diff(moment: str, lost: str) -> None:
    """A scrape in which all series of a command are missing changes no topic in any way; it is partial, and the next is not."""
    cluster = Cluster()
    text = capture(moment)
    before = cluster.scrape(text, text, text, text)

    during = cluster.scrape(without(text, lost))

    assert during == before
    assert all(during["nodes"][name] is node for name, node in before["nodes"].items())
    assert cluster.partial
    assert cluster.scrape(text) == before
    assert not cluster.partial


def test_scrapes_in_phase_with_the_reset_are_held_back_and_named() -> None:
    """When every scrape misses the nodes because exporter and scraper run in step, they stay on show and the source says why."""
    cluster = Cluster()
    before = cluster.scrape(HEALTHY)

    for _ in range(20):
        during = cluster.scrape(without(HEALTHY, NODES))

    assert during["nodes"] == before["nodes"]
    assert during["summary"] == before["summary"]
    assert "PBSNODES_FAILED" in faults(during)


def test_a_qstat_that_hangs_is_named_twice() -> None:
    """While a qstat hangs, the list it was to make stays as it was: after the grace QSTAT_FAILED says so, after ten minutes FROZEN too."""
    cluster = Cluster()
    before = cluster.scrape(HEALTHY)
    hanging = without(HEALTHY, LISTING)
    started = cluster.now_ms + SCRAPE_MS

    told: dict[str, int] = {}
    for _ in range(45):
        topics = cluster.scrape(hanging)
        assert {topic: topics[topic] for topic in ("nodes", "queues", "users", "summary")} == {
            topic: before[topic] for topic in ("nodes", "queues", "users", "summary")
        }
        for code in faults(topics):
            told.setdefault(code, cluster.now_ms - started)

    assert told == {"QSTAT_FAILED": GRACE_MS, "FROZEN": FROZEN_AFTER_MS}


def test_two_exporters_that_watch_different_nodes_add_theirs_up_and_no_jobs() -> None:
    """Nodes of both are shown; jobs are those of the one that knows more nodes, in its reset too."""
    cluster = Cluster()
    other = labelled(node_text("elsewhere", 1, **IDLE) + "qstat_total_r_jobs 2\n", instance="b:1")
    mine = labelled(HEALTHY, instance="a:1")

    both = cluster.scrape(mine + other)
    during = cluster.scrape(without(mine, NODES) + other)

    assert len(both["nodes"]) == 47
    assert both["summary"]["jobs"]["running"] == 46
    assert both["source"]["a:1"]["main"] is True
    assert during == both


def test_the_believed_exporter_does_not_change_for_a_node_or_two() -> None:
    """Who is believed stays believed while the other knows less than twice as many nodes, and for the grace when its scrape fails."""
    cluster = Cluster()
    mine, other = labelled(HEALTHY, instance="a:1"), labelled(HEALTHY, instance="b:1")
    other += 'pbs_node_state{instance="b:1",node="more"} 1\n'

    def main(topics: Topics) -> list[str]:
        return [key for key, source in topics["source"].items() if source.get("main")]

    assert main(cluster.scrape(mine)) == ["a:1"]
    both = cluster.scrape(mine + other)
    assert main(both) == ["a:1"]
    assert {**cluster.scrape(other), "events": None} == {**both, "events": None}
    assert main(cluster.scrape(other, after_ms=GRACE_MS)) == ["b:1"]


def test_an_exporter_that_is_no_longer_scraped_is_not_believed() -> None:
    """Of two the one whose samples grow old, though they are still visible, loses to the one that is scraped."""
    cluster = Cluster()
    stale = stamped(labelled(HEALTHY, instance="a:1"), cluster.now_ms)
    cluster.read(stale, cluster.now_ms)
    fresh = labelled(HEALTHY, instance="b:1").replace('queue="long"} 5', 'queue="long"} 4')
    cluster.now_ms += 2 * GRACE_MS

    topics = cluster.read(stale + stamped(fresh, cluster.now_ms), cluster.now_ms)

    assert topics["source"]["b:1"]["main"] is True
    assert topics["queues"]["long"]["runningJobs"] == 4


def test_an_exporter_that_is_down_is_not_believed_for_being_ahead() -> None:
    """When the believed exporter, whose clock is an hour ahead, goes down, the other is believed after the grace."""
    cluster = Cluster()
    mine, other = labelled(HEALTHY, instance="a:1"), labelled(HEALTHY, instance="b:1")
    cluster.read(stamped(mine, cluster.now_ms + 3_600_000) + stamped(other, cluster.now_ms), cluster.now_ms)
    assert "main" not in cluster.scrape(other)["source"]["b:1"]

    assert cluster.scrape(other, after_ms=GRACE_MS)["source"]["b:1"]["main"] is True


def test_exporters_that_never_return_are_forgotten() -> None:
    """A container that comes back under another name each hour leaves no more behind than a day's worth."""
    cluster = Cluster()
    hour = 3_600_000
    for number in range(60):
        topics = cluster.scrape(labelled(HEALTHY, instance=f"pod-{number}"), after_ms=hour)
    topics = cluster.scrape(labelled(HEALTHY, instance="pod-59"), after_ms=GRACE_MS)

    assert len(topics["source"]) == FORGOTTEN_AFTER_MS // hour + 1
    assert len(cluster.assembler._exporters) == len(topics["source"])
    assert len(cluster.assembler._verdicts._watches) == len(topics["source"])
    assert len(topics["nodes"]) == 46
    assert topics["source"]["pod-59"]["main"] is True
    assert not cluster.partial


def test_an_outage_of_everything_removes_nothing_but_what_is_not_there_after_it() -> None:
    """After an answer without any sample the nodes are as they were, and one that does not come back is missed from then on."""
    cluster = Cluster()
    before = cluster.scrape(HEALTHY)["nodes"]
    cluster.now_ms += 10 * GRACE_MS
    reading = finish(cluster.exposition.read(b"", cluster.now_ms))
    assert finish(cluster.assembler.assemble(reading.changed, reading.gone, cluster.now_ms)) is None
    fewer = without(HEALTHY, r'\w+\{node="hopper-07"\}')

    after = cluster.scrape(fewer)["nodes"]

    assert after == before
    assert set(before) - set(cluster.scrape(fewer, after_ms=GRACE_MS)["nodes"]) == {"hopper-07"}


def test_samples_from_the_future_do_no_harm() -> None:
    """A source whose clock is an hour ahead is named and shown; when it is set right, scrapes count as new again."""
    cluster = Cluster()
    ahead = 3_600_000
    for _ in range(2):
        cluster.now_ms += SCRAPE_MS
        topics = cluster.read(stamped(HEALTHY, cluster.now_ms + ahead), cluster.now_ms)
    assert faults(topics) == ["CLOCK_SKEW"]
    assert len(topics["nodes"]) == 46

    assert faults(cluster.scrape(*[HEALTHY] * 3)) == ["TRUNCATED_NAMES"]


def test_the_first_look_is_no_event_and_later_changes_are() -> None:
    """Nodes that were there when we began are no news; one that falls, one that comes and one that goes are."""
    cluster = Cluster()
    assert cluster.scrape(node_text("a", 1, **IDLE) + node_text("b", 1, **IDLE))["events"] == {}
    started = cluster.now_ms
    changed = node_text("a", 3, **IDLE) + node_text("c", 4, **FULL)

    topics = cluster.scrape(changed)
    topics = cluster.scrape(changed, after_ms=GRACE_MS)

    assert [*topics["events"].values()] == [
        {"at": started + SCRAPE_MS, "kind": "node.state", "key": "a", "from": "free", "to": "offline"},
        {"at": started + SCRAPE_MS, "kind": "node.added", "key": "c", "to": "busy", "inferred": True},
        {"at": started + SCRAPE_MS + GRACE_MS, "kind": "node.removed", "key": "b", "from": "free"},
    ]


def text_of(nodes: dict[str, tuple[int, int]]) -> str:
    """A cluster of which one more node is dead, so that its dialect is plain."""
    return node_text("dead", 4, **IDLE) + "".join(
        node_text(name, code, **HALF | {"cpus_used": used})
        + f'qstat_running_jobs_by_user{{user="{name}"}} 1\n'
        for name, (code, used) in nodes.items()
    )


clusters = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.sampled_from([1, 3]), st.integers(1, 111)))


@given(
    st.lists(st.tuples(clusters, st.sampled_from(["", NODES, LISTING, "pbs_", "qstat_"])), max_size=8),
    clusters,
)
def test_whoever_watched_sees_what_a_newcomer_sees(
    scrapes: list[tuple[dict[str, tuple[int, int]], str]], last: dict[str, tuple[int, int]]
) -> None:
    """After any run of changes and lost series, a whole scrape that outlasts the grace shows what it shows to one who has just come."""
    cluster = Cluster()
    for nodes, lost in scrapes:
        text = text_of(nodes) + f"qstat_total_r_jobs {len(nodes)}\n"
        cluster.scrape((without(text, lost) if lost else text) + "pbs_node_count_down 1\n")
    whole = text_of(last) + f"qstat_total_r_jobs {len(last)}\npbs_node_count_down 1\n"

    seen = cluster.scrape(whole, whole, after_ms=GRACE_MS)
    new = Cluster().scrape(whole)

    assert stateless(seen["nodes"]) == stateless(new["nodes"])
    assert {topic: seen[topic] for topic in ("summary", "queues", "users")} == {
        topic: new[topic] for topic in ("summary", "queues", "users")
    }
    assert not cluster.partial


def test_what_was_published_stays_as_it_was() -> None:
    """Topics that were handed out do not change under their reader when more happens."""
    cluster = Cluster()
    before = cluster.scrape(node_text("a", 1, **IDLE))
    copies = {
        topic: {key: dict(entity) for key, entity in entities.items()} for topic, entities in before.items()
    }

    cluster.scrape(node_text("a", 3, **HALF) + node_text("b", 1, **IDLE), without(HEALTHY, NODES))

    assert before == copies
