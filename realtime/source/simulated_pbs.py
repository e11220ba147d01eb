"""A simulated PBS: jobs are submitted, wait, run and end on nodes that drain, fail and come back.

Time and chance enter as arguments, so one seed tells one story.

It stays within bounds for as long as it runs, by laws that real clusters have too: users send less when they
see a long queue, and give up when they wait in vain; the more nodes have jobs, the more jobs end; the more
nodes are out, the more come back.
"""

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Final

from realtime.errors import ConfigError
from realtime.source.simulated_server import Server
from realtime.source.simulated_site import HABITS, USERS, Array, Job, Queue, load_at

TURNOVER: Final = 0.5
"""Nodes on which a job ends, by pace and node with jobs. As many start: about `pace` change."""

HELD: Final = 0.08
"""Of the jobs sent, those that are held at first."""

OUT: Final = 0.05
"""Of the nodes, those that are out in the long run. In the real trace 2 % are down and 2 to 4 % offline."""

COMING_AND_GOING: Final = 0.03
"""Of the nodes that change, those that go out or come back."""


class SimulatedPBS(Server):
    """A PBS server on which time acts. `pace` is the share of the nodes that change at a tick."""

    def __init__(self, nodes: int, *, prefix: str, pace: float, rng: Random) -> None:
        super().__init__(nodes, prefix=prefix, rng=rng)
        if not 0 < pace <= 1:
            raise ConfigError(f"pace: given {pace}; allowed: above 0 to 1")
        self.pace = pace
        self._queue_odds = list(accumulate(habit.share for habit in HABITS))
        self._people = rng.sample(USERS, len(USERS))  # the n-th sends 1/n of what the first does: a long tail
        self._people_odds = list(accumulate(1 / (1 + place) for place in range(len(USERS))))
        # What is due is a fraction at most ticks, and adds up. A wide job is more than was due; then less is.
        self._due_sent = self._due_released = self._due_started = self._due_ended = 0.0
        self._due_gone = self._due_back = 0.0
        self._mood = 0.0
        self._fill()

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
            nodes = self._placement.find(job)
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
        self._due_back += moves * len(self._placement.out.items) / (OUT * len(self.nodes))
        while self._due_gone >= 1:
            self._due_gone -= 1
            self._go_out()
        while self._due_back >= 1 and self._placement.out.items:
            self._due_back -= 1
            self._trouble(self._placement.out.pick(self._rng), "")

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
