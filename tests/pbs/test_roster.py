import re
from typing import Any

import pytest

from realtime.pbs.roster import OUTLIVED_MS
from tests.pbs.assembled import (
    FULL,
    GRACE_MS,
    HALF,
    IDLE,
    NODES,
    SCRAPE_MS,
    Cluster,
    Topics,
    capture,
    labelled,
    node_text,
    without,
)

WHOLE = capture("at-1794166412")
BUG = node_text("full", 4, **FULL)
"""A node by which an exporter shows that it has no word for job-busy."""


def states(topics: Topics) -> dict[str, str]:
    return {name: node["state"] for name, node in topics["nodes"].items()}


def test_full_is_not_down() -> None:
    """A full node with jobs that the exporter calls down is busy at once; a dead one without jobs stays down, and so does a full one without."""
    topics = Cluster().scrape(
        BUG + node_text("dead", 4, **IDLE) + node_text("empty", 4, **FULL | {"jobs": 0})
    )

    assert states(topics) == {"full": "busy", "dead": "down", "empty": "down"}
    assert topics["summary"]["nodes"]["inferred"] == 1


def test_who_keeps_his_jobs_for_longer_than_a_dead_node_is_busy() -> None:
    """A node that is down with jobs is suspect until PBS would have taken them from it, and then busy, though nothing else changed."""
    cluster = Cluster()
    text = BUG + node_text("exclusive", 4, **HALF)
    first = cluster.scrape(text)["nodes"]["exclusive"]
    before = cluster.scrape(text, after_ms=OUTLIVED_MS - 1)["nodes"]["exclusive"]
    since = cluster.now_ms + 1

    after = cluster.scrape(text, after_ms=1)["nodes"]["exclusive"]

    assert (first["state"], first["suspect"]) == ("down", True)
    assert before is first
    assert (after["state"], after["stateDetail"], after["stateInferred"], after["stateSince"]) == (
        "busy",
        "job-exclusive",
        True,
        since,
    )
    assert "suspect" not in after


def test_who_loses_his_jobs_was_dead() -> None:
    """A suspect whose jobs PBS takes away is down and no longer suspect; the next time the clock begins anew."""
    cluster = Cluster()
    cluster.scrape(BUG + node_text("dead", 4, **HALF))

    dead = cluster.scrape(BUG + node_text("dead", 4, **IDLE), after_ms=OUTLIVED_MS - 1)["nodes"]["dead"]
    cluster.scrape(BUG + node_text("dead", 4, **HALF))
    again = cluster.scrape(BUG + node_text("dead", 4, **HALF), after_ms=OUTLIVED_MS - 1)["nodes"]["dead"]

    assert (dead["state"], "suspect" in dead) == ("down", False)
    assert (again["state"], again["suspect"]) == ("down", True)


def test_only_an_exporter_that_shows_the_bug_is_doubted() -> None:
    """Where no full node was ever called down, a node that keeps its jobs for ever stays down; once one is, it is busy."""
    cluster = Cluster()
    text = node_text("other", 1, **IDLE) + node_text("lost", 4, **HALF)
    cluster.scrape(text)
    late = cluster.scrape(text, after_ms=2 * OUTLIVED_MS)["nodes"]["lost"]
    assert (late["state"], late["suspect"]) == ("down", True)

    shown = cluster.scrape(text + BUG)["nodes"]["lost"]

    assert shown["state"] == "busy"


def test_an_exclusive_node_stays_busy_when_no_other_is_full() -> None:
    """That the exporter's bug is not to be seen for a while takes no node back."""
    cluster = Cluster()
    exclusive = node_text("exclusive", 4, **HALF)
    cluster.scrape(BUG + exclusive)
    cluster.scrape(BUG + exclusive, after_ms=OUTLIVED_MS)

    quiet = node_text("full", 1, **IDLE) + exclusive.replace(
        'cpus_used{node="exclusive"} 56', 'cpus_used{node="exclusive"} 57'
    )
    topics = cluster.scrape(quiet, quiet)

    assert states(topics) == {"exclusive": "busy", "full": "free"}


