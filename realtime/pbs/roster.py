"""The nodes of a cluster through time: what each is, since when, and for how long it has been missed.

A node's readings of one moment do not tell all: whether it is really down shows in how long its jobs stay, what it has shows in what it
had before its MoM fell silent, and whether it is gone shows in how long nobody has listed it. That memory is here, and only here.

Law: a node is removed after its grace, and only while the exporter that told of it lists others. An exporter that lists none has failed,
is in its reset, or is down; its nodes stay as they were, and for the grace nobody else's word replaces its own.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final

from realtime.pbs.events import Transition
from realtime.pbs.exporter import Exporter
from realtime.pbs.nodes import CAPACITY, entity, is_shifted
from realtime.pbs.readings import Node
from realtime.pbs.summary import Tally

SLICE: Final = 100
"""Nodes built between two turns of the event loop: 4 ms."""

OUTLIVED_MS: Final = (310 + 60) * 1000
"""PBS requeues the jobs of a node that it cannot reach after node_fail_requeue, 310 s by default (pbs_internal.h:176); a minute more for
the exporter's tick. A site that set it to 0 (never) must switch inference off."""

Entities = dict[str, dict[str, Any]]


class Shown(Node):
    """A node's readings as they were last built from."""

    __slots__ = ()

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.update(node)
        self.labelled.update(node.labelled)


