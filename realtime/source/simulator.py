"""A simulated PBS cluster that speaks pbs-exporter's metrics: names, labels, encodings, order and faults.

A server takes it as its source (`SimulatedSource`), or a real VictoriaMetrics scrapes it
(`simulated_exporter`). What the exporter gets wrong is wrong here too: whatever is not free, busy or offline
is 4 (down), full and exclusive nodes included; memory is whole tb above 999 gb; `qstatq_total_*` are 0; E is
called Error; B and X rows count as jobs; held jobs are in `qstat_que_by_queue`.
"""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from random import Random
from typing import Final

from aiohttp import web

from realtime.source.simulated_pbs import SimulatedPBS
from realtime.source.simulated_site import Node
from realtime.state.grid import Grid

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

SCRAPED: Final = 'instance="simulated:8888",job="pbs-exporter"'
"""The labels that a scrape adds."""

USER_LENGTH: Final = 16
"""Users' names are cut to this."""

DAY_SECONDS: Final = 86_400
KEEP_MINUTES: Final = 31 * 1_440
"""What is remembered: 30 days are the longest time range. 3 MB."""

COARSE_SECONDS: Final = 1_800
FINE_SECONDS: Final = 60
"""Steps of the past, the last for its last day: those of the grids of a week and an hour, whose rows so have
one tick each."""

COARSE_PACE: Final = 0.4
"""Of the nodes change within half an hour: enough for the jobs to follow day and night."""

PAST_CHANGES: Final = 120_000
"""Changes of nodes that the past may cost, at 20 µs each. Large clusters live through theirs more slowly."""


