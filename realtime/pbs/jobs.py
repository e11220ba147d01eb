"""Jobs: how many, of whom, in which queue. The metrics hold no single job."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from realtime.pbs.exporter import Exporter
from realtime.pbs.names import JOB_TOTALS, QUEUE_COUNTS, STATUS_WORDS, USER_COUNTS, first

Values = dict[str, float]
"""What is told of one thing, by metric."""
Entities = dict[str, dict[str, Any]]

STEM: Final = 15
"""qstat cuts a long queue name to 15 characters and a star, `qstat -q` to 16 without: 15 are sure (qstat.c, LOCL)."""


def totals(readings: Values, by_status: Mapping[str, float]) -> dict[str, Any]:
    """Jobs of the cluster by PBS state, and `total`: running, queued and held, as the replaced backend added them. Less than nothing is unknown.

    `by_status` is keyed by the exporter's words and PBS's letters; it fills in what the plain totals do not have.
    """
    jobs = _counts(readings, JOB_TOTALS)
    for word, value in by_status.items():
        status = STATUS_WORDS.get(word)
        if status and value >= 0:
            jobs.setdefault(status, round(value))
    if all(part in jobs for part in ("running", "queued", "held")):
        jobs["total"] = jobs["running"] + jobs["queued"] + jobs["held"]
    return jobs


def heal(names: Collection[str]) -> dict[str, str]:
    """Which of the queue names are one: cut name → the longest that it can only be. A name that could be two is left as it is."""
    healed = {}
    for name in names:
        if len(name) != STEM + 1:
            continue
        start = name[:STEM] if name.endswith("*") else name
        longer = [
            other
            for other in names
            if other != name and not other.endswith("*") and other.startswith(start) and len(other) > STEM
        ]
        # The cut of a cut: `averylongqueuen*` and `averylongqueuena` are both cuts of `averylongqueuename`, where that is known.
        whole = [other for other in longer if len(other) > STEM + 1] or longer
        if len(whole) == 1:
            healed[name] = whole[0]
    return healed


def merge(family: Mapping[str, Values]) -> dict[str, Values]:
    """Queues by their healed names: the union of what all metrics say of each. Two names of which one metric speaks are two queues."""
    healed = heal(family.keys())
    merged = {name: dict(family[name]) for name in sorted(family) if name not in healed}
    for name in sorted(healed):
        whole = merged.setdefault(healed[name], {})
        if whole.keys().isdisjoint(family[name]):
            whole.update(family[name])
        else:
            merged[name] = dict(family[name])
    return merged


def is_run_limit(readings: Values, *, listing: bool) -> bool:
    """Whether `qstat_que_by_queue` is the queue's run limit: it says that more wait than are listed beyond the running.

    The list has every subjob and the queue's own line has not, so there is no honest way to that. `listing` says that there is a job list.
    """
    running, queued, listed = (first(readings, names) for names in QUEUE_COUNTS.values())
    return listing and None not in (running, queued, listed) and queued > listed - running  # type: ignore[operator]


def queue(name: str, readings: Values, *, listing: bool = True) -> dict[str, Any]:
    """One queue. `queuedJobs` counts held and waiting ones too: the exporter reads `qstat -q`, which does not tell them apart.

    `queuedInferred` says that it was counted from the job list, since what the exporter says is no number of waiting jobs.
    """
    counts = {"name": name} | _counts(readings, QUEUE_COUNTS)
    running, queued, listed = (counts.get(field) for field in QUEUE_COUNTS)
    if (
        running is not None
        and listed is not None
        and (queued is None or is_run_limit(readings, listing=listing))
    ):
        if queued is not None:
            counts["queuedInferred"] = True
        counts["queuedJobs"] = queued = max(0, listed - running)
    if running is not None and queued is not None:
        counts["totalJobs"] = running + queued
    counts.pop("listedJobs", None)
    return counts


ON_NODES: Final = ("running", "exiting", "suspended", "userSuspended")
"""States of jobs that are on a node."""


def is_credible(jobs: Mapping[str, Any], *, on_nodes: bool) -> bool:
    """Whether a list of jobs can be true: one without any job that runs is not, while nodes run some (`on_nodes`). A qstat that prints
    nothing, or garbage, and says that all went well makes such a list.
    """
    told = [jobs[state] for state in ON_NODES if state in jobs]
    return not told or any(told) or not on_nodes


def user(name: str, readings: Values) -> dict[str, Any]:
    """One user who has jobs."""
    return {"name": name} | _counts(readings, USER_COUNTS)


def _counts(readings: Values, fields: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for field, names in fields.items():
        value = first(readings, names)
        if value is not None and value >= 0:
            counts[field] = round(value)
    return counts


class Listing:
    """What is known of the jobs, by the exporter that is believed.

    What vanished whole, or cannot be true, is held as it was; of what never was known nothing is shown.
    """

    def __init__(self) -> None:
        self.queues: Entities = {}
        self.users: Entities = {}
        self.jobs: dict[str, Any] = {}
        self.counted: dict[str, float] = {}
        """How many nodes the exporter counts in each state."""
        self.held_since: dict[str, int] = {}
        """What is held, and since when."""
        self._totals: Values = {}
        self._status: Values = {}

    def update(self, exporter: Exporter, jobs_on_nodes: Callable[[], int], now_ms: int) -> None:
        """Take in what the exporter says now."""
        queues, users = exporter.families["queue"], exporter.families["user"]
        status = {
            word: value
            for word, readings in exporter.families["status"].items()
            for value in readings.values()
        }
        found = totals(exporter.totals, status)
        # Of an exporter that counts nodes and never listed one it is not known whether they run jobs.
        is_blind = exporter.silent_since is not None and not exporter.size
        credible = exporter.alive and (
            is_credible(found, on_nodes=True) or is_credible(found, on_nodes=is_blind or jobs_on_nodes() > 0)
        )
        if exporter.alive:
            self.counted = exporter.counted
        if not self._is_held("jobs", not credible, now_ms):
            self._totals = dict(exporter.totals)
        running = (found["running"] if "running" in found else jobs_on_nodes()) > 0
        listing = _tells(queues, "qstat_jobs_in_queue")
        was_listed = any("runningJobs" in queue for queue in self.queues.values())
        is_listed = listing or _tells(queues, "qstat_running_jobs_by_queue")
        if not self._is_held("queues", not credible or (was_listed and not is_listed), now_ms):
            trusted = listing and found.get("reported", 1) > 0
            merged = merge(queues)
            self.queues = _kept(
                self.queues, {name: queue(name, merged[name], listing=trusted) for name in merged}
            )
        if not self._is_held("users", not credible or (running and bool(self.users) and not users), now_ms):
            self.users = _kept(self.users, {name: user(name, users[name]) for name in users})
        if not self._is_held(
            "status", not credible or (running and bool(self._status) and not status), now_ms
        ):
            self._status = status
        self.jobs = totals(self._totals, self._status)

    def _is_held(self, what: str, lost: bool, now_ms: int) -> bool:
        if lost:
            self.held_since.setdefault(what, now_ms)
        else:
            self.held_since.pop(what, None)
        return lost


def _tells(family: Mapping[str, Values], metric: str) -> bool:
    return any(metric in readings for readings in family.values())


def _kept(before: Entities, built: Entities) -> Entities:
    """The entities in order; those that are as before are the same objects as before."""
    return {
        name: before[name] if before.get(name) == entity else entity for name, entity in sorted(built.items())
    }
