"""The simulated PBS server: its counts are true, whatever happens to a job or a node."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, strategies as st

from realtime.errors import ConfigError
from realtime.source.simulated_server import Server
from realtime.source.simulated_site import Array, Job, Request, Row


def cluster(seed: int = 1) -> Server:
    return Server(46, prefix="hopper", rng=Random(seed))


def send(server: Server, width: int = 1, array: Array | None = None) -> Job:
    """A job in line, of a quarter of a standard node on each of its nodes."""
    job = Job(server.queues[0], "phyzx", array, Request(28, 2, 240), width, exclusive=False)
    server._queue(job)
    return job


def start(server: Server, job: Job, *indices: int) -> None:
    """Run a job from its line on these nodes."""
    job.queue.line.remove(job)
    server._run(job, [server.nodes[index] for index in indices])
    server._settle()


def rows_of(server: Server) -> set[Row]:
    """Every row of `qstat -t`, found where jobs are and not where they are counted."""
    jobs: set[Row] = {job for node in server.nodes for job in node.jobs}
    jobs.update(job for queue in server.queues for job in queue.line)
    jobs.update(server._held.items)
    arrays = {row.array for row in jobs if row.array}
    return jobs | arrays | {row for array in arrays for row in array.expired}


def recount(server: Server) -> None:
    """Assert that whatever is counted as it changes is what a count from nothing gives."""
    rows = rows_of(server)
    running = [row for row in rows if row.letter == "R"]
    assert +server.letters == Counter(row.letter for row in rows)
    assert +server.users == Counter(row.user for row in running)
    for queue in server.queues:
        mine = [row for row in rows if row.queue is queue]
        assert queue.rows == len(mine)
        assert queue.running == sum(row.letter == "R" for row in mine)
        assert queue.waiting == sum(row.letter in "QH" and row.array is None for row in mine)
        assert all(job.letter == "Q" and not job.nodes for job in queue.line)
    for row in rows:
        if isinstance(row, Array):
            subjobs = [other for other in rows if other.array is row]
            assert row.letter == "B" or all(other.letter == row.letter == "Q" for other in subjobs)
            assert row.left == sum(other.letter != "X" for other in subjobs) > 0
    assert +server.states == Counter(node.state for node in server.nodes)
    assert server.states.total() == len(server.nodes)
    assert server.occupied == sum(bool(node.jobs) for node in server.nodes)
    assert server.free_cpus == sum(node.free_cpus for node in server.nodes)
    assert server.free_gpus == sum(node.free_gpus for node in server.nodes)
    assert server.free_memory_gib == sum(node.shown.free_memory_gib for node in server.nodes)
    for node in server.nodes:
        assert node.shown == node.row()
        assert node.free_cpus == node.kind.cpus - sum(job.request.cpus for job in node.jobs) >= 0
        assert node.free_gpus == node.kind.gpus - sum(job.request.gpus for job in node.jobs) >= 0
        assert (
            node.free_memory_gib
            == node.kind.memory_gib - sum(job.request.memory_gib for job in node.jobs)
            >= 0
        )
        assert all(job.letter in "RE" and node in job.nodes for job in node.jobs)
        assert node.exclusive == any(job.exclusive for job in node.jobs)
        assert not node.exclusive or len(node.jobs) == 1
        assert node.trouble != "down" or not node.jobs
    for job in {job for node in server.nodes for job in node.jobs}:
        assert len(set(job.nodes)) == len(job.nodes) == job.width
    assert server.letters["R"] + server.letters["E"] == len(
        {job for node in server.nodes for job in node.jobs}
    )


STEPS = st.tuples(
    st.sampled_from(["send", "hold", "run", "finish", "fail", "drain", "restore"]), st.integers(0, 45)
)


@given(seed=st.integers(0, 999), steps=st.lists(STEPS, max_size=60))
def test_every_count_is_true_after_any_steps(seed: int, steps: list[tuple[str, int]]) -> None:
    """Whatever happens to jobs and nodes in whatever order, every count is that of a count from nothing."""
    server = cluster(seed)
    for step, at in steps:
        line = server.queues[0].line
        if step == "send":
            send(server, width=1 + at % 2)
        elif step == "hold" and line:
            server._hold(line.pop())
        elif step == "run" and line and (nodes := server._placement.find(line[0])):
            server._run(line.popleft(), nodes)
        elif step == "finish" and server._running.items:
            server._finish(server._running.items[at % len(server._running.items)])
        elif step in ("fail", "drain", "restore"):
            getattr(server, step)(server.nodes[at].name)
        server._settle()
        recount(server)


def test_an_array_stays_until_its_last_subjob_has_ended() -> None:
    """Subjobs that have ended are rows in state X beside their array in B; with the last one all rows go."""
    server = cluster()
    array = Array(server.queues[0], "phyzx", 2)
    server._turn(array, "Q")
    jobs = [send(server, array=array) for _ in range(2)]
    assert server.queues[0].waiting == 1  # the array, and not its subjobs
    for index, job in enumerate(jobs):
        start(server, job, index)
    server._vacate(jobs[0])
    server._forget(jobs[0])
    assert +server.letters == Counter("BRX")
    server._vacate(jobs[1])
    server._forget(jobs[1])
    assert not +server.letters
    assert server.queues[0].rows == 0


def test_one_job_in_four_is_seen_exiting_on_its_nodes() -> None:
    """Of the jobs that end about one in four is in state E, still on its nodes; the others are gone at once."""
    server = cluster()
    jobs = [send(server) for _ in range(160)]
    for place, job in enumerate(jobs):
        start(server, job, place // 4)
        server._finish(job)
    server._settle()
    assert 20 < server.letters["E"] < 60
    assert server.letters["R"] == 0
    assert all(bool(job.nodes) == (job.letter == "E") for job in jobs)
    recount(server)


def test_a_watcher_hears_of_exactly_the_nodes_that_changed() -> None:
    """A new watcher has all nodes; emptied, it collects those that show something else than before."""
    server = cluster()
    watcher = server.watch()
    assert watcher == set(range(46))
    watcher.clear()
    start(server, send(server, width=2), 3, 5)
    assert watcher == {3, 5}
    watcher.clear()
    server.fail("hopper-04")
    assert watcher == {3, 5}
    watcher.clear()
    server.fail("hopper-04")
    assert not watcher


def test_a_failed_node_loses_its_jobs_everywhere() -> None:
    """A node that fails is down and empty at once, and its jobs leave the other nodes that they ran on."""
    server = cluster()
    job = send(server, width=3)
    start(server, job, 0, 1, 2)
    server.fail("hopper-01")
    assert (server.nodes[0].shown.state, server.nodes[0].shown.jobs) == ("down", 0)
    assert all(job not in node.jobs for node in server.nodes)
    recount(server)


def test_jobs_of_a_failed_node_wait_again_or_are_gone() -> None:
    """Of the jobs on nodes that fail none runs on, and some are back in line before those that wait."""
    server = cluster()
    jobs = [send(server) for _ in range(20)]
    for index, job in enumerate(jobs):
        start(server, job, index)
    waiting = send(server)
    for node in server.nodes[:20]:
        server.fail(node.name)
    letters = Counter(job.letter for job in jobs)
    assert set(letters) == {"Q", ""}
    assert server.queues[0].line[-1] is waiting
    recount(server)


def test_a_drained_node_keeps_its_jobs() -> None:
    """A drained node is offline with its jobs running, and free when it is restored."""
    server = cluster()
    job = send(server)
    start(server, job, 0)
    server.drain("hopper-01")
    assert (server.nodes[0].shown.state, server.nodes[0].jobs, job.letter) == ("offline", [job], "R")
    server.restore("hopper-01")
    assert (server.nodes[0].shown.state, server.nodes[0].jobs) == ("free", [job])


def test_a_node_that_is_down_stays_down_when_it_is_drained() -> None:
    """Of `down,offline` PBS prints the first."""
    server = cluster()
    server.fail("hopper-01")
    server.drain("hopper-01")
    assert server.nodes[0].shown.state == "down"


def test_an_unknown_node_is_refused() -> None:
    """An operator's act on a node that is not there is a KeyError."""
    with pytest.raises(KeyError):
        cluster().fail("hopper-99")


@pytest.mark.parametrize(
    ("nodes", "prefix", "named"),
    [
        (0, "hopper", "nodes"),
        (46, "", "prefix"),
        (46, 'a"b', "prefix"),
        (46, "abcdefghijklm", "prefix"),  # with -46 sixteen characters
        (5_000, "abcdefghijk", "prefix"),
    ],
)
def test_what_pbs_could_not_show_is_refused(nodes: int, prefix: str, named: str) -> None:
    """What cannot be is a ConfigError that names the argument, what was given and what is allowed."""
    with pytest.raises(ConfigError, match=rf"^{named}: given .*; allowed: "):
        Server(nodes, prefix=prefix, rng=Random(1))


def test_a_name_of_fifteen_characters_is_allowed() -> None:
    """The longest name that `pbsnodes -aSj` prints whole is one that a node may have."""
    assert len(Server(46, prefix="abcdefghijkl", rng=Random(1)).nodes[0].name) == 15
