"""One exporter's current readings, by what they are about, and how it speaks.

Names come from parsed command output, so some are none: a header line read as a node, bytes of a failed command. What no PBS could
have named is left out here, before it can become anything, and remembered as a fault.
"""

import re
from collections import Counter
from collections.abc import Generator, Mapping
from typing import Final

from realtime.pbs.dialect import Dialect, detect
from realtime.pbs.names import MEANINGS, NODE_MEMORY, NODE_STATE, REPORTED_NODES, STATE_LABELS, first
from realtime.pbs.nodes import memory_unit
from realtime.pbs.readings import Node, Readings, Sample

CONTRARY_SCRAPES: Final = 3
"""So many scrapes in a row must contradict a dialect before another is believed."""

SLICE: Final = 1_000
"""Nodes counted between two turns of the event loop: 3 ms."""

_HEADER: Final = re.compile(r"vnode|-+")
"""The first column of pbsnodes's own header: a warning on stderr shifts it into the exporter's rows."""


class Exporter:
    """The current readings of one exporter (one `job` and `instance`)."""

    def __init__(self, job: str, instance: str, *, dialect: str = "auto", unit: str = "auto") -> None:
        self.job = job
        self.instance = instance
        self.nodes: dict[str, Node] = {}
        self.families: dict[str, dict[str, Readings]] = {
            family: {} for family in ("queue", "user", "status", "total")
        }
        self.odd_names: dict[str, set[str]] = {}
        """Names that were left out, by family; what they were is nobody's business, how many is."""
        self.dialect = Dialect("exporter", "assumed")
        self.unit = "GiB"
        self.newest = 0
        """The timestamp of its newest scrape, epoch ms."""
        self.fresh = False
        """Whether the last look saw another scrape than the one before."""
        self.changed_at = 0
        """When any of its readings last changed."""
        self.size = 0
        """How many nodes it listed when it last listed any."""
        self.silent_since: int | None = None
        """Since when it lists no node, though it did, or counts them."""
        self.gone_since: int | None = None
        """Since when it says nothing at all."""
        self.calls_full_nodes_down = False
        """Whether it ever showed the mark of an exporter that has no word for job-busy: a node that is down, and runs jobs on all its CPUs."""
        self.mixed = False
        """Whether two clusters report under its job and instance."""
        self._fixed_dialect = dialect
        self._fixed_unit = unit
        self._names: set[str] = set()
        self._touched: set[str] = set()
        self._news = False
        self._contrary = 0
        self._noted: dict[str, tuple[int | None, bool]] = {}
        self._census: Counter[tuple[int | None, bool]] = Counter()

    @property
    def key(self) -> str:
        """The exporter's name in the `source` topic."""
        return "|".join(part for part in (self.job, self.instance) if part) or "unlabelled"

    @property
    def totals(self) -> dict[str, float]:
        """Readings about the whole cluster."""
        return self.families["total"].get("", {})

    @property
    def counted(self) -> dict[str, float]:
        """How many nodes it counts in each state."""
        counts = {word: first(self.totals, names) for word, names in REPORTED_NODES.items()}
        return {word: count for word, count in counts.items() if count is not None}

    @property
    def alive(self) -> bool:
        """Whether it has any reading."""
        return bool(self.nodes) or any(self.families.values())

    def take(self, sample: Sample, name: str) -> None:
        """Note a reading."""
        self._news = True
        family, label = MEANINGS[name]
        key = sample.labels.get(label, "") if label else ""
        if label and not self._is_plausible(family, key):
            return
        self._names.add(name)
        if family != "node":
            self.families[family].setdefault(key, Readings()).take(name, sample)
            return
        self._touched.add(key)
        node = self.nodes.get(key)
        if node is None:
            node = self.nodes[key] = Node()
        word = _state_label(name, sample.labels)
        if word is None:
            node.take(name, sample)
        else:
            node.labelled.take(word, sample)

    def drop(self, sample: Sample, name: str) -> None:
        """Forget a reading."""
        self._news = True
        family, label = MEANINGS[name]
        key = sample.labels.get(label, "") if label else ""
        if odd := self.odd_names.get(family):
            odd.discard(key)
        if family != "node":
            readings = self.families[family].get(key)
            if readings is not None:
                readings.drop(name, sample)
                if not readings:
                    del self.families[family][key]
            return
        node = self.nodes.get(key)
        if node is None:
            return
        self._touched.add(key)
        word = _state_label(name, sample.labels)
        if word is None:
            node.drop(name, sample)
        else:
            node.labelled.drop(word, sample)
        if not node and not node.labelled:
            del self.nodes[key]

    def _is_plausible(self, family: str, key: str) -> bool:
        if not key:
            return False
        if not key.isprintable() or (family == "node" and _HEADER.fullmatch(key)):
            self.odd_names.setdefault(family, set()).add(key)
            return False
        return True

    def settle(self, now_ms: int) -> Generator[None, None, set[str]]:
        """Decide how it speaks, after what was taken and dropped. A decision stands until `CONTRARY_SCRAPES` in a row contradict it.

        Yields between slices; the value is the nodes that may read otherwise than before.
        """
        self._keep_time(now_ms)
        touched, self._touched = self._touched, set()
        for number, name in enumerate(touched, 1):
            if number % SLICE == 0:
                yield
            noted = self._noted.pop(name, None)
            if noted is not None:
                self._census[noted] -= 1
            node = self.nodes.get(name)
            if node is not None:
                self._noted[name] = noted = (node.code, node.full)
                self._census[noted] += 1
        self.mixed = yield from self._is_mixed()
        if not self.nodes:
            return touched
        before = (self.dialect.name, self.unit)
        self.unit = self._fixed_unit if self._fixed_unit != "auto" else self._detect_unit(touched)
        self.dialect = self._decide()
        if self.dialect.name != before[0]:
            self.calls_full_nodes_down = False
        if self._census[4, True] and self.dialect.name == "exporter":
            self.calls_full_nodes_down = True
        return touched if (self.dialect.name, self.unit) == before else touched | self.nodes.keys()

    def _keep_time(self, now_ms: int) -> None:
        if self._news:
            self.changed_at, self._news = now_ms, False
        newest = self._newest()
        self.fresh = newest not in (0, self.newest)
        self.newest = newest or self.newest
        if self.nodes:
            self.size, self.silent_since = len(self.nodes), None
        elif self.silent_since is None and (self.size or self.counted):
            self.silent_since = now_ms
        if self.alive:
            self.gone_since = None
        elif self.gone_since is None:
            self.gone_since = now_ms

    def _newest(self) -> int:
        """The newest timestamp among its totals, or without totals of any entity's readings; all series of one scrape have one."""
        for readings in self.families["total"].values():
            return max(sample.at for sample in readings.said.values())
        for node in self.nodes.values():
            return max(
                (sample.at for sample in (*node.said.values(), *node.labelled.said.values())), default=0
            )
        for family in self.families.values():
            for readings in family.values():
                return max(sample.at for sample in readings.said.values())
        return 0

    def _is_mixed(self) -> Generator[None, None, bool]:
        """Whether those who tell of the cluster's totals, told apart by their labels, list nodes of which few are the same: one cluster that is scraped
        twice, or whose labels were changed, lists the same ones. While less than two of them list any, what was found before stands.
        """
        totals = self.families["total"].get("", Readings())
        told = {frozenset(sample.labels.items()) for name in totals.rivals for sample in totals.tellers(name)}
        # Most labels first: who has none besides would fit everybody.
        parties = sorted(told, key=len, reverse=True)
        if len(parties) < 2:
            return False
        listed, told_twice = Counter[frozenset[tuple[str, str]]](), 0
        for number, node in enumerate(self.nodes.values(), 1):
            if number % SLICE == 0:
                yield
            by = {
                next((party for party in parties if party <= sample.labels.items()), parties[-1])
                for sample in node.listed_by
            }
            listed.update(by)
            told_twice += len(by) > 1
        return 2 * told_twice < min(listed.values()) if len(listed) > 1 else self.mixed

    def _decide(self) -> Dialect:
        if self._fixed_dialect != "auto":
            return Dialect(self._fixed_dialect, "configured")
        codes = Counter[int]()
        for (code, _), nodes in self._census.items():
            if code is not None and nodes:
                codes[code] += nodes
        # That no node is full proves nothing against a fork; only a node that is busy and not full does.
        full_and_busy = self._census[2, True] or (self.dialect.name == "fork" and not self._census[2, False])
        found = detect(
            codes,
            labelled=not codes and any(node.states for node in self.nodes.values()),
            counts=self.counted,
            names=self._names,
            full_and_busy=bool(full_and_busy),
        )
        if found.name == self.dialect.name or self.dialect.decided_by == "assumed":
            self._contrary = 0
            return found if self.dialect.decided_by == "assumed" else self.dialect
        self._contrary += self.fresh
        if self._contrary < CONTRARY_SCRAPES:
            return self.dialect
        self._contrary = 0
        return found

    def _detect_unit(self, touched: set[str]) -> str:
        """What the changed nodes say; where none says anything, what was said before."""
        metric = NODE_MEMORY["totalMemoryGiB"][-1]
        if metric not in self._names:
            return self.unit
        totals = [self.nodes[name].get(metric, 0) for name in touched if name in self.nodes]
        return memory_unit(totals) if any(totals) else self.unit


def _state_label(name: str, labels: Mapping[str, str]) -> str | None:
    if name not in NODE_STATE:
        return None
    return next((labels[label] for label in STATE_LABELS if label in labels), None)
