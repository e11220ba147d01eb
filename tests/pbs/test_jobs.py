import re

import pytest
from hypothesis import given, strategies as st

from realtime.pbs import jobs
from tests.pbs.assembled import HALF, IDLE, LISTING, Cluster, capture, faults, node_text, read, without


def test_totals_add_up_running_queued_and_held() -> None:
    """The total is what it always was: running, queued and held; what the exporter reports beside it is kept apart."""
    found = jobs.totals(
        {
            "qstat_total_r_jobs": 45,
            "qstat_total_q_jobs": 26,
            "qstat_total_h_jobs": 5,
            "qstat_total_all_jobs": 81,
        },
        {},
    )

    assert found == {"running": 45, "queued": 26, "held": 5, "reported": 81, "total": 76}


def test_a_total_of_which_a_part_is_unknown_is_unknown() -> None:
    """Without held jobs there is no total."""
    assert "total" not in jobs.totals({"qstat_total_r_jobs": 45, "qstat_total_q_jobs": 26}, {})


def test_e_is_exiting() -> None:
    """What the exporter calls Error is PBS's E, which means Exiting."""
    assert jobs.totals({"qstat_total_e_jobs": 2}, {"Error": 3})["exiting"] == 2
    assert jobs.totals({}, {"Error": 3}) == {"exiting": 3}


def test_words_and_letters_of_a_status_are_understood() -> None:
    """The exporter's words and PBS's letters fill in what the totals do not say; a letter of the future is left out."""
    found = jobs.totals({}, {"Running": 1, "Q": 2, "Hold": 3, "S": 4, "W": 5, "X": 6, "Z": 7, "Finished": 8})

    assert found == {
        "running": 1,
        "queued": 2,
        "held": 3,
        "suspended": 4,
        "waiting": 5,
        "expired": 6,
        "total": 6,
    }


@pytest.mark.parametrize(
    ("readings", "queue"),
    [
        (
            {"qstat_running_jobs_by_queue": 8, "qstat_que_by_queue": 7, "qstat_jobs_in_queue": 15},
            {"runningJobs": 8, "queuedJobs": 7, "totalJobs": 15},
        ),
        (
            {"qstat_running_jobs_by_queue": 8, "qstat_jobs_in_queue": 15},
            {"runningJobs": 8, "queuedJobs": 7, "totalJobs": 15},
        ),
        ({"qstat_que_by_queue": 3}, {"queuedJobs": 3}),
        ({"qstat_running_jobs_by_queue": 3}, {"runningJobs": 3}),
        (
            {"qstat_running_jobs_by_queue": 3, "qstat_jobs_in_queue": 1},
            {"runningJobs": 3, "queuedJobs": 0, "totalJobs": 3},
        ),
    ],
)
def test_a_queue_says_what_its_metrics_say(readings: dict[str, float], queue: dict[str, int]) -> None:
    """Queued jobs are read, or else what is listed beyond the running; what cannot be told is absent."""
    assert jobs.queue("q", readings) == {"name": "q"} | queue


def test_a_user_has_running_jobs_and_sometimes_queued_ones() -> None:
    """Queued jobs of a user are there only if an exporter tells them."""
    assert jobs.user("u", {"qstat_running_jobs_by_user": 3}) == {"name": "u", "runningJobs": 3}
    assert jobs.user("u", {"qstat_queued_jobs_by_user": 2}) == {"name": "u", "queuedJobs": 2}


def test_less_than_nothing_is_unknown() -> None:
    """A negative number of jobs is none, of the cluster, a queue or a user."""
    assert jobs.totals({"qstat_total_r_jobs": -3, "qstat_total_q_jobs": 2}, {"Hold": -1}) == {"queued": 2}
    assert jobs.user("u", {"qstat_running_jobs_by_user": -3}) == {"name": "u"}
    assert jobs.queue("q", {"qstat_running_jobs_by_queue": -1, "qstat_jobs_in_queue": 2}) == {"name": "q"}


LONG = "averylongqueuename"
STARRED, CUT = LONG[:15] + "*", LONG[:16]


@pytest.mark.parametrize(
    ("names", "healed"),
    [
        ([STARRED, LONG], {STARRED: LONG}),
        ([CUT, LONG], {CUT: LONG}),
        ([STARRED, CUT], {STARRED: CUT}),
        ([STARRED, CUT, LONG], {STARRED: LONG, CUT: LONG}),
        ([STARRED, LONG, LONG + "2"], {}),
        ([CUT, LONG, LONG + "2"], {}),
        ([STARRED, CUT, LONG[:15] + "z"], {}),
        ([STARRED], {}),
        ([CUT], {}),
        (["short*", "shorter"], {}),
        (["small", "smaller"], {}),
        ([LONG[:15], LONG], {}),
    ],
)
def test_cut_names_are_healed_if_they_can_be_only_one(names: list[str], healed: dict[str, str]) -> None:
    """A name cut to 15 characters and a star, or to 16, is the longest that begins so; one that could be two, or none, is left as it is."""
    assert jobs.heal(names) == healed


