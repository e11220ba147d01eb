"""What a reader weighs, and what it costs when a quarter of them never read again.

    make bench        or        python -m tests.bench.memory [--readers N] [--minutes M] [--loops LOOP…] [--where]

A reader's weight is the resident memory that it adds to the server once everyone is idle and all garbage is collected, in KiB; beside it stands
that of a bare aiohttp handler in the same run (`everything` and `summary` are views of this server). What the kernel keeps for a
connection is in no process's memory. `--where` tells which lines took it, a reader.

The second table has two runs of publications four times a second: with readers that all read, and with a third as many more that never read
again once they are connected. They end when the sweeper finds that they have taken nothing for SLOW_READER_TIMEOUT_SECONDS (30), or when they
have left a ping unanswered, whichever comes first: `closed after` is when the first and the last of their sockets were, counted from when all
were connected. The memory is the server's: before anybody came, at most, at the end with all garbage collected, and then without what
malloc keeps of what was freed; `growth` is the slope of the run's second half.
"""

import argparse
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.child import Child, child
from tests.bench.contenders import UNLIMITED
from tests.bench.fanout import progress, show
from tests.bench.load import OURS, Heard, Load
from tests.bench.machine import require, rss_kib

SETTLE_SECONDS: Final = 2.0
WARM: Final = 100
"""Readers who come and go before anything is weighed, so that what is made once is there."""
WATCH_SECONDS: Final = 1.0
HZ: Final = 4
LEAVE_SECONDS: Final = 2.0
"""Before the end everything is weighed while the readers are still there."""


class Kind(NamedTuple):
    """Whose readers are weighed."""

    name: str
    server: str
    transport: str
    path: str


KINDS: Final = (
    Kind("bare aiohttp", "bare", "ws", "/ws"),
    Kind("everything", "ours", "ws", "/api/ws"),
    Kind("summary", "ours", "ws", "/api/ws?topics=summary"),
    Kind("bare aiohttp-sse", "bare", "sse", "/events"),
    Kind("everything", "ours", "sse", "/api/events"),
    Kind("summary", "ours", "sse", "/api/events?topics=summary"),
)


def warm(server: Child, kind: Kind) -> None:
    """Let a few readers come and go."""
    with Load(server.port, path=kind.path, transport=kind.transport, readers=WARM, seconds=1) as load:
        load.heard()


def weigh(kind: Kind, event_loop: str, readers: int) -> float:
    """KiB a reader."""
    with child(kind.server, event_loop, POLL_INTERVAL_SECONDS="3600", **UNLIMITED) as server:
        warm(server, kind)
        before = server.settled_kib()
        with Load(server.port, path=kind.path, transport=kind.transport, readers=readers, seconds=60) as load:
            connected = load.connected()
            load.started()
            time.sleep(SETTLE_SECONDS)
            return (server.settled_kib() - before) / connected


