"""What it costs to tell everyone: this server beside the floor and its peers, in one run.

    make bench        or        python -m tests.bench.fanout [--readers N] [--hz HZ] [--seconds S] [--rounds N] [--only NAME…] [--tables 123]

docs/benchmarks.md says how to read the tables.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Final, NamedTuple

from tests.bench.contenders import CONTENDERS, FLOOR, OUR_WEBSOCKET, Contender
from tests.bench.load import Heard, Load
from tests.bench.machine import cores, cpu_seconds, require, rss_kib
from tests.bench.table import markdown, span

MANY: Final = 10_000
MANY_HZ: Final = 1.0

VIEWS: Final = 500

VIEW: Final = "/api/ws?nodes=hopper-*,none-%d"
"""Views that differ by a glob that no node's name matches: each is another view, and all have the same messages."""

ALONE_SECONDS: Final = 3.0
"""For so long a server is watched without readers."""

SETTLE_SECONDS: Final = 1.0

VERSIONS: Final = (
    "aiohttp",
    "aiohttp-sse",
    "uvloop",
    "picows",
    "websockets",
    "sse-starlette",
    "uvicorn",
    "python-socketio",
)


class Measured(NamedTuple):
    """One server, one round."""

    heard: Heard
    alone_us: float
    """What the server spends without readers, as a part of each delivery."""
    rss_kib: float
    """Resident memory that each reader added."""


class Row(NamedTuple):
    """One server, one round, and the floor right after it."""

    measured: Measured
    floor: Heard
    """Of messages as long as the server's."""

    @property
    def ratio(self) -> float:
        return self.measured.heard.cpu_us / self.floor.cpu_us

    @property
    def own_ratio(self) -> float:
        """Without what it spends without readers."""
        return (self.measured.heard.cpu_us - self.measured.alone_us) / self.floor.cpu_us

    @property
    def p99_ratio(self) -> float:
        return self.measured.heard.p99_ms / self.floor.p99_ms


def measure(
    contender: Contender, readers: int, hz: float, size: int, seconds: int, *options: str, path: str = ""
) -> Measured:
    """Run it once with its readers."""
    with contender.up(hz, size) as server:
        time.sleep(SETTLE_SECONDS)
        alone = 0.0
        if contender.is_ours:  # the others do nothing but wait
            before = cpu_seconds(server.pid)
            time.sleep(ALONE_SECONDS)
            alone = (cpu_seconds(server.pid) - before) / ALONE_SECONDS
        resident = rss_kib(server.pid)
        with Load(
            server.port,
            *contender.options,
            *options,
            path=path or contender.path,
            transport=contender.transport,
            readers=readers,
            seconds=seconds,
            server_pid=server.pid,
        ) as load:
            connected = load.connected()
            load.started()
            added = rss_kib(server.pid) - resident
            heard = load.heard()
    if not heard.deliveries:
        sys.exit(
            f"bench: no reader of {contender.name} ({contender.loop}, {contender.transport}) heard anything"
        )
    if connected < readers or heard.closed:
        note = f"bench: {contender.name} ({contender.loop}, {contender.transport}): of {readers} readers {connected} connected, {heard.closed} were closed"
        print(note, file=sys.stderr)
    return Measured(heard, alone * heard.seconds * 1e6 / heard.deliveries, added / readers)


def beside_floor(
    contender: Contender, readers: int, hz: float, size: int, seconds: int, *options: str, path: str = ""
) -> Row:
    """Run it once, and then the floor with messages of the length that its own had."""
    measured = measure(contender, readers, hz, size, seconds, *options, path=path)
    floor = measure(FLOOR, readers, hz, round(measured.heard.message_bytes), seconds)
    return Row(measured, floor.heard)


def rounds(
    contenders: Sequence[Contender], readers: int, hz: float, size: int, seconds: int, count: int
) -> dict[Contender, list[Row]]:
    """Every server once a round."""
    rows: dict[Contender, list[Row]] = {contender: [] for contender in contenders}
    for number in range(1, count + 1):
        for contender in contenders:
            progress(f"round {number} of {count}: {contender.name}, {contender.loop}, {contender.transport}")
            rows[contender].append(beside_floor(contender, readers, hz, size, seconds))
    return rows


def message_bytes(hz: float) -> int:
    """The mean size of this server's messages, to one reader."""
    progress("how large this server's messages are")
    return round(measure(OUR_WEBSOCKET, 1, hz, 0, 10).heard.message_bytes)


# -- the tables


def middle(rows: Sequence[Row], figure: Callable[[Row], float]) -> float:
    return statistics.median(figure(row) for row in rows)


