"""What the poller asks of a source, be it VictoriaMetrics or the simulator."""

from collections.abc import Collection
from typing import Protocol

from realtime.state.grid import Grid


class Source(Protocol):
    """One cluster's readings. Every method raises SourceError, and nothing else, when they cannot be had."""

    partial: bool
    """At the last probe the source said that part of it is missing: what it does not list now may well exist."""

    async def probe(self) -> int | None:
        """The newest sample's timestamp in epoch ms, cheaply; None if there is no sample."""

    async def fetch(self) -> bytes:
        """Every current sample, in the Prometheus text format with timestamps."""

    async def history(self, fields: Collection[str], grid: Grid) -> dict[str, list[float | None]]:
        """Each field's mean over each step of the grid; None where nothing is known. `realtime.source.history.FIELDS` names them."""

    async def groups(self) -> list[dict[str, str]]:
        """The `cluster` and `job` labels (empty where there are none) under which exporters report, each combination once."""

    async def close(self) -> None:
        """Give back what was opened."""
