"""Reads text through the real parser into the assembler, as the poller does."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

from realtime.pbs.assemble import Assembler
from realtime.source.exposition import Exposition

T = TypeVar("T")

METRICS = Path(__file__).parent.parent / "data" / "metrics"


def finish(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value


class Cluster:
    """One cluster as it is read again and again."""

    def __init__(self, **keys: Any) -> None:
        self.exposition = Exposition()
        self.assembler = Assembler(**keys)

    def read(self, text: str, now_ms: int = 0) -> dict[str, dict[str, dict[str, Any]]]:
        reading = finish(self.exposition.read(text.encode(), now_ms or 1))
        topics = finish(self.assembler.assemble(reading.changed, reading.gone, now_ms))
        assert topics is not None
        return topics


def capture(name: str) -> str:
    return (METRICS / f"{name}.txt").read_text()


def read(text: str, **keys: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return Cluster(**keys).read(text)