def weights(readers: int, loops: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A line for each kind and loop."""
    yield "readers of", "transport", "loop", "readers", "KiB", "× bare"
    for event_loop in loops:
        bare = 0.0
        for kind in KINDS:
            progress(f"{readers} idle readers: {kind.name}, {kind.transport}, {event_loop}")
            kib = weigh(kind, event_loop, readers)
            bare = kib if kind.server == "bare" else bare
            yield kind.name, kind.transport, event_loop, f"{readers:,}", f"{kib:.1f}", f"{kib / bare:.2f}"


def where(readers: int, event_loop: str) -> Iterator[tuple[str, ...]]:
    """The lines that took the most, for each kind of ours."""
    yield "readers of", "transport", "bytes a reader", "objects", "line"
    for kind in KINDS:
        if kind.server == "ours" and kind.name == "everything":
            progress(f"where the memory is: {kind.transport}, {event_loop}")
            with child("ours", event_loop, POLL_INTERVAL_SECONDS="3600", **UNLIMITED) as server:
                warm(server, kind)
                server.ask("trace")
                with Load(
                    server.port, path=kind.path, transport=kind.transport, readers=readers, seconds=60
                ) as load:
                    connected = load.connected()
                    load.started()
                    time.sleep(SETTLE_SECONDS)
                    found = server.ask("traced")
            for size, count, line in found:
                if size / connected >= 16:
                    yield (
                        kind.name,
                        kind.transport,
                        f"{size / connected:.0f}",
                        f"{count / connected:.1f}",
                        line,
                    )


class Watch(threading.Thread):
    """Notes a server's resident memory and open files, each second, until it is told to stop."""

    def __init__(self, server: Child) -> None:
        super().__init__()
        self._server = server
        self._over = threading.Event()
        self.kib: list[int] = []
        self.files: list[int] = []

    def run(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            self.kib.append(rss_kib(self._server.pid))
            self.files.append(sum(1 for _ in Path(f"/proc/{self._server.pid}/fd").iterdir()))

    def stop(self) -> None:
        self._over.set()
        self.join()

    def growth_kib(self) -> float:
        """A minute, over the second half: the least squares' slope."""
        half = self.kib[len(self.kib) // 2 :]
        middle, mean = (len(half) - 1) / 2, sum(half) / len(half)
        moments = sum((at - middle) * (kib - mean) for at, kib in enumerate(half))
        return moments / sum((at - middle) ** 2 for at in range(len(half))) * 60 / WATCH_SECONDS

    def closed(self, count: int) -> str:
        """When the first and the last of so many were closed, in seconds."""
        most = max(self.files)
        first, last = (
            next((f"{second}" for second, files in enumerate(self.files, 1) if files <= limit), "never")
            for limit in (most - 1, most - count)
        )
        return f"{first}–{last}"


class Run(NamedTuple):
    """One run."""

    heard: Heard
    watch: Watch
    before_kib: int
    after_kib: int
    trimmed_kib: int


def publish_to(event_loop: str, readers: int, stalled: int, seconds: int) -> Run:
    """Publications to these readers, and to those who never read."""
    variables: dict[str, str] = {"POLL_INTERVAL_SECONDS": str(1 / HZ), **UNLIMITED}
    with child("ours", event_loop, **variables) as server:
        warm(server, KINDS[1])
        before = server.settled_kib()
        watch = Watch(server)
        stalling = ("-S", str(stalled))
        with Load(server.port, *OURS, *stalling, readers=readers + stalled, seconds=seconds) as load:
            load.connected()
            watch.start()
            load.started()
            time.sleep(seconds - LEAVE_SECONDS)
            watch.stop()
            after = server.settled_kib()
            server.ask("trim")
            return Run(load.heard(), watch, before, after, rss_kib(server.pid))


def stalls(readers: int, seconds: int, loops: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A line for each run."""
    yield (
        "reading", "stalled", "loop", "p50 ms", "p99 ms", "missing", "breaks", "closed after s", "MiB before", "at most", "at the end",
        "trimmed", "growth KiB/min",
    )  # fmt: skip
    for event_loop in loops:
        for stalled in (0, readers // 3):
            progress(f"{readers} readers and {stalled} that never read, {seconds} s, {event_loop}")
            run = publish_to(event_loop, readers, stalled, seconds)
            yield (
                f"{readers:,}",
                f"{stalled:,}",
                event_loop,
                f"{run.heard.p50_ms:.0f}",
                f"{run.heard.p99_ms:.0f}",
                f"{run.heard.missing:,}",
                f"{run.heard.breaks:,}",
                run.watch.closed(stalled) if stalled else "",
                *(
                    f"{kib / 1024:.0f}"
                    for kib in (run.before_kib, max(run.watch.kib), run.after_kib, run.trimmed_kib)
                ),
                f"{run.watch.growth_kib():.0f}",
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description="What a reader weighs.")
    parser.add_argument(
        "--readers", type=int, default=4_000, help="of the first table (4000); 3/4 of them in the second"
    )
    parser.add_argument(
        "--minutes", type=float, default=5, help="of each run of the second table (5); 0: without it"
    )
    parser.add_argument("--loops", nargs="+", default=["asyncio", "uvloop"])
    parser.add_argument("--where", action="store_true", help="also say which lines took the memory")
    given = parser.parse_args()
    require(given.readers)
    show(f"{given.readers:,} idle readers", weights(given.readers, given.loops))
    for event_loop in given.loops if given.where else ():
        show(f"Where it is, {event_loop}", where(given.readers // 4, event_loop))
    if given.minutes:
        lines = stalls(given.readers * 3 // 4, round(given.minutes * 60), given.loops)
        show(f"A quarter never reads again, {HZ} publications a second for {given.minutes:g} minutes", lines)


if __name__ == "__main__":
    main()