@given(
    st.text("abc", min_size=17, max_size=18),
    st.sets(st.sampled_from([15, 16]), min_size=1),
    st.sets(st.text("ab*", min_size=14, max_size=18), max_size=6),
)
def test_what_a_cut_name_is_healed_to_is_whole_and_begins_so(
    name: str, cuts: set[int], others: set[str]
) -> None:
    """A name's cuts are healed to it if no other begins so; and no name is healed to one that is itself healed, that does not begin as it does, or
    that is cut with a star.
    """
    cut_here = {name[:15] + "*" if length == 15 else name[:16] for length in cuts}
    healed = jobs.heal(cut_here | {name} | others)

    if not any(other.startswith(name[:15]) for other in others):
        assert {cut: healed.get(cut) for cut in cut_here} == dict.fromkeys(cut_here, name)
    for cut, whole in healed.items():
        assert whole not in healed
        assert whole.startswith(cut[:15])
        assert not whole.endswith("*")


def test_what_three_commands_say_of_one_queue_is_one_queue() -> None:
    """The list's name with a star and the queue line's name of 16 characters are the queue whose whole name is known."""
    topics = read(
        f'qstat_running_jobs_by_queue{{queue="{STARRED}"}} 3\nqstat_jobs_in_queue{{queue="{STARRED}"}} 5\n'
        f'qstat_que_by_queue{{queue="{CUT}"}} 2\n'
    )

    assert topics["queues"] == {CUT: {"name": CUT, "runningJobs": 3, "queuedJobs": 2, "totalJobs": 5}}


def test_two_queues_of_which_one_metric_speaks_are_two() -> None:
    """A name of 16 characters that could be the cut of a longer one is no cut where the same command prints both: no number replaces another."""
    topics = read(
        f'qstat_que_by_queue{{queue="{CUT}"}} 2\nqstat_que_by_queue{{queue="{LONG}"}} 7\n'
        f'qstat_running_jobs_by_queue{{queue="{LONG}"}} 1\n'
    )

    assert {name: queue["queuedJobs"] for name, queue in topics["queues"].items()} == {CUT: 2, LONG: 7}


def test_a_run_limit_is_no_number_of_waiting_jobs() -> None:
    """With a number under Lm in qstat -q the exporter says 4 of a queue in which 1 waits: 1 is shown, and said to be counted from the list."""
    queues = read(capture("faults/lm-numeric"))["queues"]

    assert queues["AISG_debug"] == {
        "name": "AISG_debug",
        "runningJobs": 1,
        "queuedJobs": 1,
        "queuedInferred": True,
        "totalJobs": 2,
    }
    assert [name for name, queue in queues.items() if "queuedInferred" in queue] == ["AISG_debug"]


@pytest.mark.parametrize("moment", ["at-1794166412", "at-1794934410", "at-1795366406"])
def test_no_healthy_queue_is_taken_for_its_limit(moment: str) -> None:
    """In a healthy capture, held jobs, arrays and all, every queue's own number is shown."""
    assert not any("queuedInferred" in queue for queue in read(capture(moment))["queues"].values())


def test_without_a_list_a_limit_cannot_be_told() -> None:
    """Where no job list is there, or it was not believed, what the exporter says of a queue is shown."""
    readings: dict[str, float] = {
        "qstat_running_jobs_by_queue": 0,
        "qstat_que_by_queue": 4,
        "qstat_jobs_in_queue": 0,
    }

    assert jobs.queue("q", readings, listing=False)["queuedJobs"] == 4
    assert jobs.queue("q", readings, listing=True)["queuedJobs"] == 0


@pytest.mark.parametrize(
    ("found", "on_nodes", "credible"),
    [
        ({"running": 0, "exiting": 0}, True, False),
        ({"running": 0, "exiting": 0}, False, True),
        ({"running": 0, "exiting": 1}, True, True),
        ({"running": 0, "suspended": 2}, True, True),
        ({"running": 3}, False, True),
        ({"queued": 5}, True, True),
        ({}, True, True),
    ],
)
def test_a_list_without_a_running_job_is_not_credible_while_nodes_run_some(
    found: dict[str, int], on_nodes: bool, credible: bool
) -> None:
    """Nodes with jobs refute a list that has none of them; a list that does not speak of running jobs is not refuted."""
    assert jobs.is_credible(found, on_nodes=on_nodes) is credible


HEALTHY = capture("at-1795366406")


@pytest.mark.parametrize("fault", ["qstat_t-empty", "qstat_t-garbage"])
def test_an_empty_list_does_not_empty_a_running_cluster(fault: str) -> None:
    """A qstat that prints nothing, or garbage, and says that all went well changes no job, queue or user while nodes run jobs."""
    cluster = Cluster()
    before = cluster.scrape(HEALTHY)

    during = cluster.scrape(capture(f"faults/{fault}"))

    for topic in ("queues", "users"):
        assert during[topic] == before[topic]
    assert during["summary"]["jobs"] == before["summary"]["jobs"]
    assert cluster.partial


