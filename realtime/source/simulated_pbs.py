"""A simulated PBS: jobs are submitted, wait, run and end on nodes that drain, fail and come back.

Time and chance enter as arguments, so one seed tells one story. Everything is counted as it changes: a tick
costs what changes, not what there is.

It stays within bounds for as long as it runs, by laws that real clusters have too: users send less when they
see a long queue, and give up when they wait in vain; the more nodes have jobs, the more jobs end; the more
nodes are out, the more come back.
"""

import math
import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Final

from realtime.errors import ConfigError
from realtime.source.simulated_site import (
    HABITS,
    KINDS,
    USERS,
    Array,
    Job,
    Node,
    Pool,
    Queue,
    Row,
    kinds_of,
    load_at,
)

NAME_LENGTH: Final = 15
"""`pbsnodes -aSj` cuts names to this, and two nodes of one name would be one series."""

TURNOVER: Final = 0.5
"""Nodes on which a job ends, by pace and node with jobs. As many start: about `pace` change."""

PATIENCE: Final = 2.0
"""Waiting jobs a node, at which no more are sent; each queue has its share. The captures have 0.6 to 2.3."""

HELD: Final = 0.08
"""Of the jobs sent, those that are held at first."""

OUT: Final = 0.05
"""Of the nodes, those that are out in the long run. In the real trace 2 % are down and 2 to 4 % offline."""

COMING_AND_GOING: Final = 0.03
"""Of the nodes that change, those that go out or come back."""

LOOK: Final = 12
"""Nodes that are looked at for the one that fits best. Looking at all would cost a large cluster its tick."""