class Past:
    """The headline numbers of the last month: for each minute `(at - 60 s, at]` their sum over its ticks."""

    def __init__(self) -> None:
        self._first = 0
        self._ticks = array("l")
        self._sums: dict[str, array[float]] = {}

    def note(self, at_ms: int, numbers: Mapping[str, float]) -> None:
        """Add a tick's numbers, the same fields each time. What is older than the first tick is not kept."""
        minute = -(-at_ms // 60_000)
        if not self._ticks or minute - self._first - len(self._ticks) > KEEP_MINUTES:
            self._first = minute
            self._ticks = array("l")
            self._sums = {field: array("d") for field in numbers}
        at = minute - self._first
        if at < 0:
            return
        columns: Iterable[array[int] | array[float]] = (self._ticks, *self._sums.values())
        missing = at + 1 - len(self._ticks)
        for column in columns:
            if missing > 0:
                column.frombytes(bytes(missing * column.itemsize))
        self._ticks[at] += 1
        for field, number in numbers.items():
            self._sums[field][at] += number
        if len(self._ticks) > KEEP_MINUTES + 1_440:  # a day at a time, since all that is kept must move
            for column in columns:
                del column[:1_440]
            self._first += 1_440

    def means(self, field: str, grid: Grid) -> list[float | None]:
        """A field's mean over each step, None without a tick. Steps are whole minutes, as all grids' are."""
        sums = self._sums.get(field)
        rows: list[float | None] = []
        for at in grid.instants:
            low = max(0, (at - grid.step_seconds) // 60 + 1 - self._first)
            high = max(0, at // 60 + 1 - self._first)
            ticks = sum(self._ticks[low:high])
            rows.append(sum(sums[low:high]) / ticks if sums and ticks else None)
        return rows


class Page:
    """The exposition in one form: with a scrape's labels or without. Nodes' lines are written again only
    when they change.
    """

    def __init__(self, pbs: SimulatedPBS, labels: str) -> None:
        self._pbs = pbs
        self._labels = labels
        self._stale = pbs.watch()
        self._lines = {name: [b""] * len(pbs.nodes) for name in NODE_METRICS}

    def render(self, end: bytes) -> bytes:
        """The text; `end` is what follows a value."""
        columns = tuple(self._lines.items())
        for index in self._stale:
            node = self._pbs.nodes[index]
            labels = self._braced(f'node="{node.name}"')
            for (name, lines), number in zip(columns, node_numbers(node), strict=True):
                lines[index] = f"{name}{labels} {number}".encode()
        self._stale.clear()
        lines_of = self._lines | {
            name: [f"{name}{self._braced(label)} {number}".encode() for label, number in series]
            for name, series in cluster_numbers(self._pbs).items()
        }
        parts: list[bytes] = []
        for name, text in HELP.items():
            if lines := lines_of[name]:  # a vector without a series is not even announced
                parts += (f"# HELP {name} {text}\n# TYPE {name} gauge\n".encode(), end.join(lines), end)
        return b"".join(parts)

    def _braced(self, label: str) -> str:
        labels = ",".join(filter(None, (self._labels, label)))
        return f"{{{labels}}}" if labels else ""


class SimulatedCluster:
    """A PBS, the exporter beside it, and what a month's scrapes would keep. `at_ms` is its last tick's time.

    Raises ConfigError for a size, prefix or pace that cannot be.
    """

    def __init__(self, nodes: int = 46, *, prefix: str = "hopper", seed: int = 1, pace: float = 0.05) -> None:
        self.pbs = SimulatedPBS(nodes, prefix=prefix, pace=pace, rng=Random(seed))
        self.past = Past()
        self.at_ms = 0
        self._pages: dict[str, Page] = {}

    def advance(self, at_ms: int, pace: float | None = None) -> None:
        """One tick: about `pace` of the nodes change, and at least one number does."""
        self.pbs.advance(at_ms, pace)
        self.at_ms = at_ms
        self.past.note(at_ms, headline(self.pbs))

    def live_through(self, past_seconds: int, now_ms: int) -> None:
        """Live until now from so long ago, in steps of half an hour, and of a minute for the last day."""
        recent = now_ms - min(past_seconds, DAY_SECONDS) * 1_000
        coarse = range(now_ms - past_seconds * 1_000, recent, COARSE_SECONDS * 1_000)
        fine = range(recent, now_ms + 1, FINE_SECONDS * 1_000)
        # Not coarser steps: they would leave rows empty that a small cluster fills.
        at_most = PAST_CHANGES / (len(coarse) + len(fine)) / len(self.pbs.nodes)
        for instants, pace in ((coarse, COARSE_PACE), (fine, self.pbs.pace)):
            for at_ms in instants:
                self.advance(at_ms, min(pace, at_most))

    def exposition(self, *, timestamps: bool) -> bytes:
        """The text format at the last tick: with its time and the labels of a scrape, as a store gives it;
        or as the exporter does.
        """
        labels, end = (SCRAPED, f" {self.at_ms}\n") if timestamps else ("", "\n")
        page = self._pages.get(labels)
        if page is None:
            page = self._pages[labels] = Page(self.pbs, labels)
        return page.render(end.encode())

    def fail(self, node: str) -> None:
        """A node goes down and its jobs with it; KeyError if there is none of that name, here and below."""
        self.pbs.fail(node)

    def drain(self, node: str) -> None:
        """A node goes offline; its jobs go on."""
        self.pbs.drain(node)

    def restore(self, node: str) -> None:
        """A node takes jobs again."""
        self.pbs.restore(node)


class SimulatedSource:
    """A simulated cluster as a source. Each probe finds news, so a server publishes at every poll."""

    def __init__(self, cluster: SimulatedCluster, *, now_ms: Callable[[], int]) -> None:
        self.partial = False
        self._cluster = cluster
        self._now_ms = now_ms

    async def probe(self) -> int | None:
        """Let the cluster live on until now; the time of that."""
        self._cluster.advance(self._now_ms())
        return self._cluster.at_ms

    async def fetch(self) -> bytes:
        """Every sample, as of the last probe."""
        return self._cluster.exposition(timestamps=True)

    async def history(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        """Each field's mean over each step; None without a tick, and for a field that it does not know."""
        return {field: self._cluster.past.means(field, grid) for field in fields}

    async def close(self) -> None:
        """Nothing was opened."""


def simulated_exporter(
    cluster: SimulatedCluster,
    *,
    tick_seconds: float,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> web.Application:
    """`GET /metrics` like the exporter's, of a cluster that ticks every `tick_seconds` while this runs."""
    ticker: asyncio.Task[None] | None = None

    async def tick() -> None:
        while True:
            cluster.advance(now_ms())
            await asyncio.sleep(tick_seconds)

    async def live(_: web.Application) -> AsyncIterator[None]:
        nonlocal ticker
        ticker = asyncio.create_task(tick())
        yield
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker

    async def metrics(_: web.Request) -> web.Response:
        if ticker and ticker.done():
            ticker.result()  # raises: numbers must not stand still, as the real ones do
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=cluster.exposition(timestamps=False), headers=headers)

    app = web.Application()
    app.cleanup_ctx.append(live)
    app.router.add_get("/metrics", metrics)
    return app


def headline(pbs: SimulatedPBS) -> dict[str, float]:
    """The fields of history now: counts, and percent of the whole cluster."""
    return {
        "runningJobs": pbs.letters["R"],
        "queuedJobs": pbs.letters["Q"],
        "heldJobs": pbs.letters["H"],
        "cpuUtilization": 100 - 100 * pbs.free_cpus / pbs.total_cpus,
        "gpuUtilization": 100 - 100 * pbs.free_gpus / pbs.total_gpus,
        "memoryUtilization": 100 - 100 * pbs.free_memory_gib / pbs.total_memory_gib,
        "nodeUtilization": 100 * pbs.occupied / len(pbs.nodes),
    }


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


def cluster_numbers(pbs: SimulatedPBS) -> dict[str, list[tuple[str, int]]]:
    """All other metrics: their series as label and number, sorted by label as the exporter's library does."""
    letters = pbs.letters
    nodes = {state: pbs.states[state] for state in STATE_CODES}
    nodes["down"] = pbs.states.total() - sum(nodes.values())
    totals = {f"qstat_total_{letter.lower()}_jobs": letters[letter] for letter in STATUSES}
    statuses = {STATUSES.get(letter, letter): count for letter, count in letters.items() if count}
    users = {user[:USER_LENGTH]: count for user, count in pbs.users.items() if count}
    return {
        **{f"pbs_node_count_{state}": [("", count)] for state, count in nodes.items()},
        **{name: [("", count)] for name, count in totals.items()},
        "qstat_total_all_jobs": [("", letters.total())],
        "qstat_total_running_jobs": [("", letters["R"])],
        "qstatq_total_queued": [("", 0)],
        "qstatq_total_running": [("", 0)],
        "qstat_jobs_by_status": [(f'status="{status}"', statuses[status]) for status in sorted(statuses)],
        "qstat_jobs_in_queue": [(f'queue="{queue.name}"', queue.rows) for queue in pbs.queues],
        "qstat_que_by_queue": [(f'queue="{queue.name}"', queue.waiting) for queue in pbs.queues],
        "qstat_running_jobs_by_queue": [(f'queue="{queue.name}"', queue.running) for queue in pbs.queues],
        "qstat_running_jobs_by_user": [(f'user="{user}"', users[user]) for user in sorted(users)],
    }
