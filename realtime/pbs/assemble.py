"""Samples → entities of every topic of one cluster.

Law 5: what is not known is absent, never zero. A series that is not there, or says NaN, makes a field that is not there.

And its companion: what was known is not forgotten because a scrape came too early. The exporter empties all series of a command before
it runs it, so a scrape in that window sees no node, or no user, at all. What vanished whole is held as it was; a single node is missed for
a grace period before it is removed. The first scrape without changes no entity, so the exporter's own race is no diff; what is still
held after the grace is a fault.

The assembler remembers readings between polls and builds anew only the nodes that a changed sample is about: entities that did not
change are the same objects as before, which the store relies on for speed and never for truth.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import Any, Final, NamedTuple

from realtime.pbs.events import Events
from realtime.pbs.exporter import Exporter
from realtime.pbs.faults import Verdicts
from realtime.pbs.jobs import Listing
from realtime.pbs.names import MEANINGS
from realtime.pbs.readings import Sample
from realtime.pbs.roster import Roster
from realtime.pbs.summary import summarise

Entities = dict[str, dict[str, Any]]

SLICE: Final = 500
"""Samples taken between two turns of the event loop: 1 ms."""

MOST: Final = 2.0**53
"""A larger number is no count and no memory, and JSON's readers could not hold it: it is not known."""

FORGOTTEN_AFTER_MS: Final = 24 * 3_600_000
"""An exporter that said nothing for a day will not return: a restarted container comes back under another name."""


class Policy(NamedTuple):
    """What the operator decided about one cluster's source."""

    prefix: str = ""
    dialect: str = "auto"
    memory_unit: str = "auto"
    infer_busy: str = "auto"
    grace_ms: int = 150_000


class Assembler:
    """Turns what changed in the source into what is true of one cluster."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._exporters: dict[tuple[str, str], Exporter] = {}
        self._main: Exporter | None = None
        self._dirty: set[str] = set()
        self._roster = Roster(grace_ms=self._policy.grace_ms, infer=self._policy.infer_busy)
        self._listing = Listing()
        self._events = Events()
        self._verdicts = Verdicts(self._events, grace_ms=self._policy.grace_ms)

    @property
    def partial(self) -> bool:
        """Whether something is shown as it last was, because the source has lost it."""
        return self._roster.held or bool(self._listing.held_since)

    def measured(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Of a summary what was measured, and is not only held."""
        held = {"nodes", "cpus", "gpus", "memory"} if self._roster.held else set()
        if not self._listing.held_since.keys().isdisjoint(("jobs", "status")):
            held.add("jobs")
        return {key: part for key, part in summary.items() if key not in held}

    @property
    def newest(self) -> int | None:
        """The timestamp of the newest scrape of the exporter that is believed, epoch ms; None before the first."""
        return (self._main.newest or None) if self._main else None

    def assemble(
        self, changed: Iterable[Sample], gone: Iterable[Sample], now_ms: int
    ) -> Generator[None, None, dict[str, Entities] | None]:
        """Take in a reading. The generator yields between slices; its value is every topic's entities, or None while no sample says anything
        about PBS.
        """
        yield from self._take_in(changed, gone)
        for exporter in self._exporters.values():
            self._dirty |= yield from exporter.settle(now_ms)
            yield
        if not any(exporter.alive for exporter in self._exporters.values()):
            return None
        self._forget(now_ms)
        exporters = self._ranked(now_ms)
        main = self._main = exporters[0]
        is_first = not self._roster.entities
        dirty, self._dirty = self._dirty, set()
        yield from self._roster.update(exporters, dirty, now_ms)
        if not is_first:
            self._events.note_nodes(now_ms, self._roster.transitions)
        if main.mixed:
            # Whose jobs they are cannot be told; and what was known may have been the other's.
            self._listing = Listing()
        else:
            self._listing.update(main, lambda: self._roster.jobs_told_by(main), now_ms)
        self._verdicts.update(exporters, self._roster, self._listing, now_ms)
        return {
            "summary": summarise(self._roster.tally, self._listing.counted, self._listing.jobs),
            "nodes": self._roster.entities,
            "queues": self._listing.queues,
            "users": self._listing.users,
            "source": self._verdicts.entities,
            "events": dict(self._events.entities),
        }

    def _take_in(self, changed: Iterable[Sample], gone: Iterable[Sample]) -> Generator[None, None, None]:
        """Give each sample to its exporter."""
        number = 0
        for samples, there in ((gone, False), (changed, True)):
            for sample in samples:
                number += 1
                if number % SLICE == 0:
                    yield
                name = sample.name.removeprefix(self._policy.prefix)
                if name not in MEANINGS:
                    continue
                exporter = self._exporter_of(sample)
                # NaN and Inf fail this too.
                if there and abs(sample.value) <= MOST:
                    exporter.take(sample, name)
                else:
                    exporter.drop(sample, name)

    def _exporter_of(self, sample: Sample) -> Exporter:
        exporter = self._exporters.get(sample.origin)
        if exporter is None:
            exporter = self._exporters[sample.origin] = Exporter(
                *sample.origin, dialect=self._policy.dialect, unit=self._policy.memory_unit
            )
        return exporter

    def _ranked(self, now_ms: int) -> list[Exporter]:
        """The exporters, the one that is believed first: of two that watch one cluster that which knows most nodes. It stays the first while it
        is silent for less than the grace, and until another knows twice as many, or is scraped while it is not.
        """
        newest = {one: min(one.newest, now_ms) for one in self._exporters.values()}
        last = max(newest.values())

        def rank(one: Exporter) -> tuple[bool, bool, int, str, str]:
            is_gone = one.gone_since is not None and now_ms - one.gone_since >= self._policy.grace_ms
            is_late = newest[one] < last - self._policy.grace_ms
            return is_gone, is_late, -one.size * (2 if one is self._main else 1), one.job, one.instance

        return sorted(newest, key=rank)

    def _forget(self, now_ms: int) -> None:
        """Forget exporters that will not return."""
        for origin, exporter in [*self._exporters.items()]:
            if exporter.gone_since is not None and now_ms - exporter.gone_since >= FORGOTTEN_AFTER_MS:
                del self._exporters[origin]
                self._roster.disown(exporter, now_ms)
                self._verdicts.forget(exporter)