@pytest.mark.parametrize(
    ("infer", "codes", "full", "exclusive"),
    [
        ("auto", (4, 1), "busy", "busy"),
        ("off", (4, 1), "down", "down"),
        ("on", (4, 1), "busy", "busy"),
        ("auto", (3, 0), "down", "down"),
        ("on", (3, 0), "busy", "busy"),
    ],
)
def test_inference_is_a_switch(infer: str, codes: tuple[int, int], full: str, exclusive: str) -> None:
    """Inference is off or on for any dialect, and on its own only for the real exporter's."""
    down, free = codes
    cluster = Cluster(infer_busy=infer)
    text = node_text("full", down, **FULL) + node_text("part", down, **HALF) + node_text("x", free, **IDLE)
    cluster.scrape(text)

    topics = cluster.scrape(text, after_ms=OUTLIVED_MS)

    assert states(topics) == {"full": full, "part": exclusive, "x": "free"}
    assert topics["nodes"]["part"].get("suspect", False) is (exclusive == "down")


def test_a_fork_is_not_doubted() -> None:
    """The fork has a word for full nodes: one that it calls down is down, full or not."""
    topics = Cluster().scrape(
        node_text("busy", 2, **FULL) + node_text("dead", 4, **FULL) + node_text("idle", 1, **IDLE)
    )

    assert states(topics) == {"busy": "busy", "dead": "down", "idle": "free"}


ZERO: dict[str, float] = dict.fromkeys(FULL, 0)


def test_what_a_node_has_is_remembered() -> None:
    """When a dead node prints 0/0, what is installed does not drop, and it is no longer remembered once PBS says it again."""
    cluster = Cluster()
    before = cluster.scrape(node_text("a", 1, **HALF) + node_text("b", 1, **IDLE))["summary"]

    topics = cluster.scrape(node_text("a", 1, **HALF) + node_text("b", 4, **ZERO))
    back = cluster.scrape(node_text("a", 1, **HALF) + node_text("b", 1, **IDLE))

    for kind, total in (("cpus", 224), ("gpus", 16)):
        assert topics["summary"][kind]["total"] == before[kind]["total"] == total
        assert topics["summary"][kind]["usableTotal"] == total // 2
    assert topics["nodes"]["b"]["capacityRemembered"] is True
    assert "capacityRemembered" not in back["nodes"]["b"]


def test_shifted_columns_are_nobodys_gpus() -> None:
    """A node whose memory prints as `0 b` does not bring 112 GPUs; it has what it had, and what it uses is unknown."""
    cluster = Cluster()
    cluster.scrape(node_text("a", 1, **IDLE) + node_text("b", 1, **IDLE))
    shifted = node_text("b", 4, cpus_total=0, cpus_used=0, gpus_total=112, gpus_used=0, jobs=0)

    topics = cluster.scrape(node_text("a", 1, **IDLE) + shifted)

    assert topics["summary"]["gpus"]["total"] == 16
    assert topics["nodes"]["b"] == {
        "id": "b",
        "name": "b",
        "jobCount": 0,
        "totalCpus": 112,
        "totalGpus": 8,
        "capacityRemembered": True,
        "state": "down",
        "stateSince": cluster.now_ms,
    }


def test_since_when_is_told_of_what_was_witnessed() -> None:
    """A state that was there at the first look has no beginning; one that began under our eyes has one, which other changes do not move."""
    cluster = Cluster()
    first = cluster.scrape(node_text("a", 1, **IDLE))["nodes"]["a"]
    changed = cluster.scrape(node_text("a", 3, **IDLE))["nodes"]["a"]
    at = cluster.now_ms
    later = cluster.scrape(node_text("a", 3, **HALF))["nodes"]["a"]

    assert "stateSince" not in first
    assert changed["stateSince"] == later["stateSince"] == at
    assert later["jobCount"] == 1


def test_entities_that_did_not_change_are_the_same_objects() -> None:
    """A change, a reset and a return leave every node that they do not change as the object that it was."""
    cluster = Cluster()
    before = cluster.scrape(WHOLE)["nodes"]
    changed = WHOLE.replace('pbs_node_jobs{node="hopper-03"} 4', 'pbs_node_jobs{node="hopper-03"} 5')

    after = cluster.scrape(changed, without(changed, NODES), changed)["nodes"]

    assert [name for name in after if after[name] is not before[name]] == ["hopper-03"]


