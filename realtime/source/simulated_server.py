"""The simulated PBS server: its nodes, its queues, the rows of its jobs, and the counts of them all.

Everything is counted as it changes: a tick costs what changes, not what there is.
"""

import math
import re
from collections import Counter
from random import Random
from typing import Final

from realtime.errors import ConfigError
from realtime.source.simulated_placement import Placement
from realtime.source.simulated_site import HABITS, Job, Node, Pool, Queue, Row, kinds_of

NAME_LENGTH: Final = 15
"""`pbsnodes -aSj` cuts names to this, and two nodes of one name would be one series."""

PATIENCE: Final = 2.0
"""Waiting jobs a node, at which no more are sent; each queue has its share. The captures have 0.6 to 2.3."""


class Server:
    """What is there, and what may happen to it.

    `letters` counts the rows of `qstat -t` by state, `users` the running ones by user, `states` the nodes by
    state; `occupied` nodes have jobs. Raises ConfigError for what PBS could not show.
    """

    def __init__(self, nodes: int, *, prefix: str, rng: Random) -> None:
        digits = max(2, len(str(nodes)))
        if nodes < 1:
            raise ConfigError(f"nodes: given {nodes}; allowed: 1 and more")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", prefix) or len(prefix) + 1 + digits > NAME_LENGTH:
            allowed = f"a letter, then letters, digits and dashes, at most {NAME_LENGTH - 1 - digits}"
            raise ConfigError(f"prefix: given {prefix!r}; allowed: {allowed}")
        self._rng = rng
        self.nodes = [Node(i, f"{prefix}-{i + 1:0{digits}}", kind) for i, kind in enumerate(kinds_of(nodes))]
        self._named = {node.name: node for node in self.nodes}
        self.queues = [Queue(habit, math.ceil(habit.share * nodes * PATIENCE) + 2) for habit in HABITS]

        self.letters: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.states: Counter[str] = Counter(free=nodes)
        self.total_cpus = self.free_cpus = sum(node.kind.cpus for node in self.nodes)
        self.total_gpus = self.free_gpus = sum(node.kind.gpus for node in self.nodes)
        self.total_memory_gib = self.free_memory_gib = sum(node.printed_memory_gib for node in self.nodes)
        self.occupied = 0

        self._placement = Placement(self.nodes, rng=rng)
        self._running = Pool[Job]()
        self._held = Pool[Job]()
        self._exiting: list[Job] = []
        self._touched: dict[Node, None] = {}
        self._watchers: list[set[int]] = []

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

    # -- what happens to a job

    def _queue(self, job: Job) -> None:
        self._turn(job, "Q")
        job.queue.line.append(job)

    def _hold(self, job: Job) -> None:
        self._turn(job, "H")
        self._held.add(job)

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
        self._placement.put(node)

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
