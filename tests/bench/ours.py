"""This server as a process that a bench can ask: the demo's simulated cluster, the whole way to the readers, and counters beside it.

    python -m tests.bench.ours LOOP        (the rest of the configuration is in the environment)

Answers to:
  readers    {"all", "current"}: subscribers, and how many of them have been told everything and have taken it
  built      {"snapshots", "diffs"}: how many times the store joined each snapshot (view and revision) and diff (from which, besides) since
             it was asked last: how many different ones, how often in all, how often at most the same
  settle     collects garbage
  trim       gives back what malloc keeps of the memory that was freed (glibc)
  trace      from now on notes where memory is taken, which costs some
  traced     [bytes, count, where] since then, the most first
"""

import asyncio
import ctypes
import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import structlog

from realtime.app import Server, serving
from realtime.clock import now_ms
from realtime.config import Cluster, Settings
from realtime.loading import load
from realtime.source.simulator import SimulatedCluster, SimulatedSource
from realtime.state.store import Store
from realtime.state.view import View
from tests.bench import child

MOST_TRACED: Final = 40


class Built:
    """Counts what the store joins."""

    def __init__(self) -> None:
        self.snapshots = Counter[Hashable]()
        self.diffs = Counter[Hashable]()
        snapshot, changes_since = Store.snapshot, Store.changes_since

        def counted_snapshot(store: Store, view: View) -> bytes:
            self.snapshots[store.cursor, view] += 1
            return snapshot(store, view)

        def counted_changes(store: Store, revision: int, view: View) -> bytes | None:
            patch = changes_since(store, revision, view)
            self.diffs[store.cursor, view, revision] += patch is not None
            return patch

        Store.snapshot, Store.changes_since = counted_snapshot, counted_changes  # type: ignore[method-assign, assignment]

    def told(self) -> dict[str, tuple[int, int, int]]:
        """And begins anew."""
        said = {
            name: (len(counts), counts.total(), max(counts.values(), default=0))
            for name, counts in (("snapshots", self.snapshots), ("diffs", self.diffs))
        }
        self.snapshots.clear()
        self.diffs.clear()
        return said


def readers(server: Server) -> dict[str, int]:
    """How many there are, and how many of them have nothing to wait for."""
    found = [subscriber for feed in server.feeds.values() for subscriber in feed.hub.subscribers()]
    current = sum(
        subscriber.revision == subscriber.edition.revision and not subscriber.outlet.unsent()
        for subscriber in found
    )
    return {"all": len(found), "current": current}


def traced() -> list[tuple[int, int, str]]:
    """Where the memory is that was taken since tracing began."""
    gc.collect()
    statistics = tracemalloc.take_snapshot().statistics("lineno")[:MOST_TRACED]
    return [
        (
            each.size,
            each.count,
            "/".join(Path(each.traceback[0].filename).parts[-3:]) + f":{each.traceback[0].lineno}",
        )
        for each in statistics
    ]


async def serve() -> None:
    settings = load(api_host="127.0.0.1", api_port=0, cluster_name="hopper")

    def simulated(_: Cluster, __: Settings) -> SimulatedSource:
        return SimulatedSource(SimulatedCluster(46, pace=0.1), now_ms=now_ms)

    built = Built()
    async with serving(settings, simulated) as server:
        answers: dict[str, Any] = child.SETTLE | {
            "readers": lambda: readers(server),
            "built": built.told,
            "trim": lambda: ctypes.CDLL(None).malloc_trim(0),
            "trace": tracemalloc.start,
            "traced": traced,
        }
        while not all(feed.hub.known for feed in server.feeds.values()):
            await asyncio.sleep(0.01)
        await child.answer(int(server.url.rpartition(":")[2]), answers)


def main() -> None:
    # What it says must not come between the answers.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    child.run(sys.argv[1], serve())


if __name__ == "__main__":
    main()