class Roster:
    """Every node, as readers see it, and their tally."""

    def __init__(self, *, grace_ms: int, infer: str) -> None:
        self.entities: Entities = {}
        self.tally = Tally()
        self.transitions: list[Transition] = []
        """The nodes that the last update saw coming, going, or in another state."""
        self._grace_ms = grace_ms
        self._infer = infer
        self._owners: dict[str, Exporter] = {}
        self._silent: dict[Exporter, bool] = {}
        """Exporters that list nothing, and whether that is so for longer than the grace."""
        self._missing: dict[str, int] = {}
        self._suspects: dict[str, int] = {}
        self._capacity: dict[str, dict[str, Any]] = {}
        self._shown: dict[str, Shown] = {}
        self._torn: dict[str, int] = {}
        self._shifted: set[str] = set()

    @property
    def held(self) -> bool:
        """Whether nodes are shown as they were because the exporter that told of them lists none."""
        return bool(self._silent) and any(owner in self._silent for owner in self._owners.values())

    @property
    def shifted_by(self) -> set[Exporter]:
        """Exporters that told of nodes with their readings in the wrong columns."""
        return {self._owners[name] for name in self._shifted if name in self._owners}

    def jobs_told_by(self, exporter: Exporter) -> int:
        """Jobs on the nodes that this exporter told of."""
        return sum(
            self.entities[name].get("jobCount", 0)
            for name, owner in self._owners.items()
            if owner is exporter
        )

    def update(
        self, exporters: Sequence[Exporter], dirty: Iterable[str], now_ms: int
    ) -> Generator[None, None, None]:
        """Build the dirty nodes anew, and those whose time has come; of two exporters that list a node, the first is believed.

        Nodes that did not change stay the same objects.
        """
        self.transitions = []
        current = dict(self.entities)
        dirty = self._of_turned(exporters, now_ms).union(dirty, self._due(now_ms))
        for number, name in enumerate(sorted(dirty), 1):
            exporter = self._teller(name, exporters)
            if exporter is not None:
                self._missing.pop(name, None)
                self._place(current, name, self._build(exporter, name, now_ms), now_ms)
                self._owners[name] = exporter
            elif name in current:
                self._miss(name, now_ms)
            if number % SLICE == 0:
                yield
        if any(one.nodes for one in exporters):
            for name, since in [*self._missing.items()]:
                if now_ms - since >= self._grace_ms:
                    self._remove(current, name)
        self.entities = current

    def disown(self, exporter: Exporter, now_ms: int) -> None:
        """The exporter will not return: what only it told of is missed from now on."""
        self._silent.pop(exporter, None)
        for name in [name for name, owner in self._owners.items() if owner is exporter]:
            del self._owners[name]
            # Of whom nobody tells it cannot be told how long its jobs stay.
            self._suspects.pop(name, None)
            self._miss(name, now_ms)

    def _of_turned(self, exporters: Iterable[Exporter], now_ms: int) -> set[str]:
        """The nodes of exporters that fell silent, have been so for the grace, or list nodes again."""
        silent = {
            one: now_ms - one.silent_since >= self._grace_ms
            for one in exporters
            if one.silent_since is not None
        }
        turned = {
            one for one in silent.keys() | self._silent.keys() if silent.get(one) != self._silent.get(one)
        }
        self._silent = silent
        return {name for name, owner in self._owners.items() if owner in turned} if turned else set()

    def _due(self, now_ms: int) -> set[str]:
        """Nodes that have been suspect, or torn, for long enough."""
        return {
            name
            for name, since in self._suspects.items()
            if now_ms - since >= OUTLIVED_MS
            and self.entities[name].get("suspect")
            and self._lacks_a_word(self._owners[name])
        } | {name for name, since in self._torn.items() if now_ms - since >= self._grace_ms}

    def _lacks_a_word(self, exporter: Exporter) -> bool:
        """Whether the exporter says down of nodes for whose state it has no word."""
        return self._infer == "on" or exporter.calls_full_nodes_down

    def _teller(self, name: str, exporters: Sequence[Exporter]) -> Exporter | None:
        """Whose word counts; None while it is awaited, or if there is none."""
        owner = self._owners.get(name)
        if owner is not None and self._silent.get(owner) is False:
            return None
        return next((one for one in exporters if name in one.nodes), None)

    def _miss(self, name: str, now_ms: int) -> None:
        """Nobody lists the node: its grace runs, but stands still while its exporter lists none at all."""
        owner = self._owners.get(name)
        if owner is None or owner.nodes:
            self._missing.setdefault(name, now_ms)
        else:
            self._missing.pop(name, None)

    def _build(self, exporter: Exporter, name: str, now_ms: int) -> dict[str, Any]:
        readings = self._whole(exporter, name, now_ms)
        since = self._suspects.get(name)
        infer = self._infer == "on" or (self._infer == "auto" and exporter.dialect.name == "exporter")
        node = entity(
            name,
            readings,
            readings.states,
            exporter.dialect,
            memory_unit=exporter.unit,
            capacity=self._capacity.get(name),
            infer=infer,
            outlived=since is not None and now_ms - since >= OUTLIVED_MS and self._lacks_a_word(exporter),
        )
        if is_shifted(readings):
            self._shifted.add(name)
        else:
            self._shifted.discard(name)
        if infer and (node.get("suspect") or (node.get("stateInferred") and since is not None)):
            self._suspects.setdefault(name, now_ms)
        else:
            self._suspects.pop(name, None)
        if node.get("totalCpus") and not node.get("capacityRemembered"):
            self._capacity[name] = {field: node[field] for field in CAPACITY if field in node}
        return node

    def _whole(self, exporter: Exporter, name: str, now_ms: int) -> Node:
        """The node's readings, and for the grace those that vanished: a scrape becomes visible in pieces, a new series later than others."""
        node = exporter.nodes[name]
        before = self._shown.get(name)
        if before is not None and self._owners.get(name) is exporter:
            lost = before.keys() - node.keys()
            stateless = bool(before.states) and not node.states and node.code is None
            if (lost or stateless) and now_ms - self._torn.setdefault(name, now_ms) < self._grace_ms:
                for metric, value in node.items():
                    before[metric] = value
                if node.states:
                    before.labelled.clear()
                    before.labelled.update(node.labelled)
                return before
        self._torn.pop(name, None)
        shown = self._shown[name] = Shown(node)
        return shown

    def _place(self, current: Entities, name: str, node: dict[str, Any], now_ms: int) -> None:
        before = current.get(name)
        if before is not None:
            if before["state"] != node["state"]:
                node["stateSince"] = now_ms
            elif "stateSince" in before:
                node["stateSince"] = before["stateSince"]
            if before == node:
                return
        if before is None or before["state"] != node["state"]:
            self.transitions.append((name, before, node))
        self.tally.replace(before, node)
        current[name] = node

    def _remove(self, current: Entities, name: str) -> None:
        node = current.pop(name)
        self.tally.replace(node, None)
        self.transitions.append((name, node, None))
        for memory in (
            self._owners, self._missing, self._suspects, self._capacity, self._shown, self._torn,
        ):  # fmt: skip
            memory.pop(name, None)
        self._shifted.discard(name)
