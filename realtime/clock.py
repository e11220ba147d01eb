"""The wall clock. What must not jump when somebody sets it is measured by another (`time.monotonic`)."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Now, epoch ms."""
    return time.time_ns() // 1_000_000


def iso(ms: int, timespec: str = "milliseconds") -> str:
    """An instant (epoch ms) as ISO 8601 in UTC: `2026-11-25T18:30:00.000Z`, or to the precision that `datetime.isoformat` calls so."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
