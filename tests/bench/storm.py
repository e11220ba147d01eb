"""What it costs when everyone drops the connection and returns within two seconds.

    make bench        or        python -m tests.bench.storm [--readers N] [--seconds S] [--loops LOOP…]

They return with the cursors that they had, or all with one that was never ours. Publications go on, one a second. `snapshots` and `diffs` count
what the store joined from the drop until all were current again: different ones, joined in all, and at most how often the same; a snapshot is
the same if its view and revision are, a diff if also what it begins at. `current` is when everyone was connected again, had been told
everything, and had taken it. Answers of REST are asked for every 5 ms from the drop until then.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.bench.child import child
from tests.bench.contenders import UNLIMITED
from tests.bench.fanout import progress, show
from tests.bench.load import OURS, Load
from tests.bench.machine import require
from tests.bench.rest import ask, percentile

RETURN_SECONDS: Final = 2
ALIEN: Final = "feedbeef-7"
LOOK_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 20.0


def storm(event_loop: str, transport: str, cursor: str, readers: int) -> tuple[str, ...]:
    """One line."""
    seconds = round(PATIENCE_SECONDS) + 1
    returning = ("-X", str(RETURN_SECONDS), *(("-C", cursor) if cursor else ()))
    path = "/api/ws" if transport == "ws" else "/api/events"
    with (
        child("ours", event_loop, POLL_INTERVAL_SECONDS="1", **UNLIMITED) as server,
        Load(
            server.port, *OURS, *returning, path=path, transport=transport, readers=readers, seconds=seconds
        ) as load,
        ThreadPoolExecutor(1) as threads,
    ):
        load.connected()
        load.started()
        server.ask("built")
        began = time.monotonic()
        current_after = None
        asking = threads.submit(ask, server.port, lambda: current_after is None)
        left = False
        while current_after is None:
            time.sleep(LOOK_SECONDS)
            found = server.ask("readers")
            after = time.monotonic() - began
            left = left or found["all"] < readers
            if (left and found["current"] == readers) or after > PATIENCE_SECONDS:
                current_after = after
        built = server.ask("built")
        answers = asking.result()
        heard = load.heard()
    return (
        f"{heard.established:,}",
        "alien" if cursor else "their own",
        transport,
        event_loop,
        *(
            f"{different}, {joined}, {most}"
            for different, joined, most in (built["snapshots"], built["diffs"])
        ),
        f"{heard.snapshots:,}",
        f"{current_after:.1f}" if current_after < PATIENCE_SECONDS else f"> {PATIENCE_SECONDS:g}",
        f"{percentile(answers, 0.5):.1f}",
        f"{percentile(answers, 0.99):.1f}",
        f"{heard.failed:,}",
        f"{heard.breaks:,}",
    )


def storms(readers: int, loops: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A line for each kind."""
    yield (
        "readers", "cursors", "transport", "loop", "snapshots", "diffs", "snapshots heard", "current after s", "REST p50 ms", "p99 ms",
        "refused", "breaks",
    )  # fmt: skip
    for event_loop in loops:
        for transport in ("ws", "sse"):
            for cursor in ("", ALIEN):
                progress(
                    f"{readers} readers return with {cursor or 'their'} cursors, {transport}, {event_loop}"
                )
                yield storm(event_loop, transport, cursor, readers)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.storm", description="Everyone drops the connection and returns."
    )
    parser.add_argument("--readers", type=int, default=5_000)
    parser.add_argument("--loops", nargs="+", default=["asyncio", "uvloop"])
    given = parser.parse_args()
    require(given.readers)
    show(f"All return within {RETURN_SECONDS} s", storms(given.readers, given.loops))


if __name__ == "__main__":
    main()