NODE_LINES = "".join(re.findall(r"(?m)^pbs_node_.*\n", HEALTHY))


@pytest.mark.parametrize("nodes", ["", NODE_LINES], ids=["no nodes", "nodes"])
@pytest.mark.parametrize("fault", ["qstat_t-empty", "qstat_t-garbage"])
def test_what_was_never_known_is_absent(fault: str, nodes: str) -> None:
    """If the first look finds such a list, no zero is shown, whether nodes run jobs or are themselves not listed yet."""
    topics = read(
        without(capture(f"faults/{fault}"), "pbs_node_count") + nodes if nodes else capture(f"faults/{fault}")
    )

    assert topics["summary"]["jobs"] == topics["queues"] == topics["users"] == {}
    assert len(topics["nodes"]) == (46 if nodes else 0)


def test_against_an_empty_list_a_queue_line_counts() -> None:
    """Where no job is listed, and no node runs one, the waiting jobs that `qstat -q` counts are shown and not taken for a limit."""
    queues = read(
        node_text("a", 1, **IDLE) + "qstat_total_r_jobs 0\nqstat_total_all_jobs 0\n"
        'qstat_que_by_queue{queue="q"} 4\nqstat_jobs_in_queue{queue="q"} 0\nqstat_running_jobs_by_queue{queue="q"} 0\n'
    )["queues"]

    assert queues["q"] == {"name": "q", "runningJobs": 0, "queuedJobs": 4, "totalJobs": 4}


def test_a_source_of_jobs_alone_is_believed() -> None:
    """An exporter that neither lists nor counts nodes may well say that no job runs."""
    assert read("qstat_total_r_jobs 0\n")["summary"]["jobs"] == {"running": 0}


def test_an_exporter_that_was_just_started_empties_nothing() -> None:
    """Before its first tick an exporter says 0 of everything and lists nothing: nothing of what was known changes."""
    cluster = Cluster()
    before = cluster.scrape(HEALTHY)
    zeros = "".join(
        f"{line.split()[0]} 0\n"
        for line in HEALTHY.splitlines()
        if line.startswith(("qstat_total", "pbs_node_count"))
    )

    during = cluster.scrape(zeros)

    assert {**during, "summary": None} == {**before, "summary": None}
    assert during["summary"]["jobs"] == before["summary"]["jobs"]
    assert during["summary"]["gpus"] == before["summary"]["gpus"]


def test_a_cluster_whose_jobs_have_ended_is_empty() -> None:
    """When the list is empty and so are the nodes, the cluster is idle, and nothing is held."""
    cluster = Cluster()
    listed = 'qstat_running_jobs_by_user{user="u"} 1\nqstat_running_jobs_by_queue{queue="q"} 1\n'
    cluster.scrape(node_text("a", 1, **HALF) + "qstat_total_r_jobs 1\n" + listed)

    idle = cluster.scrape(
        node_text("a", 1, **IDLE) + 'qstat_total_r_jobs 0\nqstat_running_jobs_by_queue{queue="q"} 0\n'
    )

    assert idle["users"] == {}
    assert idle["queues"] == {"q": {"name": "q", "runningJobs": 0}}
    assert idle["summary"]["jobs"]["running"] == 0
    assert not cluster.partial


def test_without_totals_nodes_tell_whether_the_list_is_lost() -> None:
    """Where only statuses count the jobs, these are held when they vanish while nodes run jobs, and gone when nodes run none."""
    cluster = Cluster()
    cluster.scrape(node_text("a", 1, **HALF) + 'qstat_jobs_by_status{status="Running"} 1\n')
    held = cluster.scrape(node_text("a", 1, **HALF))
    assert held["summary"]["jobs"]["running"] == 1
    assert cluster.partial

    idle = cluster.scrape(node_text("a", 1, **IDLE))

    assert idle["summary"]["jobs"] == {}
    assert not cluster.partial


def test_jobs_on_the_nodes_of_others_refute_no_list() -> None:
    """Of two exporters that watch different nodes the believed one's list is refuted by its own nodes only."""
    cluster = Cluster()
    one = "".join(node_text(f"a{number}", 1, **IDLE) for number in range(3)) + "qstat_total_r_jobs 0\n"
    topics = cluster.scrape(one + node_text("b", 1, **HALF).replace("{node", '{instance="b:1",node'))

    assert topics["summary"]["jobs"]["running"] == 0
    assert not cluster.partial


def test_what_is_held_for_longer_than_the_grace_is_a_fault() -> None:
    """A list that does not come back is QSTAT_FAILED after the grace; when it is back the fault is gone."""
    cluster = Cluster()
    cluster.scrape(HEALTHY)
    ill = without(HEALTHY, LISTING)
    assert "QSTAT_FAILED" not in faults(cluster.scrape(ill))

    late = cluster.scrape(ill, after_ms=150_000)

    assert "QSTAT_FAILED" in faults(late)
    assert len(late["users"]) == 20
    assert "QSTAT_FAILED" not in faults(cluster.scrape(HEALTHY))
