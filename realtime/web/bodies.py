"""The bodies of REST, as types. `shapes.py` and the handlers make them; the document that the server gives of itself is made of them, and
tests hold every answer to them.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from realtime.state.entities import Fault, Node, Queue, State
from realtime.stream.protocol import Quality


class JobSummary(TypedDict, total=False):
    """Jobs by state, under the replaced backend's names where it had any."""

    total: int
    running: int
    queued: int
    hold: int
    exiting: int
    begunArrays: int
    suspended: int
    userSuspended: int
    waiting: int
    inTransit: int
    moved: int
    expired: int
    reported: int
    pressure: float
    heldShare: float


class UserJobs(TypedDict):
    """A user and the jobs that run for them."""

    user: str
    count: int


class QueueJobs(TypedDict):
    """A queue and its jobs."""

    queue: str
    count: NotRequired[int]
    running: NotRequired[int]
    queued: NotRequired[int]


class Jobs(TypedDict):
    """How many jobs, of whom, in which queue; the busiest first."""

    summary: JobSummary
    byUser: NotRequired[list[UserJobs]]
    """Absent for callers of the role kiosk."""
    byQueue: list[QueueJobs]


class NodeRow(Node):
    """A node as it is streamed, and what the replaced backend's pages read besides."""

    totalMemory: NotRequired[str]
    """With its unit, as `2048GiB`."""
    usedMemory: NotRequired[str]
    jobs: list[None]
    """As many nulls as it runs jobs: no metric names a job."""
    properties: list[str]
    """Always empty: in no metric."""


class QueueRow(Queue):
    """A queue as it is streamed."""


class Stats(TypedDict, total=False):
    """The cluster in a few numbers; utilization in percent."""

    totalNodes: int
    freeNodes: int
    busyNodes: int
    offlineNodes: int
    unknownNodes: int
    downNodes: int
    """Down and offline ones."""
    reportedFreeNodes: int
    reportedBusyNodes: int
    reportedOfflineNodes: int
    reportedDownNodes: int
    totalJobs: int
    runningJobs: int
    queuedJobs: int
    heldJobs: int
    totalCpus: int
    usedCpus: int
    totalGpus: int
    usedGpus: int
    cpuUtilization: float
    gpuUtilization: float
    memoryUtilization: float


class Row(TypedDict):
    """One step of a history; its numbers are means over the step, and null where nothing is known."""

    timestamp: str
    """The end of the step, ISO 8601, UTC."""
    ts: int
    """The same, epoch ms."""


class JobHistory(Row):
    """Jobs over one step."""

    runningJobs: float | None
    queuedJobs: float | None
    heldJobs: float | None
    totalJobs: float | None
    completedJobs: None
    """In no metric."""
    failedJobs: None
    """In no metric."""


class ResourceHistory(Row):
    """Utilization over one step, in percent."""

    gpuUtilization: float | None
    cpuUtilization: float | None
    memoryUtilization: float | None
    nodeUtilization: float | None


class ClusterHealth(TypedDict):
    """Whether what is shown of a cluster can be believed."""

    name: str
    quality: Quality
    dataAgeSeconds: NotRequired[float]
    cursor: NotRequired[str]
    dialect: NotRequired[str]
    dialectDecidedBy: NotRequired[str]
    faults: list[Fault]


class Health(TypedDict):
    """Whether what is served can be believed."""

    status: Literal["ok", "degraded", "starting", "down"]
    timestamp: str
    version: str
    clusters: list[ClusterHealth]


class Alive(TypedDict):
    """An answer to a probe."""

    status: Literal["ok"]


class ScreenView(TypedDict):
    """What a screen watches."""

    topics: list[str]
    nodes: list[str]
    """Globs; none: every node."""


class ScreenRow(TypedDict):
    """A reader that named itself, and a cluster that it watches."""

    screen: str
    transport: Literal["websocket", "sse", "longpoll"]
    cluster: NotRequired[str]
    view: NotRequired[ScreenView]
    since: str
    """When it connected, ISO 8601, UTC."""
    unsentBytes: int
    cursor: NotRequired[str]
    behind: NotRequired[int]
    """Revisions by which it lags."""
    quality: NotRequired[Quality]


class ViewState(TypedDict):
    """What a subscriber of the view would hold."""

    cluster: str
    cursor: str
    quality: Quality
    dataAgeMs: NotRequired[int]
    state: State


class Login(TypedDict):
    """Who logged in."""

    role: Literal["viewer", "kiosk", "admin"]
    expiresAt: NotRequired[int]
    """Epoch ms; absent if the token does not expire."""


class Session(Login):
    """As whom one is let in."""

    cookie: bool
    """Whether by the cookie of `POST /api/session`."""


class Ticket(TypedDict):
    """Opens one stream, once and soon."""

    ticket: str
    expiresInSeconds: float


class Problem(TypedDict):
    """RFC 9457, and `error` for clients of the replaced backend."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    """The same sentence."""
    code: NotRequired[str]
    """For programs; docs/protocol.md lists them."""
