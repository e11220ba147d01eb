"""Which metric says what: the names of every dialect, as data.

The real exporter's names and the seed's both stand here (the seed's `pbs_node_mem_*` were never emitted by any released exporter, but
sites wrote recording rules after its README). Where a source has two names for one field, the first one listed wins.

Sources: pbs-exporter's registry.go at fe22af3 and its real output in tests/data/metrics; the seed's README; the rewrite
matzmz/pbs-prometheus-exporter for the `_bytes` names, the label form and queued jobs by user.
"""

from typing import Final, NamedTuple


class Meaning(NamedTuple):
    """What one metric tells: a field of one entity of a family, or of the whole cluster."""

    family: str
    """`node`, `queue`, `user`, `status` (jobs by their state), or `total`."""
    label: str
    """The label that names the entity; empty for totals."""


Fields = dict[str, tuple[str, ...]]
"""Field of an entity → the metrics that tell it."""

NODE_STATE: Final = ("pbs_node_state",)

NODE_COUNTS: Final[Fields] = {
    "totalCpus": ("pbs_node_cpus_total",),
    "usedCpus": ("pbs_node_cpus_used",),
    "totalGpus": ("pbs_node_gpus_total",),
    "usedGpus": ("pbs_node_gpus_used",),
    "jobCount": ("pbs_node_jobs",),
}

NODE_MEMORY: Final[Fields] = {
    "totalMemoryGiB": ("pbs_node_memory_total_gb", "pbs_node_memory_total_bytes", "pbs_node_mem_total"),
    "usedMemoryGiB": ("pbs_node_memory_used_gb", "pbs_node_memory_used_bytes", "pbs_node_mem_used"),
}

REPORTED_NODES: Final[Fields] = {
    "free": ("pbs_node_count_free",),
    "busy": ("pbs_node_count_busy",),
    "offline": ("pbs_node_count_offline",),
    "down": ("pbs_node_count_down",),
}

JOB_TOTALS: Final[Fields] = {
    "running": ("qstat_total_r_jobs", "qstat_total_running_jobs"),
    "queued": ("qstat_total_q_jobs",),
    "held": ("qstat_total_h_jobs",),
    "exiting": ("qstat_total_e_jobs",),
    "begunArrays": ("qstat_total_b_jobs",),
    "reported": ("qstat_total_all_jobs",),
}
"""`exiting` is what the exporter calls Error: PBS's letter E means Exiting (job.h). `reported` counts array parents and expired
subjobs too, so it is not the sum of the others. F is left out: `qstat -t` never lists finished jobs without -x."""

QUEUE_COUNTS: Final[Fields] = {
    "runningJobs": ("qstat_running_jobs_by_queue",),
    "queuedJobs": ("qstat_que_by_queue", "qstat_queued_jobs_by_queue"),
    "listedJobs": ("qstat_jobs_in_queue",),
}

USER_COUNTS: Final[Fields] = {
    "runningJobs": ("qstat_running_jobs_by_user",),
    "queuedJobs": ("qstat_queued_jobs_by_user",),
}

JOB_STATUS: Final = "qstat_jobs_by_status"

STATUS_WORDS: Final = {
    "Running": "running",
    "R": "running",
    "Queuing": "queued",
    "Q": "queued",
    "Hold": "held",
    "H": "held",
    "Error": "exiting",
    "E": "exiting",
    "ArrayJobRunning": "begunArrays",
    "B": "begunArrays",
    "S": "suspended",
    "U": "userSuspended",
    "W": "waiting",
    "T": "inTransit",
    "M": "moved",
    "X": "expired",
}
"""The exporter's words, and PBS's letters where it has no word (job.h:834)."""

STATE_LABELS: Final = ("state", "NodeState")
"""Labels of `pbs_node_state` in the form where the state is a label and the value is 1."""


def _meanings() -> dict[str, Meaning]:
    table = {name: Meaning("node", "node") for name in NODE_STATE}
    families = (
        ("node", "node", NODE_COUNTS),
        ("node", "node", NODE_MEMORY),
        ("total", "", REPORTED_NODES),
        ("total", "", JOB_TOTALS),
        ("queue", "queue", QUEUE_COUNTS),
        ("user", "user", USER_COUNTS),
    )
    for family, label, fields in families:
        for names in fields.values():
            table.update(dict.fromkeys(names, Meaning(family, label)))
    table[JOB_STATUS] = Meaning("status", "status")
    return table


MEANINGS: Final = _meanings()
"""Metric name (without a site's prefix) → what it tells."""


def first(reading: dict[str, float], names: tuple[str, ...]) -> float | None:
    """The reading under the first of the names that the source has; None if it has none of them."""
    for name in names:
        if name in reading:
            return reading[name]
    return None
