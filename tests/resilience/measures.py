"""What is measured while something goes on: how late readers hear, and how much memory the server takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.resilience.crowd import Crowd
from tests.resilience.daemon import Daemon

SAMPLE_SECONDS: Final = 0.5
TICK_SECONDS: Final = 0.01


@dataclass
class Measured:
    """What was seen in a while."""

    late_ms: list[float] = field(default_factory=list)
    """How long after its publication every reader heard every diff; known in the end."""
    rss_mib: list[float] = field(default_factory=list)
    """The server's resident memory, twice a second."""
    busy_ms: float = 0.0
    """By how much this process, too, was once late: a machine that has other work makes everybody late."""

    @property
    def p99_ms(self) -> float:
        assert len(self.late_ms) >= 100, f"only {len(self.late_ms)} diffs were heard"
        return sorted(self.late_ms)[len(self.late_ms) * 99 // 100]

    @property
    def growth_mib(self) -> float:
        """By how much the memory was ever above what it was at the beginning."""
        return max(self.rss_mib) - self.rss_mib[0]

    def __str__(self) -> str:
        return f"p99 {self.p99_ms:.0f} ms of {len(self.late_ms)} diffs, {self.rss_mib[0]:.1f} MiB + {self.growth_mib:.1f}"


@asynccontextmanager
async def measured(daemon: Daemon, crowd: Crowd) -> AsyncIterator[Measured]:
    """Measure what goes on meanwhile."""
    found = Measured()
    for reader in crowd.readers:
        reader.late_ms.clear()
    watching = [asyncio.create_task(work) for work in (_sample(daemon, found), _tick(found))]
    try:
        yield found
    finally:
        for task in watching:
            task.cancel()
    found.rss_mib.append(daemon.rss_mib)
    found.late_ms = [late for reader in crowd.readers for late in reader.late_ms]


async def _sample(daemon: Daemon, found: Measured) -> None:
    while True:
        found.rss_mib.append(daemon.rss_mib)
        await asyncio.sleep(SAMPLE_SECONDS)


async def _tick(found: Measured) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        found.busy_ms = max(found.busy_ms, 1_000 * (clock() - due))


def assert_unnoticed(before: Measured, meanwhile: Measured) -> None:
    """Fail if readers heard later than before, by more than a busy machine explains."""
    allowed = max(NOISE * before.p99_ms, NOISE_MS) + 2 * meanwhile.busy_ms
    assert meanwhile.p99_ms <= allowed, f"{before}; then {meanwhile}"


NOISE: Final = 3.0
"""So much later may the p99 be on a machine of two cores that has other work."""

NOISE_MS: Final = 250.0
"""A p99 below this is none too late, however small the one before."""