def missing(name: str, text: str = WHOLE) -> str:
    return re.sub(rf'(?m)^\w+\{{node="{name}"\}}.*\n', "", text)


def test_a_node_is_removed_after_its_grace_and_not_before() -> None:
    """A node that its exporter no longer lists stays for the grace; then it goes, and with it all that was remembered of it."""
    cluster = Cluster()
    cluster.scrape(WHOLE, missing("hopper-07"))
    last = cluster.scrape(missing("hopper-07"), after_ms=GRACE_MS - 1)
    gone = cluster.scrape(missing("hopper-07"), after_ms=1)

    assert "hopper-07" in last["nodes"]
    assert "hopper-07" not in gone["nodes"]
    assert gone["summary"]["nodes"]["total"] == 45
    roster = cluster.assembler._roster
    assert all("hopper-07" not in memory for memory in (roster._capacity, roster._shown, roster._owners))


def test_a_suspect_that_is_removed_is_forgotten() -> None:
    """A node that goes missing while it is suspect is removed after its grace, and comes back unsuspected."""
    cluster = Cluster()
    cluster.scrape(BUG + node_text("gone", 4, **HALF), BUG)
    assert "gone" not in cluster.scrape(BUG, after_ms=GRACE_MS)["nodes"]
    cluster.scrape(BUG, after_ms=OUTLIVED_MS)

    back = cluster.scrape(BUG + node_text("gone", 4, **HALF))["nodes"]["gone"]

    assert (back["state"], back["suspect"]) == ("down", True)
    assert "stateSince" not in back


def test_a_node_that_nobody_lists_may_become_due() -> None:
    """A suspect whose time comes while it is missing is neither built nor lost."""
    cluster = Cluster(grace_ms=10 * OUTLIVED_MS)
    before = cluster.scrape(BUG + node_text("gone", 4, **HALF))["nodes"]["gone"]

    assert cluster.scrape(BUG, after_ms=2 * OUTLIVED_MS)["nodes"]["gone"] is before


def by(instance: str, text: str) -> str:
    return labelled(text, job="pbs", instance=instance)


A, B = (
    "".join(node_text(f"{letter}{number}", 1, **IDLE) for number in range(4)) + "pbs_node_count_free 4\n"
    for letter in "ab"
)


@pytest.mark.parametrize("left", ["", "pbs_node_count_free 4\n"], ids=["down", "pbsnodes fails"])
def test_the_nodes_of_a_failed_exporter_stay(left: str) -> None:
    """Nodes are removed only while their exporter lists others: not when it is down, nor when its pbsnodes fails, though another is well."""
    cluster = Cluster()
    before = cluster.scrape(by("a", A) + by("b", B))["nodes"]
    ill = (by("a", left) if left else "") + by("b", B)

    topics = cluster.scrape(ill, ill)
    late = cluster.scrape(ill, after_ms=3 * GRACE_MS)
    was_partial = cluster.partial
    healed = cluster.scrape(by("a", missing("a1", A)) + by("b", B))

    assert topics["nodes"] == late["nodes"] == before
    assert set(healed["nodes"]) == set(before)
    assert (was_partial, cluster.partial) == (True, False)
    assert set(cluster.scrape(by("a", missing("a1", A)) + by("b", B), after_ms=GRACE_MS)["nodes"]) == set(
        before
    ) - {"a1"}


def test_of_two_exporters_one_is_believed_and_the_other_knows_more() -> None:
    """A node that two list is shown as the one says that knows most; a node that only the other lists is shown too."""
    cluster = Cluster()
    less = node_text("a0", 3, **IDLE) + node_text("c", 3, **IDLE)

    topics = cluster.scrape(by("a", A) + by("z", less))

    assert states(topics) == {"a0": "free", "a1": "free", "a2": "free", "a3": "free", "c": "offline"}
    assert topics["summary"]["gpus"]["total"] == 5 * 8


def test_the_reset_of_one_of_two_is_no_diff() -> None:
    """While the believed exporter is in its reset the other's word, which is of another moment, does not replace its own."""
    cluster = Cluster()
    other = A.replace('cpus_used{node="a0"} 0', 'cpus_used{node="a0"} 7')
    before = cluster.scrape(by("a", A) + by("z", other))

    during = cluster.scrape(by("a", without(A, NODES)) + by("z", other))

    assert during == before
    assert cluster.partial


