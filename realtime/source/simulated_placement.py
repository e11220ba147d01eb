"""The placing of jobs on nodes: where the scheduler looks, and what it takes.

A job gets all the nodes that it wants or none. Chance enters as an argument, and no choice costs more in a
large cluster than in a small one.
"""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from realtime.source.simulated_site import KINDS, Job, Node, Pool

LOOK: Final = 12
"""Nodes that are looked at for the one that fits best. Looking at all would cost a large cluster its tick."""


class Placement:
    """The nodes by what they can take: `idle` ones anything, `open` ones what fits beside others, those
    that are `out` nothing; nor can full and exclusive ones, which are in none of the three.
    """

    def __init__(self, nodes: Iterable[Node], *, rng: Random) -> None:
        self._rng = rng
        self.idle = {kind: Pool[Node]() for kind in KINDS}
        self.open = {kind: Pool[Node]() for kind in KINDS}
        self.out = Pool[Node]()
        for node in nodes:
            self.put(node)

    def put(self, node: Node) -> None:
        """Put a node where it is looked for, after any change of its jobs or its trouble."""
        pool: Pool[Node] | None
        if node.trouble:
            pool = self.out
        elif not node.jobs:
            pool = self.idle[node.kind]
        elif node.exclusive or not node.free_cpus:
            pool = None
        else:
            pool = self.open[node.kind]
        if pool is not node.pool:
            if node.pool:
                node.pool.remove(node)
            if pool:
                pool.add(node)
            node.pool = pool

    def find(self, job: Job) -> list[Node]:
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
            used = self.open[kind]
            if used.items and not job.exclusive and request.cpus < kind.cpus:
                few = len(used.items) <= LOOK
                seen = used.items if few else [used.pick(rng) for _ in range(LOOK)]
                fitting = [node for node in seen if node.fits(request) and node not in but]
                if fitting:
                    return min(fitting, key=_room)
            idle = self.idle[kind].items
            first = int(rng.random() * len(idle))
            for i in range(min(len(idle), len(but) + 1)):
                node = idle[(first + i) % len(idle)]
                if node not in but:
                    return node
        return None


def _room(node: Node) -> int:
    return node.free_cpus
