"""The simulated site: what its nodes have, what its users send, and the rows that PBS keeps of it all.

Sizes, queues and users are those of the captured cluster (`tests/data/metrics`), so that a demo looks like
the real thing.
"""

import math
from collections import deque
from random import Random
from typing import Final, Generic, NamedTuple, Protocol, TypeVar


class Kind(NamedTuple):
    """What a node has."""

    cpus: int
    gpus: int
    memory_gib: int


# 2015 GiB is what PBS finds on a node with 2 TiB; it prints 2tb, as the captures do.
STANDARD: Final = Kind(112, 8, 2015)
SMALL: Final = Kind(64, 4, 503)
CPU_ONLY: Final = Kind(112, 0, 1007)
KINDS: Final = (CPU_ONLY, SMALL, STANDARD)
"""In the order in which a job tries them: it takes no GPU that it does not need."""


def kinds_of(nodes: int) -> list[Kind]:
    """The kinds of so many nodes: standard, but one in twenty is smaller and one in twelve has no GPUs."""
    small, cpu_only = nodes // 20, nodes // 12
    return [STANDARD] * (nodes - small - cpu_only) + [SMALL] * small + [CPU_ONLY] * cpu_only


class Request(NamedTuple):
    """What a job wants of each of its nodes."""

    cpus: int
    gpus: int
    memory_gib: int


class Habit(NamedTuple):
    """What a queue's users send: how often, on how many nodes, how much on each, how long beside others."""

    queue: str
    share: float
    widths: tuple[int, ...]
    requests: tuple[Request, ...]
    length: float = 1.0
    arrays: float = 0.0
    exclusive: float = 0.0


# The exporter has these nine queues compiled in; it would show no other. Requests are like those of the
# captured nodes.
HABITS: Final = (
    Habit("AISG_debug", 0.06, (1, 2), (Request(14, 1, 120), Request(28, 2, 240)), length=0.5),
    Habit("AISG_guest", 0.10, (1,), (Request(16, 1, 100), Request(28, 2, 200), Request(42, 3, 280))),
    Habit(
        "AISG_large",
        0.06,
        (1, 1, 2, 4),
        (Request(112, 8, 1600), Request(64, 8, 1920)),
        length=2.5,
        exclusive=0.3,
    ),
    Habit(
        "interactive", 0.22, (1,), (Request(8, 0, 32), Request(12, 1, 64), Request(20, 1, 120)), length=0.7
    ),
    Habit("large", 0.01, (16,), (Request(112, 8, 1600),), length=2.0),
    Habit("long", 0.09, (1,), (Request(28, 2, 240), Request(32, 2, 320), Request(56, 4, 600)), length=3.0),
    Habit("medium", 0.16, (1, 1, 1, 2, 4), (Request(56, 4, 480), Request(112, 8, 1200), Request(48, 0, 200))),
    Habit(
        "small",
        0.26,
        (1,),
        (Request(8, 0, 40), Request(14, 1, 80), Request(28, 2, 160)),
        length=0.8,
        arrays=0.08,
    ),
    Habit("special", 0.04, (1,), (Request(48, 4, 480), Request(20, 1, 80)), length=2.0),
)

USERS: Final = (
    "ai_chen", "ai_kumar", "ai_lim", "ai_nguyen", "ai_tan", "chmwy", "e0152451", "e0162489", "e0166653",
    "e0282323", "e0296493", "e0314947", "e0333478", "e0392632", "e0558517", "e0613575", "e0676778",
    "e0984834", "e1338352", "phyzx", "stu_long_username", "svc-bench",
)  # fmt: skip
"""One of them has a name that `qstat` cuts."""


def load_at(at_ms: int) -> float:
    """How much of the cluster its users want: most on working afternoons (UTC), least in weekend nights."""
    days = at_ms / 86_400_000
    weekend = (days + 3) % 7 >= 5  # the epoch was a Thursday
    return 0.90 - 0.07 * weekend + 0.14 * math.sin(math.tau * (days - 0.4))


def printed_gib(gib: int) -> int:
    """GiB as `pbsnodes -aSj` rounds them and the exporter takes them: whole gb to 999, whole tb above."""
    return gib if gib <= 999 else (gib + 512) // 1024 * 1024