def test_after_the_grace_the_other_is_believed() -> None:
    """When the believed exporter has listed nothing for the grace, the other's nodes are shown as it says, and nothing is held."""
    cluster = Cluster()
    other = A.replace('cpus_used{node="a0"} 0', 'cpus_used{node="a0"} 7')
    cluster.scrape(by("a", A) + by("z", other))
    ill = by("a", without(A, NODES)) + by("z", other)
    cluster.scrape(ill)

    topics = cluster.scrape(ill, after_ms=GRACE_MS)

    assert topics["nodes"]["a0"]["usedCpus"] == 7
    assert not cluster.partial
    back = cluster.scrape(by("a", A) + by("z", other))
    assert back["nodes"]["a0"]["usedCpus"] == 0


def test_a_node_that_moves_to_another_exporter_is_never_gone() -> None:
    """A node that one exporter drops and another takes up, now or a scrape later, stays the same object."""
    cluster = Cluster()
    before = cluster.scrape(by("a", A) + by("b", B))["nodes"]["a1"]
    moved = by("b", B + node_text("a1", 1, **IDLE))

    between = cluster.scrape(by("a", missing("a1", A)) + by("b", B))["nodes"]["a1"]
    after = cluster.scrape(
        by("a", missing("a1", A)) + moved, by("a", missing("a1", A)) + moved, after_ms=GRACE_MS
    )

    assert between is before
    assert after["nodes"]["a1"] is before


def test_a_node_without_some_of_its_readings_keeps_them_for_its_grace() -> None:
    """A scrape that is half visible takes nothing from a node and holds back nothing that it says; after the grace what is lost is unknown."""
    cluster = Cluster()
    cluster.scrape(node_text("a", 1, **HALF))
    torn = without(node_text("a", 3, **HALF | {"jobs": 2}), r"pbs_node_gpus_\w+\{")

    half = cluster.scrape(torn)["nodes"]["a"]
    late = cluster.scrape(torn, after_ms=GRACE_MS)["nodes"]["a"]

    assert (half["state"], half["jobCount"], half["totalGpus"], half["usedGpus"]) == ("offline", 2, 8, 4)
    assert (late["state"], "totalGpus" in late) == ("offline", False)


def in_state(state: str) -> str:
    return f'pbs_node_state{{node="a",state="{state}"}} 1\n' + node_text("a", None, **HALF)


def test_a_labelled_state_that_comes_late_is_no_unknown_between() -> None:
    """In the label dialect the old state's series ends before the new one, which is new to the source, is visible: no node is unknown between."""
    cluster = Cluster()
    cluster.scrape(in_state("free"))
    between = cluster.scrape(node_text("a", None, **HALF | {"jobs": 9}))["nodes"]["a"]
    after = cluster.scrape(in_state("down"))["nodes"]["a"]

    assert (between["state"], between["jobCount"]) == ("free", 9)
    assert after["state"] == "down"


def test_a_labelled_state_that_changes_in_one_scrape_changes_at_once() -> None:
    """Where the new state is there with the old one's end, it is shown."""
    cluster = Cluster()
    cluster.scrape(in_state("free"))

    assert cluster.scrape(in_state("offline"))["nodes"]["a"]["state"] == "offline"


def test_a_labelled_node_that_has_nothing_but_its_state_is_missed_between() -> None:
    """A node of which only the state is told is held as any missing one while its series change."""
    cluster = Cluster()
    text = 'pbs_node_state{node="a",state="free"} 1\npbs_node_state{node="b",state="free"} 1\n'
    before = cluster.scrape(text)["nodes"]["a"]

    between = cluster.scrape(text.splitlines()[1] + "\n")["nodes"]["a"]

    assert between is before


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_a_state_that_is_no_number_is_first_missed_and_then_unknown(value: str) -> None:
    """A node whose state turns NaN keeps its last for the grace, and is then unknown, never free or down."""
    cluster = Cluster()
    cluster.scrape(node_text("a", 3, **IDLE))
    broken = node_text("a", 3, **IDLE).replace("} 3", f"}} {value}")

    assert states(cluster.scrape(broken)) == {"a": "offline"}
    assert states(cluster.scrape(broken, after_ms=GRACE_MS)) == {"a": "unknown"}


