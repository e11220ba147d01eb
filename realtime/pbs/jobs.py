"""Jobs: how many, of whom, in which queue. The metrics hold no single job."""

from collections.abc import Mapping
from typing import Any

from realtime.pbs.names import JOB_TOTALS, QUEUE_COUNTS, STATUS_WORDS, USER_COUNTS, first

Readings = dict[str, float]


def totals(readings: Readings, by_status: Mapping[str, float]) -> dict[str, Any]:
    """Jobs of the cluster by PBS state, and `total`: running, queued and held, as the replaced backend added them.

    `by_status` is keyed by the exporter's words and PBS's letters; it fills in what the plain totals do not have.
    """
    jobs: dict[str, Any] = {}
    for field, names in JOB_TOTALS.items():
        value = first(readings, names)
        if value is not None:
            jobs[field] = round(value)
    for word, value in by_status.items():
        status = STATUS_WORDS.get(word)
        if status:
            jobs.setdefault(status, round(value))
    if all(part in jobs for part in ("running", "queued", "held")):
        jobs["total"] = jobs["running"] + jobs["queued"] + jobs["held"]
    return jobs


def queue(name: str, readings: Readings) -> dict[str, Any]:
    """One queue. `queuedJobs` counts held and waiting ones too: the exporter reads `qstat -q`, which does not tell them apart."""
    counts = _counts(name, readings, QUEUE_COUNTS)
    running, queued, listed = (counts.get(field) for field in ("runningJobs", "queuedJobs", "listedJobs"))
    if queued is None and running is not None and listed is not None:
        counts["queuedJobs"] = queued = max(0, listed - running)
    if running is not None and queued is not None:
        counts["totalJobs"] = running + queued
    counts.pop("listedJobs", None)
    return counts


def user(name: str, readings: Readings) -> dict[str, Any]:
    """One user who has jobs."""
    return _counts(name, readings, USER_COUNTS)


def _counts(name: str, readings: Readings, fields: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    entity: dict[str, Any] = {"name": name}
    for field, names in fields.items():
        value = first(readings, names)
        if value is not None:
            entity[field] = round(value)
    return entity
