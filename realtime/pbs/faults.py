"""What is wrong with an exporter, as codes and as sentences that an operator understands.

A fault is believed once it was seen at several scrapes in a row: the exporter changes its numbers one after the other, so that a single
scrape may contradict itself while nothing is wrong. A sentence holds no number that moves, or it would be a diff at every poll.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from realtime.pbs.events import Events
from realtime.pbs.exporter import Exporter
from realtime.pbs.jobs import Listing
from realtime.pbs.names import JOB_TOTALS, first
from realtime.pbs.roster import Roster
from realtime.state.entities import Fault

SCRAPES: Final = 3
"""Seen at so many scrapes in a row, a contradiction is believed."""

FROZEN_AFTER_MS: Final = 600_000
"""Ten ticks of the exporter without any change, though jobs run."""

FUTURE_MS: Final = 5_000
"""Samples further in the future than this are a clock that is wrong; less is rounding and the network."""

PBSNODES_FAILED: Final = "PBSNODES_FAILED"
QSTAT_FAILED: Final = "QSTAT_FAILED"
FROZEN: Final = "FROZEN"
COUNT_MISMATCH: Final = "COUNT_MISMATCH"
TRUNCATED_NAMES: Final = "TRUNCATED_NAMES"
QUE_LIMIT: Final = "QUE_LIMIT"
ODD_NAMES: Final = "ODD_NAMES"
SHIFTED_COLUMNS: Final = "SHIFTED_COLUMNS"
DUPLICATE_EXPORTER: Final = "DUPLICATE_EXPORTER"
OTHER_NODES: Final = "OTHER_NODES"
MIXED_CLUSTERS: Final = "MIXED_CLUSTERS"
EXPORTER_DOWN: Final = "EXPORTER_DOWN"
CLOCK_SKEW: Final = "CLOCK_SKEW"

SENTENCES: Final = {
    PBSNODES_FAILED: "the exporter counts nodes but lists none: pbsnodes fails there, or its tick and the scrape run in step; "
    "the nodes are shown as they last were",
    QSTAT_FAILED: "the exporter does not list the jobs: qstat fails there or prints nothing; "
    "queues and users are shown as they last were",
    FROZEN: "no number has changed for ten minutes though jobs run: the exporter probably waits for a PBS command that hangs",
    COUNT_MISMATCH: "the exporter contradicts itself: the nodes or running jobs that it lists are not as many as it counts",
    TRUNCATED_NAMES: "names are cut short by PBS's commands; two that begin alike may be shown as one",
    QUE_LIMIT: "a queue's waiting jobs are its run limit instead (a number under Lm in qstat -q); they are counted from the job list",
    ODD_NAMES: "rows that no PBS printed were read as names (a warning or garbage in a command's output); they are left out",
    SHIFTED_COLUMNS: "nodes whose memory PBS prints as 0 b have their columns shifted; what they have is shown as last known",
    DUPLICATE_EXPORTER: "another exporter reports the same cluster; only one is believed, nothing is added up",
    OTHER_NODES: "it lists other nodes than the exporter that is believed: they are shown together, with that one's jobs only; "
    "if they are another cluster, give each a cluster label",
    MIXED_CLUSTERS: "two clusters report under one job and instance: their nodes are shown together, and no numbers of jobs; "
    "give each a cluster label",
    EXPORTER_DOWN: "this exporter's series are gone: it is down, or no longer scraped",
    CLOCK_SKEW: "samples are from the future: the clocks of the source and of this server differ",
}


def fault(code: str) -> Fault:
    """The code with its sentence."""
    return {"code": code, "detail": SENTENCES[code]}


class Watch:
    """Believes what it saw at several scrapes in a row, and forgets it at the first scrape without."""

    def __init__(self, scrapes: int = SCRAPES) -> None:
        self._scrapes = scrapes
        self._seen: dict[str, int] = {}

    def believe(self, codes: Iterable[str], *, fresh: bool) -> set[str]:
        """The codes that are believed now. A scrape that was seen before (not `fresh`) proves nothing more, and nothing less."""
        now = set(codes)
        if fresh:
            self._seen = {code: self._seen.get(code, 0) + 1 for code in now}
        return {code for code, times in self._seen.items() if times >= self._scrapes}


PBSNODES_WIDTH: Final = 15
"""`pbsnodes -aSj` cuts names there (pbsnodes.c:103)."""

QSTAT_WIDTH: Final = 16
"""qstat cuts user and queue names there (qstat.c: OWNERL, LOCL)."""


def contradictions(exporter: Exporter) -> set[str]:
    """What one scrape of an exporter says against itself."""
    found = set()
    counted = exporter.counted
    listed = len(exporter.nodes) + len(exporter.odd_names.get("node", ()))
    if (
        exporter.nodes
        and len(counted) == len(("free", "busy", "offline", "down"))
        and sum(counted.values()) != listed
    ):
        found.add(COUNT_MISMATCH)
        if any(len(name) == PBSNODES_WIDTH for name in exporter.nodes) and sum(counted.values()) > listed:
            found.add(TRUNCATED_NAMES)
    by_user = [
        count
        for readings in exporter.families["user"].values()
        if (count := readings.get("qstat_running_jobs_by_user")) is not None
    ]
    running = first(exporter.totals, JOB_TOTALS["running"])
    if running is not None and by_user and sum(by_user) != running:
        found.add(COUNT_MISMATCH)
    if any(len(name) >= QSTAT_WIDTH for family in ("queue", "user") for name in exporter.families[family]):
        found.add(TRUNCATED_NAMES)
    if any(exporter.odd_names.values()):
        found.add(ODD_NAMES)
    return found


class Verdicts:
    """The `source` topic: what is said of each exporter."""

    def __init__(self, events: Events, *, grace_ms: int) -> None:
        self.entities: dict[str, dict[str, Any]] = {}
        self._events = events
        self._grace_ms = grace_ms
        self._watches: dict[str, Watch] = {}
        self._relations: dict[str, str] = {}
        """Other exporters → what they are to the one that is believed."""
        self._punctual: dict[str, int] = {}
        """Exporters whose clock is ahead → how many scrapes in a row it was not."""

    def update(self, exporters: Sequence[Exporter], roster: Roster, listing: Listing, now_ms: int) -> None:
        """Judge the exporters; the first is the one that is believed."""
        entities = {}
        for exporter in exporters:
            key = exporter.key
            gone = exporter.gone_since
            if gone is None:
                entity = _description(exporter, main=exporter is exporters[0])
                codes = self._codes(exporter, exporters[0], roster, listing, now_ms)
            elif now_ms - gone < self._grace_ms:
                # A scrape that failed is none that says the exporter is down.
                if key in self.entities:
                    entities[key] = self.entities[key]
                continue
            else:
                entity, codes = _origin(exporter), {EXPORTER_DOWN}
            entities[key] = self._report(key, entity, codes, now_ms)
        self.entities = entities

    def forget(self, exporter: Exporter) -> None:
        """Remember nothing of an exporter that will not return."""
        for memory in (self.entities, self._watches, self._punctual, self._relations):
            memory.pop(exporter.key, None)

    def _codes(
        self, exporter: Exporter, main: Exporter, roster: Roster, listing: Listing, now_ms: int
    ) -> set[str]:
        seen = contradictions(exporter)
        if exporter in roster.shifted_by:
            seen.add(SHIFTED_COLUMNS)
        held = {} if exporter is not main else listing.held_since
        if exporter is main:
            # Between two of PBS's commands a job may come or go: only a queue that is wrong again and again has a run limit.
            seen |= {
                f"{QUE_LIMIT} {name}" for name, queue in listing.queues.items() if "queuedInferred" in queue
            }
        # A scrape in which something is missing proves nothing about the rest.
        proves = exporter.fresh and exporter.silent_since is None and not held
        believed = self._watches.setdefault(exporter.key, Watch()).believe(seen, fresh=proves)
        codes = {code.partition(" ")[0] for code in believed}
        if exporter.silent_since is not None and now_ms - exporter.silent_since >= self._grace_ms:
            codes.add(PBSNODES_FAILED)
        if any(now_ms - since >= self._grace_ms for since in held.values()):
            codes.add(QSTAT_FAILED)
        if now_ms - exporter.changed_at >= FROZEN_AFTER_MS and (
            listing.jobs.get("running") if exporter is main else first(exporter.totals, JOB_TOTALS["running"])
        ):
            codes.add(FROZEN)
        if exporter.mixed:
            codes = codes - {COUNT_MISMATCH} | {MIXED_CLUSTERS}
        if relation := self._relation(exporter, main):
            codes.add(relation)
        if self._is_ahead(exporter, now_ms):
            codes.add(CLOCK_SKEW)
        return codes

    def _relation(self, exporter: Exporter, main: Exporter) -> str | None:
        """What an exporter is to the main one: one that lists some of the same nodes, or none of them; while either lists none at all, what was found
        before stands.
        """
        if exporter is main:
            self._relations.pop(exporter.key, None)
        elif exporter.nodes and main.nodes:
            is_apart = exporter.nodes.keys().isdisjoint(main.nodes)
            self._relations[exporter.key] = OTHER_NODES if is_apart else DUPLICATE_EXPORTER
        return self._relations.get(exporter.key)

    def _is_ahead(self, exporter: Exporter, now_ms: int) -> bool:
        """Whether its clock is ahead: at once if a sample is, and until several scrapes in a row were not ahead at all."""
        ahead, key = exporter.newest - now_ms, exporter.key
        if ahead > FUTURE_MS:
            self._punctual[key] = 0
        elif key in self._punctual and exporter.fresh:
            self._punctual[key] = self._punctual[key] + 1 if ahead <= 0 else 0
            if self._punctual[key] >= SCRAPES:
                del self._punctual[key]
        return key in self._punctual

    def _report(
        self, key: str, entity: dict[str, Any], codes: Collection[str], now_ms: int
    ) -> dict[str, Any]:
        """The entity with its faults; those that come and go are events."""
        was = {each["code"] for each in self.entities.get(key, {}).get("faults", ())}
        for code in sorted(set(codes) - was):
            self._events.note(now_ms, "source.fault", key, now=code)
        for code in sorted(was - set(codes)):
            self._events.note(now_ms, "source.ok", key, was=code)
        return entity | ({"faults": [fault(code) for code in sorted(codes)]} if codes else {})


def _origin(exporter: Exporter) -> dict[str, Any]:
    return {label: text for label, text in (("job", exporter.job), ("instance", exporter.instance)) if text}


def _description(exporter: Exporter, *, main: bool) -> dict[str, Any]:
    """Who it is, and how it speaks."""
    entity: dict[str, Any] = {
        "dialect": exporter.dialect.name,
        "decidedBy": exporter.dialect.decided_by,
        "memoryUnit": exporter.unit,
    }
    entity |= _origin(exporter)
    return entity | ({"main": True} if main else {})