class SimulatedPBS:
    """The cluster as PBS has it.

    `letters` counts the rows of `qstat -t` by state, `users` the running ones by user, `states` the nodes by
    state; `occupied` nodes have jobs. Raises ConfigError for what PBS could not show.
    """

    def __init__(self, nodes: int, *, prefix: str, pace: float, rng: Random) -> None:
        digits = max(2, len(str(nodes)))
        if nodes < 1:
            raise ConfigError(f"nodes: given {nodes}; allowed: 1 and more")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", prefix) or len(prefix) + 1 + digits > NAME_LENGTH:
            allowed = f"a letter, then letters, digits and dashes, at most {NAME_LENGTH - 1 - digits}"
            raise ConfigError(f"prefix: given {prefix!r}; allowed: {allowed}")
        if not 0 < pace <= 1:
            raise ConfigError(f"pace: given {pace}; allowed: above 0 to 1")
        self.pace = pace
        self._rng = rng
        self.nodes = [Node(i, f"{prefix}-{i + 1:0{digits}}", kind) for i, kind in enumerate(kinds_of(nodes))]
        self._named = {node.name: node for node in self.nodes}
        self.queues = [Queue(habit, math.ceil(habit.share * nodes * PATIENCE) + 2) for habit in HABITS]
        self._queue_odds = list(accumulate(habit.share for habit in HABITS))
        self._people = rng.sample(USERS, len(USERS))  # the n-th sends 1/n of what the first does: a long tail
        self._people_odds = list(accumulate(1 / (1 + place) for place in range(len(USERS))))

        self.letters: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.states: Counter[str] = Counter(free=nodes)
        self.total_cpus = self.free_cpus = sum(node.kind.cpus for node in self.nodes)
        self.total_gpus = self.free_gpus = sum(node.kind.gpus for node in self.nodes)
        self.total_memory_gib = self.free_memory_gib = sum(node.printed_memory_gib for node in self.nodes)
        self.occupied = 0

        self._idle = {kind: Pool[Node]() for kind in KINDS}
        self._open = {kind: Pool[Node]() for kind in KINDS}
        self._out = Pool[Node]()
        self._running = Pool[Job]()
        self._held = Pool[Job]()
        self._exiting: list[Job] = []
        self._touched: dict[Node, None] = {}
        self._watchers: list[set[int]] = []
        # What is due is a fraction at most ticks, and adds up. A wide job is more than was due; then less is.
        self._due_sent = self._due_released = self._due_started = self._due_ended = 0.0
        self._due_gone = self._due_back = 0.0
        self._mood = 0.0
        for node in self.nodes:
            self._repool(node)
        self._fill()

    def watch(self) -> set[int]:
        """A set to which nodes' indices are added as they change; at first, all. The caller empties it."""
        watcher = set(range(len(self.nodes)))
        self._watchers.append(watcher)
        return watcher

    # -- what an operator does; a name that is not there is a KeyError

    def fail(self, name: str) -> None:
        """The node's MoM falls silent: its jobs end everywhere, and half of them wait again."""
        self._fail(self._named[name])
        self._settle()

    def drain(self, name: str) -> None:
        """The node takes no more jobs; those that run on it go on."""
        self._trouble(self._named[name], "offline")
        self._settle()

    def restore(self, name: str) -> None:
        """The node takes jobs again."""
        self._trouble(self._named[name], "")
        self._settle()

    # -- what time does

    def advance(self, at_ms: int, pace: float | None = None) -> None:
        """One tick, in which about `pace` of the nodes change, and at least one number does."""
        pace = self.pace if pace is None else pace
        turnover = TURNOVER * pace
        before = self.letters.copy()
        exiting, self._exiting = self._exiting, []
        for job in exiting:
            self._vacate(job)
            self._forget(job)
        self._come_and_go(pace)
        self._mood += 0.015 * self._rng.gauss(0, 1) - 0.05 * self._mood
        zeal = 1 + 6 * (load_at(at_ms) + self._mood - self._seen())
        wanted = turnover * len(self.nodes) * min(3.0, max(0.1, zeal))
        self._submit(wanted)
        self._release(pace)
        # Starts come before ends: room that was freed is seen free for a tick, as by a scheduler that runs
        # now and then.
        self._start(1.5 * max(wanted, turnover * len(self.nodes)), pace)
        self._end(turnover * self.occupied)
        if not self._settle() and self.letters == before:
            self._fidget()

    def _fill(self) -> None:
        """Begin in the middle of a working day, not with an empty cluster."""
        for _ in range(round(OUT * len(self.nodes))):
            self._go_out()
        for _ in range(100):
            if self.free_cpus < 0.25 * self.total_cpus:
                break
            self._submit(1 + len(self.nodes) / 10)
            self._start(len(self.nodes), self.pace)
            self._settle()

    def _seen(self) -> float:
        """How full the cluster looks to its users: what is used, and who waits for it."""
        waiting = sum(len(queue.line) for queue in self.queues)
        return 1 - self.free_cpus / self.total_cpus + 0.15 * waiting / len(self.nodes)

    def _submit(self, due: float) -> None:
        self._due_sent = max(self._due_sent, -5 * due) + due  # or a large array would silence everyone
        while self._due_sent >= 1:
            queue = self.queues[bisect(self._queue_odds, self._rng.random() * self._queue_odds[-1])]
            self._due_sent -= self._send(queue) if len(queue.line) < queue.limit else 1

    def _send(self, queue: Queue) -> int:
        """Someone sends a job or an array to a queue. On how many nodes it will run in all."""
        rng, habit = self._rng, queue.habit
        user = self._people[bisect(self._people_odds, rng.random() * self._people_odds[-1])]
        request = habit.requests[int(rng.random() * len(habit.requests))]
        width = min(habit.widths[int(rng.random() * len(habit.widths))], max(1, len(self.nodes) // 6))
        exclusive = rng.random() < habit.exclusive
        array = Array(queue, user, 3 + int(rng.random() * 10)) if rng.random() < habit.arrays else None
        if array:
            self._turn(array, "Q")
        jobs = array.left if array else 1
        for _ in range(jobs):
            job = Job(queue, user, array, request, width, exclusive=exclusive)
            if array is None and rng.random() < HELD:
                self._hold(job)
            else:
                self._queue(job)
        return jobs * width

    def _release(self, pace: float) -> None:
        """Some of those held may wait now; one in five is deleted instead."""
        self._due_released += pace / 4 * len(self._held.items)
        while self._due_released >= 1 and self._held.items:
            self._due_released -= 1
            job = self._held.pick(self._rng)
            self._held.remove(job)
            if self._rng.random() < 0.2:
                self._forget(job)
            else:
                self._queue(job)

    def _start(self, due: float, pace: float) -> None:
        """Start those at the head of their queue for which there is room; without room, the queue waits."""
        self._due_started = min(self._due_started, 1) + due
        ready = [queue for queue in self.queues if queue.line]
        while self._due_started >= 1 and ready:
            at = int(self._rng.random() * len(ready))
            queue = ready[at]
            job = queue.line[0]
            nodes = self._find(job)
            if nodes:
                queue.line.popleft()
                self._run(job, nodes)
                self._due_started -= job.width
            elif self._rng.random() < pace / 5:  # its owner gives up
                queue.line.popleft()
                self._forget(job)
            if not nodes or not queue.line:
                del ready[at]

    def _end(self, due: float) -> None:
        self._due_ended += due
        while self._due_ended >= 1 and self._running.items:
            job = self._running.pick(self._rng)
            if self._rng.random() * job.queue.habit.length < 0.5:
                self._due_ended -= job.width
                self._finish(job)

    def _come_and_go(self, pace: float) -> None:
        moves = COMING_AND_GOING / 2 * pace * len(self.nodes)
        self._due_gone += moves
        self._due_back += moves * len(self._out.items) / (OUT * len(self.nodes))
        while self._due_gone >= 1:
            self._due_gone -= 1
            self._go_out()
        while self._due_back >= 1 and self._out.items:
            self._due_back -= 1
            self._trouble(self._out.pick(self._rng), "")

    def _go_out(self) -> None:
        """A node is drained, or it fails, or its load is too high, or a reservation begins."""
        node = self.nodes[int(self._rng.random() * len(self.nodes))]
        chance = self._rng.random()
        if node.trouble:
            return
        if chance < 0.3:
            self._fail(node)
        elif chance < 0.45 and node.jobs:
            self._trouble(node, "busy")
        elif chance < 0.55 and not node.jobs:
            self._trouble(node, "resv-exclusive")
        else:
            self._trouble(node, "offline")

    def _fidget(self) -> None:
        """Change a number where nothing happened, as is common with few nodes: a job is held or released."""
        if self._held.items and self._rng.random() < 0.5:
            job = self._held.pick(self._rng)
            self._held.remove(job)
            self._queue(job)
            return
        for queue in self.queues:
            if queue.line and queue.line[-1].array is None:
                self._hold(queue.line.pop())
                return
        self._send(self.queues[0])

    # -- what happens to a job

    def _queue(self, job: Job) -> None:
        self._turn(job, "Q")
        job.queue.line.append(job)

    def _hold(self, job: Job) -> None:
        self._turn(job, "H")
        self._held.add(job)

    def _find(self, job: Job) -> list[Node]:
        """Nodes with room for the job, as many as it wants; none if there are too few."""
        found: list[Node] = []
        for _ in range(job.width):
            node = self._find_one(job, found)
            if node is None:
                return []
            found.append(node)
        return found

    def _find_one(self, job: Job, but: Sequence[Node]) -> Node | None:
        """A node with room: of some that others use, the one that the job fills up best; else an idle one."""
        rng, request = self._rng, job.request
        for kind in KINDS:
            if kind.cpus < request.cpus or kind.gpus < request.gpus or kind.memory_gib < request.memory_gib:
                continue
            used = self._open[kind]
            if used.items and not job.exclusive and request.cpus < kind.cpus:
                few = len(used.items) <= LOOK
                seen = used.items if few else [used.pick(rng) for _ in range(LOOK)]
                fitting = [node for node in seen if node.fits(request) and node not in but]
                if fitting:
                    return min(fitting, key=_room)
            idle = self._idle[kind].items
            first = int(rng.random() * len(idle))
            for i in range(min(len(idle), len(but) + 1)):
                node = idle[(first + i) % len(idle)]
                if node not in but:
                    return node
        return None

    def _run(self, job: Job, nodes: list[Node]) -> None:
        job.nodes = nodes
        for node in nodes:
            node.take(job)
            node.exclusive = job.exclusive
            node.jobs.append(job)
            self._touch(node)
        if job.array:
            self._turn(job.array, "B")
        self._turn(job, "R")
        self._running.add(job)

    def _finish(self, job: Job) -> None:
        """A running job ends. One in four is seen exiting, for a tick, still on its nodes."""
        self._running.remove(job)
        if self._rng.random() < 0.25:
            self._turn(job, "E")
            self._exiting.append(job)
        else:
            self._vacate(job)
            self._forget(job)

    def _vacate(self, job: Job) -> None:
        for node in job.nodes:
            node.take(job, -1)
            node.exclusive = False
            node.jobs.remove(job)
            self._touch(node)
        job.nodes = []

    def _forget(self, job: Job) -> None:
        """A job is no longer PBS's: its row goes; a subjob's stays, expired, until its array has ended."""
        array = job.array
        if array is None:
            self._turn(job, "")
            return
        self._turn(job, "X")
        array.expired.append(job)
        array.left -= 1
        self._turn(array, "B")
        if not array.left:
            for row in (*array.expired, array):
                self._turn(row, "")

    # -- what happens to a node

    def _fail(self, node: Node) -> None:
        for job in list(node.jobs):
            self._vacate(job)
            if job.letter == "E":
                self._exiting.remove(job)
                self._forget(job)
                continue
            self._running.remove(job)
            if self._rng.random() < 0.5:
                self._forget(job)
            else:
                self._turn(job, "Q")
                job.queue.line.appendleft(job)
        self._trouble(node, "down")

    def _trouble(self, node: Node, trouble: str) -> None:
        if not (
            trouble == "offline" and node.trouble == "down"
        ):  # a node may be both; PBS prints `down` first
            node.trouble = trouble
        self._touch(node)

    def _touch(self, node: Node) -> None:
        self._touched[node] = None
        self._repool(node)

    def _repool(self, node: Node) -> None:
        """Put a node where the scheduler looks for it."""
        pool: Pool[Node] | None
        if node.trouble:
            pool = self._out
        elif not node.jobs:
            pool = self._idle[node.kind]
        elif node.exclusive or not node.free_cpus:
            pool = None
        else:
            pool = self._open[node.kind]
        if pool is not node.pool:
            if node.pool:
                node.pool.remove(node)
            if pool:
                pool.add(node)
            node.pool = pool

    # -- counting

    def _turn(self, row: Row, letter: str) -> None:
        """Give a row of `qstat -t` another state; every count of jobs changes here and nowhere else."""
        queue = row.queue
        for state, step in ((row.letter, -1), (letter, 1)):
            if not state:
                continue
            self.letters[state] += step
            queue.rows += step
            if state == "R":
                queue.running += step
                self.users[row.user] += step
            elif state in "QH" and row.array is None:  # `qstat -q` counts an array, not its subjobs
                queue.waiting += step
        row.letter = letter

    def _settle(self) -> int:
        """Count those nodes anew that were touched. How many of them show something else than before."""
        changed = 0
        for node in self._touched:
            was, now = node.shown, node.row()
            if now == was:
                continue
            changed += 1
            node.shown = now
            self.states[was.state] -= 1
            self.states[now.state] += 1
            self.free_cpus += now.free_cpus - was.free_cpus
            self.free_gpus += now.free_gpus - was.free_gpus
            self.free_memory_gib += now.free_memory_gib - was.free_memory_gib
            self.occupied += bool(now.jobs) - bool(was.jobs)
            for watcher in self._watchers:
                watcher.add(node.index)
        self._touched.clear()
        return changed


def _room(node: Node) -> int:
    return node.free_cpus