class Slotted(Protocol):
    """What a pool holds knows its place in it, so it can be in one pool at a time."""

    slot: int


T = TypeVar("T", bound=Slotted)


class Pool(Generic[T]):
    """A bag: add, remove and pick at random in constant time. It has an order for a seed; a set has none."""

    def __init__(self) -> None:
        self.items: list[T] = []

    def add(self, item: T) -> None:
        item.slot = len(self.items)
        self.items.append(item)

    def remove(self, item: T) -> None:
        last = self.items.pop()
        if last is not item:
            last.slot = item.slot
            self.items[item.slot] = last

    def pick(self, rng: Random) -> T:
        return self.items[int(rng.random() * len(self.items))]


class Queue:
    """A queue: who is in line, its `rows` in `qstat -t`, those `running`, and its Que in `qstat -q`."""

    def __init__(self, habit: Habit, limit: int) -> None:
        self.habit = habit
        self.name = habit.queue
        self.limit = limit
        self.line: deque[Job] = deque()
        self.rows = 0
        self.running = 0
        self.waiting = 0


class Row:
    """A row of `qstat -t`, with its state's letter; empty if it is not there."""

    __slots__ = ("array", "letter", "queue", "slot", "user")

    def __init__(self, queue: Queue, user: str, array: "Array | None" = None) -> None:
        self.queue = queue
        self.user = user
        self.array = array
        self.letter = ""
        self.slot = -1


class Array(Row):
    """A job array: its subjobs are rows of their own and stay as X until all (`left` counts) have ended."""

    __slots__ = ("expired", "left")

    def __init__(self, queue: Queue, user: str, size: int) -> None:
        super().__init__(queue, user)
        self.left = size
        self.expired: list[Row] = []


class Job(Row):
    """A job or subjob: what it wants, of how many nodes, and those that it runs on."""

    __slots__ = ("exclusive", "nodes", "request", "width")

    def __init__(
        self, queue: Queue, user: str, array: Array | None, request: Request, width: int, *, exclusive: bool
    ) -> None:
        super().__init__(queue, user, array)
        self.request = request
        self.width = width
        self.exclusive = exclusive
        self.nodes: list[Node] = []


class Shown(NamedTuple):
    """A node's row of `pbsnodes -aSj`, as far as the exporter reads it."""

    state: str
    jobs: int
    free_cpus: int
    free_gpus: int
    free_memory_gib: int


class Node:
    """A node: what is free, who runs, and its trouble, if any: down, offline, busy, resv-exclusive."""

    def __init__(self, index: int, name: str, kind: Kind) -> None:
        self.index = index
        self.name = name
        self.kind = kind
        self.free_cpus, self.free_gpus, self.free_memory_gib = kind
        self.printed_memory_gib = printed_gib(kind.memory_gib)
        self.jobs: list[Job] = []
        self.exclusive = False
        self.trouble = ""
        self.pool: Pool[Node] | None = None
        self.slot = -1
        self.shown = self.row()

    @property
    def state(self) -> str:
        """The first of the node's states in PBS's order, which is all that `pbsnodes -aSj` prints."""
        if self.trouble in ("down", "offline"):
            return self.trouble
        if self.exclusive:
            return "job-exclusive"
        if not self.free_cpus:
            return "job-busy"
        return self.trouble or "free"

    def row(self) -> Shown:
        """What `pbsnodes -aSj` prints now; `shown` is what it printed last."""
        memory_gib = printed_gib(self.free_memory_gib)
        return Shown(self.state, len(self.jobs), self.free_cpus, self.free_gpus, memory_gib)

    def fits(self, request: Request) -> bool:
        """Whether the request has room beside the node's jobs."""
        cpus, gpus, memory_gib = request
        return self.free_cpus >= cpus and self.free_gpus >= gpus and self.free_memory_gib >= memory_gib

    def take(self, job: Job, sign: int = 1) -> None:
        """Take a job's resources, or give them back with a sign of -1."""
        cpus, gpus, memory_gib = job.request
        self.free_cpus -= sign * cpus
        self.free_gpus -= sign * gpus
        self.free_memory_gib -= sign * memory_gib