def compared(rows: dict[Contender, list[Row]]) -> Iterator[tuple[str, ...]]:
    """A line for the floor and for each server."""
    yield (
        "server", "loop", "transport", "readers", "bytes", "deliveries", "CPU µs", "× floor", "(range)", "own × floor",
        "p50 ms", "p99 ms", "p99 × floor", "KiB/reader", "missing", "breaks",
    )  # fmt: skip
    floors = [row.floor for found in rows.values() for row in found]
    usual = statistics.median(floor.cpu_us for floor in floors)
    yield (
        *(FLOOR.name, FLOOR.loop, FLOOR.transport),
        *told(floors),
        "1.00",
        span(floor.cpu_us / usual for floor in floors),
        "",
        *lateness(floors),
        *("1.00", ""),
        *lost(floors),
    )
    for contender, found in rows.items():
        heard = [row.measured.heard for row in found]
        yield (
            *(contender.name, contender.loop, contender.transport),
            *told(heard),
            f"{middle(found, lambda row: row.ratio):.2f}",
            span(row.ratio for row in found),
            f"{middle(found, lambda row: row.own_ratio):.2f}" if contender.is_ours else "",
            *lateness(heard),
            f"{middle(found, lambda row: row.p99_ratio):.2f}",
            f"{middle(found, lambda row: row.measured.rss_kib):.1f}",
            *lost(heard),
        )


def told(heard: Sequence[Heard]) -> tuple[str, ...]:
    """Who was told how much, and what it cost."""
    return (
        f"{min(each.established for each in heard):,}",
        f"{statistics.median(each.message_bytes for each in heard):,.0f}",
        f"{sum(each.deliveries for each in heard):,}",
        f"{statistics.median(each.cpu_us for each in heard):.1f}",
    )


def lateness(heard: Sequence[Heard]) -> tuple[str, ...]:
    return (
        f"{statistics.median(each.p50_ms for each in heard):.0f}",
        f"{statistics.median(each.p99_ms for each in heard):.0f}",
    )


def lost(heard: Sequence[Heard]) -> tuple[str, ...]:
    return f"{sum(each.missing for each in heard):,}", f"{sum(each.breaks for each in heard):,}"


def views(
    readers: int, hz: float, seconds: int, count: int, loops: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Two lines for each loop: the same readers on one view, and on many."""
    yield (
        "loop",
        "views",
        "readers each",
        "bytes",
        "CPU µs",
        "× floor",
        "own × floor",
        "× one view",
        "(range)",
        "missing",
        "breaks",
    )
    for loop in loops:
        contender = OUR_WEBSOCKET._replace(loop=loop)
        rows: dict[int, list[Row]] = {1: [], VIEWS: []}
        for number in range(1, count + 1):
            for distinct, found in rows.items():
                progress(f"round {number} of {count}: {distinct} views, {loop}")
                found.append(beside_floor(contender, readers, hz, 0, seconds, "-v", str(distinct), path=VIEW))
        for distinct, found in rows.items():
            heard = [row.measured.heard for row in found]
            _, size, _, cpu_us = told(heard)
            ratios = [row.ratio / one.ratio for row, one in zip(found, rows[1], strict=True)]
            yield (
                *(loop, f"{distinct:,}", f"{readers // distinct:,}", size, cpu_us),
                f"{middle(found, lambda row: row.ratio):.2f}",
                f"{middle(found, lambda row: row.own_ratio):.2f}",
                f"{statistics.median(ratios):.2f}",
                span(ratios),
                *lost(heard),
            )


def progress(text: str) -> None:
    """Say what goes on, beside the tables."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def show(title: str, lines: Iterable[tuple[str, ...]]) -> None:
    table = markdown(lines)
    print(f"\n{title}\n\n{table}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.fanout", description="What it costs to tell everyone."
    )
    parser.add_argument("--readers", type=int, default=4_000, help="of the first and the third table (4000)")
    parser.add_argument("--many", type=int, default=MANY, help=f"readers of the second table ({MANY})")
    parser.add_argument("--hz", type=float, default=4.0, help="messages a second (4); the second table has 1")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement (10)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="measurements of each server; the medians are told (3)"
    )
    parser.add_argument(
        "--only", nargs="+", default=[""], help="parts of the servers' names; also of loop and transport"
    )
    parser.add_argument("--tables", default="123", help="which of the three (123)")
    given = parser.parse_args()
    chosen = [
        contender
        for contender in CONTENDERS
        if any(part in f"{contender.name} {contender.loop} {contender.transport}" for part in given.only)
    ]
    require(max(given.readers, given.many if "2" in given.tables else 0))
    here, there = cores()
    apart = "" if here != there else ": no figure is worth much, for the load runs on the server's core"
    print(
        f"Linux {platform.release()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()};"
        f" servers on core {min(here)}, load on {', '.join(map(str, sorted(there)))}{apart}"
    )
    print(", ".join(f"{name} {version(name)}" for name in VERSIONS))
    size = message_bytes(given.hz)
    if "1" in given.tables:
        found = rounds(chosen, given.readers, given.hz, size, given.seconds, given.rounds)
        show(f"{given.readers:,} readers, {given.hz:g} messages a second", compared(found))
    if "2" in given.tables:
        found = rounds(chosen, given.many, MANY_HZ, size, given.seconds, given.rounds)
        show(f"{given.many:,} readers, {MANY_HZ:g} message a second", compared(found))
    if "3" in given.tables:
        loops = [contender.loop for contender in chosen if contender.is_ours and contender.transport == "ws"]
        lines = views(given.readers, given.hz, given.seconds, given.rounds, loops or ["asyncio"])
        show(
            f"{given.readers:,} readers of one view and of {VIEWS} views, {given.hz:g} messages a second",
            lines,
        )


if __name__ == "__main__":
    main()
