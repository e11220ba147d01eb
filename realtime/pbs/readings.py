"""What is told of one thing, metric by metric, and by which series.

Several series may tell one reading: a relabelled target's old ones stay visible for minutes, and two scrapers of one exporter each send their own.
"""

from collections.abc import Mapping
from typing import Protocol

from realtime.pbs.names import NODE_STATE, first


class Sample(Protocol):
    """One labelled value (see `source/sample.py`)."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def value(self) -> float: ...
    @property
    def at(self) -> int: ...
    @property
    def origin(self) -> tuple[str, str]: ...


class Readings(dict[str, float]):
    """Readings by metric. Of several series for one reading the newest counts, and when it ends the newest of those that are left."""

    __slots__ = ("rivals", "said")

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, Sample] = {}
        """Which sample each reading is from."""
        self.rivals: dict[str, list[Sample]] = {}
        """The other samples that tell it, where there are any."""

    def tellers(self, name: str) -> list[Sample]:
        """Every sample that tells a reading, the one that counts first."""
        return [self.said[name], *self.rivals.get(name, ())]

    def take(self, name: str, sample: Sample) -> None:
        """A series tells this reading: it counts, unless a newer one does."""
        before = self.said.get(name)
        if before is not None and before is not sample:
            rivals = self.rivals.setdefault(name, [])
            if sample not in rivals:
                rivals.append(sample)
            if before.at > sample.at:
                return
            rivals.remove(sample)
            rivals.append(before)
        self.said[name] = sample
        self[name] = sample.value

    def drop(self, name: str, sample: Sample) -> None:
        """A series tells this reading no more; who never told it may say so too."""
        rivals = self.rivals.get(name, [])
        if sample in rivals:
            rivals.remove(sample)
        elif self.said.get(name) is sample:
            del self.said[name], self[name]
            if rivals:
                heir = max(rivals, key=lambda each: each.at)
                rivals.remove(heir)
                self.said[name] = heir
                self[name] = heir.value
        if not rivals:
            self.rivals.pop(name, None)


class Node(Readings):
    """A node's readings, and the states that the label dialect names."""

    __slots__ = ("labelled",)

    def __init__(self) -> None:
        super().__init__()
        self.labelled = Readings()
        """1 or 0 by the word for a state."""

    @property
    def states(self) -> list[str]:
        """The words for the states that it is in."""
        return [word for word, value in self.labelled.items() if value]

    @property
    def listed_by(self) -> list[Sample]:
        """Every sample of one of its readings: who tells that tells the others too."""
        readings = self if self.said else self.labelled
        return next((readings.tellers(name) for name in readings.said), [])

    @property
    def code(self) -> int | None:
        """What `pbs_node_state` says, where it is a whole number."""
        value = first(self, NODE_STATE)
        return int(value) if value is not None and value.is_integer() else None

    @property
    def full(self) -> bool:
        """Whether it runs jobs on all of its CPUs."""
        total = self.get("pbs_node_cpus_total", 0)
        return self.get("pbs_node_jobs", 0) > 0 and 0 < total <= self.get("pbs_node_cpus_used", 0)
