"""Samples → entities of every topic.

Law 5: what is not known is absent, never zero. A series that is not there, or says NaN, makes a field that is not there.

And its companion: what was known is not forgotten because a scrape came too early. The exporter empties all series of a family before
it runs PBS's slow commands, so a scrape in that window sees no node at all. A family that vanished whole is held as it was, and the
source says so (`held`); a single node is missed for a grace period before it is removed.

The assembler remembers readings between polls and builds anew only the nodes that a changed sample is about: entities that did not
change are the same objects as before, which the store relies on for speed and never for truth.
"""

import math
from collections.abc import Generator, Iterable, Mapping
from itertools import chain
from typing import Any, Final, Protocol

from realtime.pbs import jobs, nodes
from realtime.pbs.dialect import Dialect, detect
from realtime.pbs.names import MEANINGS, NODE_MEMORY, NODE_STATE, REPORTED_NODES, STATE_LABELS, first
from realtime.pbs.summary import summarise

Entities = dict[str, dict[str, Any]]

SLICE: Final = 500
"""Samples taken, or nodes built, between two turns of the event loop: 1 to 4 ms."""


class Sample(Protocol):
    """One labelled value (see `source/exposition.py`)."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def value(self) -> float: ...


class Exporter:
    """The current readings of one exporter, by what they are about."""

    def __init__(self, job: str, instance: str) -> None:
        self.job = job
        self.instance = instance
        self.families: dict[str, dict[str, dict[str, float]]] = {
            family: {} for family in ("node", "queue", "user", "status", "total")
        }
        self.states: dict[str, set[str]] = {}
        """Node → the states that the label dialect names."""

    @property
    def totals(self) -> dict[str, float]:
        return self.families["total"].get("", {})

    @property
    def nodes(self) -> dict[str, dict[str, float]]:
        return self.families["node"]

    def dialect(self) -> Dialect:
        codes = [
            code for readings in self.nodes.values() if (code := first(readings, NODE_STATE)) is not None
        ]
        counts = {word: first(self.totals, names) for word, names in REPORTED_NODES.items()}
        return detect(
            codes,
            labelled=bool(self.states),
            counts={word: count for word, count in counts.items() if count is not None},
            names=set(chain.from_iterable(chain.from_iterable(f.values()) for f in self.families.values())),
        )

    def memory_unit(self) -> str:
        unnamed = NODE_MEMORY["totalMemoryGiB"][-1]
        return nodes.memory_unit(
            [readings[unnamed] for readings in self.nodes.values() if unnamed in readings]
        )


class Assembler:
    """Turns what changed in the source into what is true of the cluster."""

    def __init__(self, *, prefix: str = "", grace_ms: int = 150_000) -> None:
        self._prefix = prefix
        self._grace_ms = grace_ms
        self._exporters: dict[tuple[str, str], Exporter] = {}
        self._speech: list[tuple[tuple[str, str], Dialect, str]] = []
        self._nodes: Entities = {}
        self._queues: Entities = {}
        self._users: Entities = {}
        self._missing: dict[str, int] = {}
        self.held: list[str] = []
        """Topics that the source has lost whole, and that are shown as they last were."""

    def assemble(
        self, changed: Iterable[Sample], gone: Iterable[Sample], now_ms: int
    ) -> Generator[None, None, dict[str, Entities] | None]:
        """Take in a reading; the generator yields between slices, and its value is every topic's entities, or None while no sample says
        anything about PBS.
        """
        dirty: set[str] = set()
        for sample in gone:
            self._drop(sample, dirty)
        for number, sample in enumerate(changed, 1):
            if math.isfinite(sample.value):
                self._take(sample, dirty)
            else:
                self._drop(sample, dirty)
            if number % SLICE == 0:
                yield
        self._exporters = {key: one for key, one in self._exporters.items() if any(one.families.values())}
        if not self._exporters:
            return None
        exporters = self._ranked()
        speech = [((one.job, one.instance), one.dialect(), one.memory_unit()) for one in exporters]
        if speech != self._speech:
            self._speech = speech
            dirty.update(chain.from_iterable(one.nodes for one in exporters))
        yield
        yield from self._build_nodes(exporters, dirty, now_ms)
        main = exporters[0]
        by_job = jobs.totals(main.totals, self._status(main))
        self._hold("nodes", self._nodes, any(one.nodes for one in exporters))
        self._queues = self._kept("queues", self._queues, main.families["queue"], jobs.queue, suspicious=True)
        running = bool(by_job.get("running"))
        self._users = self._kept("users", self._users, main.families["user"], jobs.user, suspicious=running)
        return {
            "summary": summarise(self._nodes.values(), main.totals, by_job),
            "nodes": self._nodes,
            "queues": self._queues,
            "users": self._users,
            "source": self._source(exporters),
        }

    def _take(self, sample: Sample, dirty: set[str]) -> None:
        name = sample.name.removeprefix(self._prefix)
        meaning = MEANINGS.get(name)
        if meaning is None:
            return
        labels = sample.labels
        key = labels.get(meaning.label, "") if meaning.label else ""
        if meaning.label and not key:
            return
        origin = (labels.get("job", ""), labels.get("instance", ""))
        exporter = self._exporters.get(origin)
        if exporter is None:
            exporter = self._exporters[origin] = Exporter(*origin)
        readings = exporter.families[meaning.family].setdefault(key, {})
        if meaning.family == "node":
            dirty.add(key)
            word = _state_label(name, labels)
            if word is not None:
                states = exporter.states.setdefault(key, set())
                (states.add if sample.value else states.discard)(word)
                return
        readings[name] = sample.value

    def _drop(self, sample: Sample, dirty: set[str]) -> None:
        name = sample.name.removeprefix(self._prefix)
        meaning = MEANINGS.get(name)
        exporter = self._exporters.get((sample.labels.get("job", ""), sample.labels.get("instance", "")))
        if meaning is None or exporter is None:
            return
        key = sample.labels.get(meaning.label, "") if meaning.label else ""
        family = exporter.families[meaning.family]
        readings = family.get(key)
        if readings is None:
            return
        if meaning.family == "node":
            dirty.add(key)
            word = _state_label(name, sample.labels)
            if word is not None:
                exporter.states.get(key, set()).discard(word)
        readings.pop(name, None)
        if not readings and not exporter.states.get(key):
            del family[key]
            exporter.states.pop(key, None)

    def _ranked(self) -> list[Exporter]:
        """The exporters, the one that knows most nodes first: of two that watch one cluster, one is believed, not both added up."""
        return sorted(self._exporters.values(), key=lambda one: (-len(one.nodes), one.job, one.instance))

    def _build_nodes(self, exporters: list[Exporter], dirty: set[str], now_ms: int) -> Generator[None]:
        current = dict(self._nodes)
        for number, name in enumerate(sorted(dirty), 1):
            for exporter, (_, dialect, unit) in zip(exporters, self._speech, strict=True):
                if name in exporter.nodes:
                    words = exporter.states.get(name, ())
                    current[name] = nodes.entity(name, exporter.nodes[name], words, dialect, memory_unit=unit)
                    break
            if number % SLICE == 0:
                yield
        listed = set().union(*(one.nodes for one in exporters))
        if listed:
            missing = current.keys() - listed
            self._missing = {name: self._missing.get(name, now_ms) for name in missing}
            for name, since in self._missing.items():
                if now_ms - since >= self._grace_ms:
                    del current[name]
        else:
            # A node is missed only while others are seen: the clock of its grace stands still while the whole family is held.
            self._missing = dict.fromkeys(self._missing, now_ms)
        self._nodes = current

    def _hold(self, topic: str, was: Mapping[str, Any], there: bool) -> None:
        holding = bool(was) and not there
        if holding and topic not in self.held:
            self.held = [*self.held, topic]
        elif not holding and topic in self.held:
            self.held = [each for each in self.held if each != topic]

    def _kept(
        self, topic: str, was: Entities, family: dict[str, dict[str, float]], build: Any, *, suspicious: bool
    ) -> Entities:
        """The family's entities; those of before, if it vanished whole and should not have."""
        there = bool(family) or not suspicious
        self._hold(topic, was, there)
        if was and not there:
            return was
        return {name: build(name, family[name]) for name in sorted(family)}

    def _status(self, exporter: Exporter) -> dict[str, float]:
        return {
            word: value
            for word, readings in exporter.families["status"].items()
            for value in readings.values()
        }

    def _source(self, exporters: list[Exporter]) -> Entities:
        source: Entities = {}
        for exporter, (_, dialect, _) in zip(exporters, self._speech, strict=True):
            key = "|".join(part for part in (exporter.job, exporter.instance) if part) or "unlabelled"
            entity: dict[str, Any] = {"dialect": dialect.name, "decidedBy": dialect.decided_by}
            entity |= {
                label: text
                for label, text in (("job", exporter.job), ("instance", exporter.instance))
                if text
            }
            if exporter is exporters[0]:
                entity["main"] = True
                if self.held:
                    entity["held"] = self.held
            source[key] = entity
        return source


def _state_label(name: str, labels: Mapping[str, str]) -> str | None:
    if name not in NODE_STATE:
        return None
    return next((labels[label] for label in STATE_LABELS if label in labels), None)
