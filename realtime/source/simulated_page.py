"""The simulated exporter's page: names, labels, encodings, order and faults are those of pbs-exporter.

What the exporter gets wrong is wrong here too: whatever is not free, busy or offline is 4 (down), full and
exclusive nodes included; memory is whole tb above 999 gb; `qstatq_total_*` are 0; E is called Error; B and X
rows count as jobs; held jobs are in `qstat_que_by_queue`.
"""

from typing import Final

from realtime.source.simulated_server import Server
from realtime.source.simulated_site import Node

HELP: Final = {
    "pbs_node_count_busy": "Number of nodes in busy state (status=2)",
    "pbs_node_count_down": "Number of nodes in down state (status=4)",
    "pbs_node_count_free": "Number of nodes in free state (status=1)",
    "pbs_node_count_offline": "Number of nodes in offline state (status=3)",
    "pbs_node_cpus_available": "Available CPUs on node",
    "pbs_node_cpus_total": "Total CPUs on node",
    "pbs_node_cpus_used": "Used CPUs on node",
    "pbs_node_gpus_available": "Available GPUs on node",
    "pbs_node_gpus_total": "Total GPUs on node",
    "pbs_node_gpus_used": "Used GPUs on node",
    "pbs_node_jobs": "Number of jobs on node",
    "pbs_node_memory_available_gb": "Available memory on node in GB",
    "pbs_node_memory_total_gb": "Total memory on node in GB",
    "pbs_node_memory_used_gb": "Used memory on node in GB",
    "pbs_node_state": "Node state (1=free, 2=busy, 3=offline, 4=down)",
    "qstat_jobs_by_status": "Number of jobs by status",
    "qstat_jobs_in_queue": "Total number of jobs in each queue",
    "qstat_que_by_queue": "Queued jobs per queue from qstat -q",
    "qstat_running_jobs_by_queue": "Number of running jobs per queue",
    "qstat_running_jobs_by_user": "Number of running jobs per user",
    "qstat_total_all_jobs": "Total number of all jobs",
    "qstat_total_b_jobs": "Total number of Array Job Running (B) jobs",
    "qstat_total_e_jobs": "Total number of Error (E) jobs",
    "qstat_total_f_jobs": "Total number of Finished (F) jobs",
    "qstat_total_h_jobs": "Total number of Hold (H) jobs",
    "qstat_total_q_jobs": "Total number of Queuing (Q) jobs",
    "qstat_total_r_jobs": "Total number of Running (R) jobs",
    "qstat_total_running_jobs": "Total number of running jobs",
    "qstatq_total_queued": "Total queued jobs from qstat -q summary",
    "qstatq_total_running": "Total running jobs from qstat -q summary",
}
"""Every metric and what the exporter says of it, in its order. All are gauges."""

NODE_METRICS: Final = tuple(name for name in HELP if name.startswith("pbs_node_") and "_count_" not in name)

STATE_CODES: Final = {"free": 1, "busy": 2, "offline": 3}
DOWN_CODE: Final = 4

STATUSES: Final = {
    "B": "ArrayJobRunning", "E": "Error", "F": "Finished", "H": "Hold", "Q": "Queuing", "R": "Running"
}  # fmt: skip
"""Labels of `qstat_jobs_by_status`; any other state's is its letter."""

USER_LENGTH: Final = 16
"""Users' names are cut to this."""


class Page:
    """The exposition in one form: with a scrape's labels or without. Nodes' lines are written again only
    when they change.
    """

    def __init__(self, server: Server, labels: str) -> None:
        self._server = server
        self._labels = labels
        self._stale = server.watch()
        self._lines = {name: [b""] * len(server.nodes) for name in NODE_METRICS}

    def render(self, end: bytes) -> bytes:
        """The text; `end` is what follows a value."""
        columns = tuple(self._lines.items())
        for index in self._stale:
            node = self._server.nodes[index]
            labels = self._braced(f'node="{node.name}"')
            for (name, lines), number in zip(columns, node_numbers(node), strict=True):
                lines[index] = f"{name}{labels} {number}".encode()
        self._stale.clear()
        lines_of = self._lines | {
            name: [f"{name}{self._braced(label)} {number}".encode() for label, number in series]
            for name, series in cluster_numbers(self._server).items()
        }
        parts: list[bytes] = []
        for name, text in HELP.items():
            if lines := lines_of[name]:  # a vector without a series is not even announced
                parts += (f"# HELP {name} {text}\n# TYPE {name} gauge\n".encode(), end.join(lines), end)
        return b"".join(parts)

    def _braced(self, label: str) -> str:
        labels = ",".join(filter(None, (self._labels, label)))
        return f"{{{labels}}}" if labels else ""


def node_numbers(node: Node) -> tuple[int, ...]:
    """A node's numbers, in the order of NODE_METRICS."""
    shown, (cpus, gpus, _) = node.shown, node.kind
    return (
        shown.free_cpus,
        cpus,
        cpus - shown.free_cpus,
        shown.free_gpus,
        gpus,
        gpus - shown.free_gpus,
        shown.jobs,
        shown.free_memory_gib,
        node.printed_memory_gib,
        node.printed_memory_gib - shown.free_memory_gib,
        STATE_CODES.get(shown.state, DOWN_CODE),
    )


def cluster_numbers(server: Server) -> dict[str, list[tuple[str, int]]]:
    """All other metrics: their series as label and number, sorted by label as the exporter's library does."""
    letters = server.letters
    nodes = {state: server.states[state] for state in STATE_CODES}
    nodes["down"] = server.states.total() - sum(nodes.values())
    totals = {f"qstat_total_{letter.lower()}_jobs": letters[letter] for letter in STATUSES}
    statuses = {STATUSES.get(letter, letter): count for letter, count in letters.items() if count}
    users = {user[:USER_LENGTH]: count for user, count in server.users.items() if count}
    return {
        **{f"pbs_node_count_{state}": [("", count)] for state, count in nodes.items()},
        **{name: [("", count)] for name, count in totals.items()},
        "qstat_total_all_jobs": [("", letters.total())],
        "qstat_total_running_jobs": [("", letters["R"])],
        "qstatq_total_queued": [("", 0)],
        "qstatq_total_running": [("", 0)],
        "qstat_jobs_by_status": [(f'status="{status}"', statuses[status]) for status in sorted(statuses)],
        "qstat_jobs_in_queue": [(f'queue="{queue.name}"', queue.rows) for queue in server.queues],
        "qstat_que_by_queue": [(f'queue="{queue.name}"', queue.waiting) for queue in server.queues],
        "qstat_running_jobs_by_queue": [(f'queue="{queue.name}"', queue.running) for queue in server.queues],
        "qstat_running_jobs_by_user": [(f'user="{user}"', users[user]) for user in sorted(users)],
    }