def test_an_exporter_that_is_forgotten_takes_its_nodes_along() -> None:
    """A day after an exporter's last word its nodes begin to be missed; what another has taken up by then stays."""
    day = 24 * 3_600_000
    cluster = Cluster()
    cluster.scrape(by("a", A) + by("b", B))
    kept = by("b", B + node_text("a1", 1, **IDLE))
    cluster.scrape(kept)
    assert len(cluster.scrape(kept, after_ms=day - 1)["nodes"]) == 8
    forgotten = cluster.scrape(kept, after_ms=1)
    assert set(forgotten["source"]) == {"pbs|b"}
    assert len(forgotten["nodes"]) == 8

    gone = cluster.scrape(kept, after_ms=GRACE_MS)

    assert set(gone["nodes"]) == {"b0", "b1", "b2", "b3", "a1"}
    assert not cluster.partial


def test_a_suspect_whose_exporter_is_forgotten_is_doubted_no_more() -> None:
    """A node that is down and runs jobs, of which only an exporter told that said nothing for a day, is missed and leaves."""
    cluster = Cluster()
    cluster.scrape(by("a", A) + by("b", node_text("b1", 4, cpus_total=64, cpus_used=3, jobs=2)))
    cluster.scrape(by("a", A), after_ms=GRACE_MS)
    assert cluster.scrape(by("a", A), after_ms=24 * 3_600_000)["nodes"]["b1"]["suspect"] is True

    assert "b1" not in cluster.scrape(by("a", A), after_ms=GRACE_MS)["nodes"]


def test_quiet_polls_build_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspects whose time has come, and nodes that were inferred, are not built again at every poll."""
    cluster = Cluster()
    text = node_text("x", 1, **IDLE) + node_text("lost", 4, **HALF)
    cluster.scrape(text)
    cluster.scrape(text, after_ms=OUTLIVED_MS)
    inferred = Cluster()
    inferred.scrape(text + BUG)
    inferred.scrape(text + BUG, after_ms=OUTLIVED_MS)
    built: list[Any] = []
    for each in (cluster, inferred):
        monkeypatch.setattr(each.assembler._roster, "_build", lambda *of: built.append(of))

    cluster.scrape(text, after_ms=SCRAPE_MS)
    inferred.scrape(text + BUG, after_ms=SCRAPE_MS)

    assert built == []


def test_what_another_exporter_says_of_a_node_is_not_mended_with_the_firsts() -> None:
    """A node that another exporter takes up, which tells less of it, is shown as that one tells it."""
    cluster = Cluster()
    cluster.scrape(by("a", A) + by("b", B))

    moved = cluster.scrape(by("a", missing("a1", A)) + by("b", B + node_text("a1", 3, jobs=2)))["nodes"]["a1"]

    assert moved == {
        "id": "a1",
        "name": "a1",
        "jobCount": 2,
        "state": "offline",
        "stateDetail": "draining",
    } | {
        "totalCpus": 112,
        "totalGpus": 8,
        "capacityRemembered": True,
        "stateSince": cluster.now_ms,
    }


def test_the_grace_of_a_reading_begins_anew() -> None:
    """A node that loses readings again, long after they were back, keeps them for another grace."""
    cluster = Cluster()
    whole = node_text("a", 1, **HALF)
    torn = without(whole, r"pbs_node_jobs\{")
    cluster.scrape(whole, torn, whole)

    assert cluster.scrape(torn, after_ms=2 * GRACE_MS)["nodes"]["a"]["jobCount"] == 1


def test_nobodys_nodes_stay_while_nobody_lists_any() -> None:
    """Nodes whose exporter was forgotten are not removed while the others' pbsnodes fails."""
    cluster = Cluster()
    cluster.scrape(by("a", A) + by("b", B))
    ill = by("b", "pbs_node_count_free 4\n")
    cluster.scrape(ill)

    topics = cluster.scrape(ill, ill, after_ms=25 * 3_600_000)

    assert set(topics["source"]) == {"pbs|b"}
    assert len(topics["nodes"]) == 8
