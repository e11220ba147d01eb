import re
from collections.abc import Callable

import pytest

from realtime.pbs import faults as known
from realtime.pbs.faults import SENTENCES, Watch
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
    stamped,
    without,
)

HEALTHY = capture("at-1795366406")
NAMED = HEALTHY.replace("stu_long_usernam", "student")
"""Without the one user whose name may be cut."""


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_does_not_move(code: str) -> None:
    """A fault is a code and a sentence without a digit that could change from poll to poll."""
    assert code == getattr(known, code)
    assert known.fault(code) == {"code": code, "detail": SENTENCES[code]}
    assert not re.search(r"\d", SENTENCES[code].replace("memory PBS prints as 0 b", ""))


def test_what_is_seen_three_times_in_a_row_is_believed() -> None:
    """Twice is not enough, and a scrape without begins the count anew."""
    watch = Watch()
    seen = [{"X"}, {"X"}, set(), {"X"}, {"X"}, {"X"}, {"X", "Y"}, {"Y"}]

    believed = [watch.believe(codes, fresh=True) for codes in seen]

    assert believed == [set(), set(), set(), set(), set(), {"X"}, {"X"}, set()]


def test_looking_twice_at_one_scrape_proves_nothing() -> None:
    """A scrape that was seen before neither raises a fault nor clears one."""
    watch = Watch()
    for _ in range(9):
        assert watch.believe({"X"}, fresh=False) == set()
    for _ in range(3):
        watch.believe({"X"}, fresh=True)

    assert watch.believe(set(), fresh=False) == {"X"}


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


CONTRADICTIONS = {
    "more nodes are counted than listed": (
        replaced("pbs_node_count_down 14", "pbs_node_count_down 15"),
        {"COUNT_MISMATCH"},
    ),
    "fewer nodes are counted than listed": (
        replaced("pbs_node_count_down 14", "pbs_node_count_down 13"),
        {"COUNT_MISMATCH"},
    ),
    "users run more jobs than there are": (
        replaced("qstat_total_r_jobs 46", "qstat_total_r_jobs 45"),
        {"COUNT_MISMATCH"},
    ),
    "one of two nodes that are cut alike is listed": (
        lambda text: replaced("pbs_node_count_down 14", "pbs_node_count_down 15")(text).replace(
            "hopper-07", "compute-node-01"
        ),
        {"COUNT_MISMATCH", "TRUNCATED_NAMES"},
    ),
    "a user's name has sixteen characters": (
        replaced('"svc-bench"', '"svc-benchmarking"'),
        {"TRUNCATED_NAMES"},
    ),
    "a queue's name is starred": (replaced('queue="long"', 'queue="averylongqueuen*"'), {"TRUNCATED_NAMES"}),
    "a header is a node": (
        lambda text: (
            replaced("pbs_node_count_down 14", "pbs_node_count_down 15")(text) + node_text("vnode", 4)
        ),
        {"ODD_NAMES"},
    ),
    "garbage is a user": (lambda text: text + 'qstat_running_jobs_by_user{user="\x01"} 0\n', {"ODD_NAMES"}),
    "columns are shifted": (
        lambda text: replaced(
            'pbs_node_gpus_total{node="hopper-07"} 8', 'pbs_node_gpus_total{node="hopper-07"} 112'
        )(
            replaced('pbs_node_cpus_total{node="hopper-07"} 112', 'pbs_node_cpus_total{node="hopper-07"} 0')(
                text
            )
        ),
        {"SHIFTED_COLUMNS"},
    ),
    "a run limit is taken for a queue": (
        replaced('qstat_que_by_queue{queue="AISG_debug"} 1', 'qstat_que_by_queue{queue="AISG_debug"} 4'),
        {"QUE_LIMIT"},
    ),
}


