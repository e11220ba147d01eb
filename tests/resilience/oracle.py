"""Nothing lost, nothing invented: what every reader holds is compared with what was ever true.

Laws, of every message that any reader ever hears:
1. Two who stand at one cursor of one view hold the same, however they came there: by a snapshot, by diffs over any transport, or by asking REST.
2. What is held is one scrape, whole, and none that the source has not told yet.
3. Nobody is taken back to an older scrape, unless the source itself went back.
4. What is called live is not older than what is called stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from tests.client import ClientModel
from tests.readers import canonical
from tests.resilience.numbered import NumberedExporter, brief, scrape_of

ViewKey = tuple[tuple[str, str], ...]


@dataclass
class Standing:
    """Where a reader stands: a cursor, and the scrape that it holds there."""

    cursor: str | None = None
    scrape: int = 0


@dataclass
class Oracle:
    """Hears everything, and remembers what was wrong."""

    exporter: NumberedExporter
    stale_after_ms: float
    may_go_back: bool = False
    """Whether readers may hear an older scrape after a newer one: the source's storage was put back, or another server answers."""
    wrong: list[str] = field(default_factory=list)
    checked: int = 0
    """States that were compared."""
    _held: dict[tuple[ViewKey, str], tuple[bytes, int]] = field(default_factory=dict)

    @property
    def cursors(self) -> int:
        """Different places at which somebody stood."""
        return len(self._held)

    def hear(
        self, view: Mapping[str, str], standing: Standing, message: Mapping[str, Any], client: ClientModel
    ) -> None:
        """A reader of this view has heard this, and now holds what its client holds."""
        if message["type"] == "heartbeat":
            self._judge_age(message)
        if message["type"] not in ("snapshot", "diff") or client.cursor is None or client.state is None:
            return
        scrape = self.scrape_at(view, client.cursor, client.state)
        if scrape < standing.scrape and not self.may_go_back:
            self.wrong.append(f"{dict(view)} went back from scrape {standing.scrape} to {scrape}")
        standing.cursor, standing.scrape = client.cursor, scrape

    def scrape_at(self, view: Mapping[str, str], cursor: str, state: Mapping[str, Any]) -> int:
        """Which scrape this is, after it was compared with what others held there."""
        self.checked += 1
        key = (tuple(sorted(view.items())), cursor)
        digest = blake2b(canonical(state), digest_size=16).digest()
        if key not in self._held:
            self._held[key] = digest, self._scrape(view, cursor, state)
        held, scrape = self._held[key]
        if held != digest:
            self.wrong.append(f"two states of {dict(view)} at {cursor}")
        return scrape

    def _scrape(self, view: Mapping[str, str], cursor: str, state: Mapping[str, Any]) -> int:
        scrape = scrape_of(state, self.exporter.scrape, view.get("nodes", "*"))
        if scrape is None:
            self.wrong.append(f"{dict(view)} at {cursor} was never true: {brief(state)}")
        elif scrape > self.exporter.scrape:
            self.wrong.append(f"{dict(view)} at {cursor} is of scrape {scrape}, which was not told yet")
        return scrape or 0

    def _judge_age(self, heartbeat: Mapping[str, Any]) -> None:
        if heartbeat["quality"] == "live" and heartbeat["dataAgeMs"] > self.stale_after_ms:
            self.wrong.append(f"called live: {dict(heartbeat)}")
