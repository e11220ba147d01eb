"""The fields of each topic's entities, with their types and units. Nothing that makes or sends an entity reads these: the server's own documents
are made of them (`web/openapi.py`, `web/asyncapi.py`), and tests check every body and message against them.

A field that may be unknown is NotRequired: absent, never null, never a zero that nobody told.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

Topic = Literal["summary", "nodes", "queues", "users", "trend", "source", "events"]
NodeState = Literal["free", "busy", "offline", "down", "unknown"]


class NodeCounts(TypedDict, total=False):
    """Nodes by state. Empty while there is none."""

    total: int
    free: int
    busy: int
    offline: int
    down: int
    unknown: int
    usable: int
    """The free and the busy ones."""
    idle: int
    mixed: int
    full: int
    draining: int
    drainingJobs: int
    """Jobs on nodes that are draining."""
    inferred: int
    """How many have `stateInferred`; absent if none."""
    reportedFree: int
    """What the exporter counted itself, as the three below."""
    reportedBusy: int
    reportedOffline: int
    reportedDown: int


class JobCounts(TypedDict, total=False):
    """Jobs by PBS state."""

    running: int
    queued: int
    held: int
    total: int
    """Running, queued and held."""
    exiting: int
    begunArrays: int
    suspended: int
    userSuspended: int
    waiting: int
    inTransit: int
    moved: int
    expired: int
    reported: int
    """All that the exporter counted, array parents and expired subjobs too."""
    pressure: float
    """Queued jobs for each running one."""
    heldShare: float
    """Percent of `total`."""


class Usage(TypedDict, total=False):
    """What is installed and in use of one resource; memory in GiB."""

    total: float
    used: float
    free: float
    """On usable nodes."""
    utilization: float
    """Percent of what is installed."""
    usableTotal: float
    """Installed on usable nodes."""
    usableUtilization: float
    """Percent of what is installed on usable nodes."""


class GpuUsage(Usage, total=False):
    """As of the other resources, and where the free GPUs are."""

    largestFree: int
    """The most GPUs that a job can have on one node."""
    freeHistogram: list[int]
    """At place n: usable GPU nodes where a job can have n GPUs; at the last place those with more, too."""
    stranded: int
    """Unused GPUs on usable nodes that no job can have."""
    outOfService: int
    """Unused GPUs on other nodes."""


class Summary(TypedDict, total=False):
    """The cluster in a few numbers."""

    nodes: NodeCounts
    jobs: JobCounts
    cpus: Usage
    gpus: GpuUsage
    memory: Usage


class Node(TypedDict):
    """One node."""

    id: str
    name: str
    state: NodeState
    stateDetail: NotRequired[str]
    """`idle`, `mixed`, `full`, `overloaded`, `draining`, or PBS's own word where it says more than `state`."""
    stateInferred: NotRequired[Literal[True]]
    """The exporter says down, and this is shown as busy."""
    suspect: NotRequired[Literal[True]]
    """Down, and has jobs: it may be dead, or full."""
    stateSince: NotRequired[int]
    """Epoch ms; absent while it is in the state that this server first saw."""
    jobCount: NotRequired[int]
    totalCpus: NotRequired[int]
    usedCpus: NotRequired[int]
    totalGpus: NotRequired[int]
    usedGpus: NotRequired[int]
    totalMemoryGiB: NotRequired[float]
    usedMemoryGiB: NotRequired[float]
    memoryCoarse: NotRequired[Literal[True]]
    """PBS printed its memory in whole TiB: both numbers may be off by half a TiB."""
    capacityRemembered: NotRequired[Literal[True]]
    """PBS does not tell now what it has; the totals are those that it last told."""


class Queue(TypedDict):
    """One queue."""

    name: str
    runningJobs: NotRequired[int]
    queuedJobs: NotRequired[int]
    """Held and waiting ones included."""
    queuedInferred: NotRequired[Literal[True]]
    """They were counted from the list of jobs."""
    totalJobs: NotRequired[int]


class User(TypedDict):
    """One user who has jobs."""

    name: str
    runningJobs: NotRequired[int]
    queuedJobs: NotRequired[int]


class Point(TypedDict):
    """One minute of the last hours; means of that minute."""

    ts: int
    """The end of the minute, epoch ms."""
    runningJobs: NotRequired[float]
    queuedJobs: NotRequired[float]
    heldJobs: NotRequired[float]
    cpuUtilization: NotRequired[float]
    gpuUtilization: NotRequired[float]
    memoryUtilization: NotRequired[float]
    freeNodes: NotRequired[float]
    busyNodes: NotRequired[float]
    offlineNodes: NotRequired[float]
    downNodes: NotRequired[float]


class Fault(TypedDict):
    """One thing that is wrong."""

    code: str
    detail: str
    """A sentence for people."""


class Exporter(TypedDict, total=False):
    """Who reports, and how it speaks."""

    job: str
    instance: str
    dialect: Literal["exporter", "seed", "fork", "label"]
    """How it encodes node states."""
    decidedBy: Literal["configured", "label", "code", "counts", "names", "assumed"]
    memoryUnit: Literal["GiB", "bytes"]
    main: Literal[True]
    """It is the one that is believed."""
    faults: list[Fault]


_Came = TypedDict("_Came", {"from": NotRequired[str]})


class Event(_Came):
    """What happened; `from` and `to` are node states, or a fault's code."""

    at: int
    """Epoch ms."""
    kind: Literal["node.state", "node.added", "node.removed", "source.fault", "source.ok"]
    key: str
    """The node's name, or the source's key."""
    to: NotRequired[str]
    inferred: NotRequired[Literal[True]]
    """One of the two states is inferred."""


class State(TypedDict, total=False):
    """Topic → key → entity. Every topic of the view is there, if only as `{}`."""

    summary: Summary
    nodes: dict[str, Node]
    queues: dict[str, Queue]
    users: dict[str, User]
    trend: dict[str, Point]
    """By `ts` as text."""
    source: dict[str, Exporter]
    """By job and instance label."""
    events: dict[str, Event]
    """By a number, as text, that only grows."""