@pytest.mark.parametrize(("change", "codes"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_a_fault_at_the_third_scrape_and_gone_at_the_first_without(
    change: Callable[[str], str], codes: set[str]
) -> None:
    """Each contradiction raises its codes, and no others, at the third scrape in a row, and the first scrape without clears them."""
    cluster = Cluster()
    wrong = change(NAMED)

    raised = [set(faults(cluster.scrape(text))) for text in (NAMED, wrong, wrong, wrong, NAMED)]

    assert raised == [set(), set(), set(), codes, set()]


@pytest.mark.parametrize(("change", "codes"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_torn_scrape_raises_nothing(change: Callable[[str], str], codes: set[str]) -> None:
    """However often a scrape that contradicts itself comes between sound ones, and is looked at, it is no fault."""
    cluster = Cluster()
    for _ in range(3):
        for text in (NAMED, change(NAMED), change(NAMED)):
            assert faults(cluster.scrape(text)) == []
        for _ in range(3):
            assert faults(cluster.look_again(change(NAMED))) == []


@pytest.mark.parametrize("lost", [NODES, LISTING], ids=["nodes", "jobs"])
@pytest.mark.parametrize(("change", "codes"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_reset_clears_no_fault(change: Callable[[str], str], codes: set[str], lost: str) -> None:
    """A scrape in the exporter's reset, in which what contradicted itself is missing, is no proof that it no longer does."""
    cluster = Cluster()
    wrong = change(NAMED)
    before = cluster.scrape(wrong, wrong, wrong)
    assert set(faults(before)) == codes

    assert cluster.scrape(without(wrong, lost)) == before


def test_queues_that_are_out_of_step_by_turns_have_no_run_limit() -> None:
    """Jobs that are submitted between the two commands make now one queue's numbers disagree, now another's: that is no run limit."""
    cluster = Cluster()
    for queue in ("AISG_debug", "small", "AISG_debug", "small", "AISG_debug"):
        text = re.sub(rf'(?m)^(qstat_que_by_queue\{{queue="{queue}"\}}) \d+', r"\1 40", NAMED)
        topics = cluster.scrape(text)
        assert topics["queues"][queue]["queuedInferred"] is True
        assert faults(topics) == []


def test_nodes_that_do_not_come_back_are_a_fault_after_the_grace() -> None:
    """PBSNODES_FAILED comes when no node was listed for the grace, and goes with the first that is."""
    cluster = Cluster()
    ill = without(NAMED, NODES)
    cluster.scrape(NAMED, ill)
    assert faults(cluster.scrape(ill, after_ms=GRACE_MS - 1)) == []
    assert faults(cluster.scrape(ill, after_ms=1)) == ["PBSNODES_FAILED"]
    assert faults(cluster.scrape(NAMED)) == []


@pytest.mark.parametrize(("text", "codes"), [("", []), ("pbs_node_count_free 9\n", ["PBSNODES_FAILED"])])
def test_an_exporter_that_never_listed_a_node_may_have_lost_them(text: str, codes: list[str]) -> None:
    """Who tells of jobs only has no failed pbsnodes; who counts nodes, and lists none since we began to look, has."""
    cluster = Cluster()
    cluster.scrape(text + "qstat_total_r_jobs 3\n")

    assert faults(cluster.scrape(text + "qstat_total_r_jobs 4\n", after_ms=GRACE_MS)) == codes


def test_numbers_that_stand_still_for_ten_minutes_are_frozen() -> None:
    """FROZEN comes when nothing has changed for ten minutes though jobs run, whatever other exporters say, and goes with the first change."""
    cluster = Cluster()
    mine = labelled(NAMED, instance="a:1")
    cluster.scrape(mine)
    for number in range(39):
        assert faults(cluster.scrape(mine + f'qstat_total_r_jobs{{instance="b:1"}} {number}\n'), "a:1") == []
    frozen = cluster.scrape(mine + 'qstat_total_r_jobs{instance="b:1"} 99\n')

    assert faults(frozen, "a:1") == ["FROZEN"]
    assert faults(frozen, "b:1") == []
    moved = mine.replace('queue="long"} 5', 'queue="long"} 6')
    assert faults(cluster.scrape(moved + 'qstat_total_r_jobs{instance="b:1"} 99\n'), "a:1") == []


def test_an_idle_cluster_is_not_frozen() -> None:
    """Where no job runs, nothing need change."""
    cluster = Cluster()
    text = node_text("a", 1, **IDLE) + "qstat_total_r_jobs 0\n"
    cluster.scrape(text)

    assert faults(cluster.scrape(text, after_ms=2 * known.FROZEN_AFTER_MS)) == []


def test_who_reports_the_same_nodes_is_a_duplicate() -> None:
    """Of two exporters with a node in common the other is named at once; while one of them is in its reset it stays named."""
    cluster = Cluster()
    one, two = labelled(NAMED, instance="a:1"), labelled(NAMED, instance="b:1")
    both = cluster.scrape(one + two)

    assert (faults(both, "a:1"), faults(both, "b:1")) == ([], ["DUPLICATE_EXPORTER"])
    for text in (without(one, NODES) + two, one + without(two, NODES), one + two):
        assert cluster.scrape(text) == both


def test_who_reports_other_nodes_is_another_cluster() -> None:
    """Of two exporters without a node in common the other is named at once; while one of them is in its reset it stays named; and it no longer is
    when it is believed.
    """
    cluster = Cluster()
    one = labelled(NAMED, instance="a:1")
    two = labelled(NAMED.replace('node="', 'node="other-'), instance="b:1")
    both = cluster.scrape(one + two)

    assert (faults(both, "a:1"), faults(both, "b:1")) == ([], ["OTHER_NODES"])
    for text in (without(one, NODES) + two, one + without(two, NODES), one + two):
        assert cluster.scrape(text) == both
    cluster.scrape(two)
    assert faults(cluster.scrape(two, after_ms=GRACE_MS), "b:1") == []


HOPPER = labelled(NAMED, site="hopper")
VANDA = labelled(NAMED.replace('node="', 'node="other-'), site="vanda")
LOGIN = node_text("login1", 1, **IDLE)


@pytest.mark.parametrize("known", [False, True], ids=["from the start", "later"])
@pytest.mark.parametrize(
    "common", ["", labelled(LOGIN, site="hopper") + labelled(LOGIN, site="vanda")], ids=["nothing", "a name"]
)
def test_two_clusters_under_one_name_are_told_and_their_jobs_are_not(known: bool, common: str) -> None:
    """Where two clusters report under one job and instance, and have a name in common at most, that is a fault at once; their nodes are shown together,
    and of their jobs nothing: not what was known of one either.
    """
    cluster = Cluster()
    if known:
        assert cluster.scrape(HOPPER)["summary"]["jobs"]["running"] == 46
    mixed = cluster.scrape(HOPPER + VANDA + common)

    assert faults(mixed) == ["MIXED_CLUSTERS"]
    assert len(mixed["nodes"]) == 2 * len(Cluster().scrape(NAMED)["nodes"]) + bool(common)
    assert "running" not in mixed["summary"]["jobs"]
    assert (mixed["queues"], mixed["users"]) == ({}, {})
    # While nobody lists a node, and when they do again.
    nobody = cluster.scrape(without(HOPPER + VANDA, NODES))
    assert faults(nobody) == ["MIXED_CLUSTERS"]
    assert "running" not in nobody["summary"]["jobs"]
    alone = cluster.scrape(HOPPER)
    assert faults(alone) == []
    assert alone["summary"]["jobs"]["running"] == 46


BY_STATE = "".join(f'pbs_node_state{{node="n{number}",state="free"}} 1\n' for number in range(4))
BY_STATE += "qstat_total_r_jobs 2\n"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(labelled(NAMED, replica="b"), id="a second scraper"),
        pytest.param(without(labelled(NAMED, replica="b"), NODES), id="in the exporter's reset"),
        pytest.param('qstat_total_r_jobs{replica="b"} 46\n', id="a pipeline of totals alone"),
        pytest.param(labelled(node_text("hopper-01", 1, **IDLE), replica="b"), id="the first of a new label"),
    ],
)
def test_a_second_series_is_no_second_cluster(more: str) -> None:
    """Where another series tells of the totals too, and not of other nodes, nothing is wrong, and no number is missing."""
    cluster = Cluster()
    one = labelled(NAMED, replica="a")
    alone = cluster.scrape(one)

    both = cluster.scrape(one + more, one + more)

    assert (faults(both), cluster.partial) == ([], False)
    assert both["summary"]["jobs"] == alone["summary"]["jobs"]


def test_states_as_labels_are_no_second_cluster() -> None:
    """Two scrapers of an exporter that tells of nodes by nothing but a labelled state are not mixed up."""
    text = labelled(BY_STATE, replica="a") + labelled(BY_STATE, replica="b")

    assert faults(Cluster().scrape(text)) == []


def test_one_cluster_that_is_scraped_twice_is_not_mixed() -> None:
    """Two scrapers of one exporter tell of each node twice: nothing is wrong with that, and when one of them ends the other's word is all there."""
    cluster = Cluster()
    one, two = labelled(NAMED, replica="a"), labelled(NAMED, replica="b")
    both = cluster.scrape(one + two, one + two)
    assert (faults(both), cluster.partial) == ([], False)

    assert cluster.scrape(one, one) == both
    assert cluster.scrape(one, after_ms=2 * GRACE_MS) == both
    assert not cluster.partial


def test_an_exporter_that_is_down_is_named_after_the_grace() -> None:
    """A scrape that failed changes nothing; an exporter whose series stay away is EXPORTER_DOWN until they are back."""
    cluster = Cluster()
    one, two = labelled(NAMED, job="pbs", instance="a:1"), labelled(NAMED, job="pbs", instance="b:1")
    both = cluster.scrape(one + two)
    assert cluster.scrape(one)["source"] == both["source"]

    down = cluster.scrape(one, after_ms=GRACE_MS)["source"]["pbs|b:1"]

    assert down == {"job": "pbs", "instance": "b:1", "faults": [known.fault("EXPORTER_DOWN")]}
    assert cluster.scrape(one + two)["source"] == both["source"]


def test_a_clock_that_is_ahead_is_named_until_it_no_longer_is() -> None:
    """CLOCK_SKEW comes with the first sample from the future, stays while we look again, and goes when three scrapes were not ahead."""
    cluster = Cluster()

    def scraped(ahead_ms: int) -> list[str]:
        cluster.now_ms += SCRAPE_MS
        return faults(cluster.read(stamped(NAMED, cluster.now_ms + ahead_ms), cluster.now_ms))

    assert scraped(5_000) == []
    assert scraped(5_001) == ["CLOCK_SKEW"]
    for _ in range(6):
        assert faults(cluster.look_again(NAMED, after_ms=2_000)) == ["CLOCK_SKEW"]
    assert [scraped(ahead) for ahead in (3_000, -1_000, -1_000, 2_000, 0, -1_000)] == [["CLOCK_SKEW"]] * 6
    assert scraped(-1_000) == []


def test_shifted_columns_are_the_fault_of_who_told_them() -> None:
    """Of two exporters that watch different nodes only the one whose columns are shifted is told so."""
    cluster = Cluster()
    shifted = node_text("a", 1, cpus_total=0, cpus_used=0, gpus_total=112, gpus_used=0)
    text = labelled(NAMED, instance="a:1") + labelled(shifted, instance="b:1")

    topics = cluster.scrape(*[text] * 3)

    assert (faults(topics, "a:1"), faults(topics, "b:1")) == ([], ["OTHER_NODES", "SHIFTED_COLUMNS"])


def test_a_fault_that_comes_and_one_that_goes_are_events() -> None:
    """Each fault is an event when it is raised and when it is cleared, and none between."""
    cluster = Cluster()
    wrong = CONTRADICTIONS["a header is a node"][0](NAMED)
    topics: Topics = cluster.scrape(NAMED, wrong, wrong, wrong, wrong, NAMED, NAMED)

    told = [(event["kind"], event.get("from"), event.get("to")) for event in topics["events"].values()]

    assert told == [("source.fault", None, "ODD_NAMES"), ("source.ok", "ODD_NAMES", None)]


def test_a_healthy_exporter_has_no_fault() -> None:
    """A real capture, read again and again, has nothing wrong with it but a user's name that may be cut."""
    cluster = Cluster()

    assert faults(cluster.scrape(*[NAMED] * 5)) == []
    assert faults(cluster.scrape(*[HEALTHY] * 5)) == ["TRUNCATED_NAMES"]


def test_what_a_small_exporter_tells_is_no_contradiction() -> None:
    """An exporter that counts nothing, or not all, contradicts nothing."""
    cluster = Cluster()

    assert faults(cluster.scrape(*[node_text("a", 1, **HALF) + "pbs_node_count_free 9\n"] * 4)) == []
    assert faults(cluster.scrape(*[node_text("a", 4, **FULL)] * 4)) == []
