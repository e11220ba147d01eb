"""What a REST answer costs: requests a second beside a bare aiohttp handler of the same bytes, and how long an answer takes while thousands of
readers are being told something.

    make bench        or        python -m tests.bench.rest [--rounds N] [--seconds S] [--readers N] [--loops LOOP…]

The server serves 46 simulated nodes, wrk asks on 32 connections, the bare handler answers with the bytes of `/api/nodes`. They are asked in
turns, and a ratio is the median of the rounds' ratios: what else this machine does hits both. CPU is the server's, an answer, the least of the
rounds. `× old` is derived: the replaced backend's cached answer was measured at 2,900 a second where a bare handler reached 18,000.

The second table asks every 5 ms, whether or not the answer before has come, and counts from when a request was due. `in flight` are those
that were due between a publication (one a second) and its 99th percentile of delivery.
"""

import argparse
import http.client
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.child import Child, child
from tests.bench.contenders import UNLIMITED
from tests.bench.fanout import progress, show
from tests.bench.load import OURS, Load
from tests.bench.machine import cores, cpu_seconds, require

CONNECTIONS: Final = 32
OLD: Final = 2_900 / 18_000
DUE_SECONDS: Final = 0.005
CROWDED_SECONDS: Final = 15


class Rate(NamedTuple):
    """One path, one round."""

    per_second: float
    cpu_us: float
    p99_ms: float


class Answer(NamedTuple):
    """How long after it was due (`time.perf_counter`) an answer was whole, and its tag."""

    due: float
    took_ms: float
    tag: str


def wrk(server: Child, path: str, header: str, seconds: int) -> Rate:
    """Ask as fast as the server answers."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency"]
    command += ["-H", header] if header else []
    before = cpu_seconds(server.pid)
    with subprocess.Popen(
        [*command, f"http://127.0.0.1:{server.port}{path}"], stdout=subprocess.PIPE, text=True
    ) as process:
        os.sched_setaffinity(process.pid, cores()[1])
        said, _ = process.communicate()
    cpu = cpu_seconds(server.pid) - before
    requests = re.search(r"(\d+) requests in ([\d.]+)s", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    assert requests, said
    assert p99, said
    assert "Non-2xx" not in said, said
    count = int(requests[1])
    unit_ms = {"us": 1e-3, "ms": 1, "s": 1e3}[p99[2]]
    return Rate(count / float(requests[2]), cpu * 1e6 / count, float(p99[1]) * unit_ms)


def get(port: int, path: str) -> tuple[bytes, str]:
    """A body and its tag."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    connection.close()
    return body, response.headers["ETag"]


def rates(event_loop: str, seconds: int, rounds: int) -> Iterator[tuple[str, ...]]:
    """A line for each path."""
    with ExitStack() as stack:
        ours = stack.enter_context(child("ours", event_loop, POLL_INTERVAL_SECONDS="3600"))
        body, tag = get(ours.port, "/api/nodes")
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "body"
        file.write_bytes(body)
        bare = stack.enter_context(child("bare", event_loop, str(file)))
        asked = {
            "bare aiohttp": (bare, "/body", ""),
            "/api/nodes": (ours, "/api/nodes", ""),
            "/api/nodes, 304": (ours, "/api/nodes", f"If-None-Match: {tag}"),
            "/api/nodes?limit=": (ours, "/api/nodes?limit=100&cluster=hopper", ""),
            "/api/state": (ours, "/api/state", ""),
            "/api/stats/cluster": (ours, "/api/stats/cluster", ""),
        }
        found: dict[str, list[Rate]] = {name: [] for name in asked}
        for number in range(1, rounds + 1):
            progress(f"round {number} of {rounds}: requests a second, {event_loop}")
            for name, (server, path, header) in asked.items():
                found[name].append(wrk(server, path, header, seconds))
    least_us = min(each.cpu_us for each in found["bare aiohttp"])
    for name, some in found.items():
        ratios = [
            one.per_second / bare.per_second for one, bare in zip(some, found["bare aiohttp"], strict=True)
        ]
        ratio = statistics.median(ratios)
        yield (
            name,
            event_loop,
            f"{statistics.median(each.per_second for each in some):,.0f}",
            f"{ratio:.2f}",
            f"{min(ratios):.2f}–{max(ratios):.2f}",
            f"{min(each.cpu_us for each in some):.1f}",
            f"{min(each.cpu_us for each in some) / least_us:.2f}",
            f"{statistics.median(each.p99_ms for each in some):.1f}",
            f"{ratio / OLD:.1f}" if name == "/api/nodes" else "",
        )


def ask(port: int, goes_on: Callable[[], bool]) -> list[Answer]:
    """Ask for `/api/nodes` every few ms as long as it goes on."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found = []
    due = time.perf_counter()
    while goes_on():
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.request("GET", "/api/nodes")
        response = connection.getresponse()
        response.read()
        found.append(Answer(due, (time.perf_counter() - due) * 1e3, response.headers["ETag"]))
        due += DUE_SECONDS
    connection.close()
    return found


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have not passed since now."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def in_flight(found: Sequence[Answer], lasts_ms: float) -> list[Answer]:
    """Those that were due while a publication that lasts so long went out; it began before the first answer with a new tag."""
    begun = [now.due - DUE_SECONDS for before, now in pairwise(found) if before.tag != now.tag]
    return [one for one in found if any(0 <= one.due - at <= DUE_SECONDS + lasts_ms / 1e3 for at in begun)]


def percentile(found: Sequence[Answer], share: float) -> float:
    """By rank, in ms; not a number of none."""
    took = sorted(each.took_ms for each in found)
    return took[min(len(took) - 1, int(len(took) * share))] if took else float("nan")


def waits(event_loop: str, readers: int) -> Iterator[tuple[str, ...]]:
    """A line with nobody listening, and one with everybody."""
    with child("ours", event_loop, POLL_INTERVAL_SECONDS="1", **UNLIMITED) as server:
        progress(f"answers beside publications to {readers} readers, {event_loop}")
        alone = ask(server.port, for_seconds(CROWDED_SECONDS / 2))
        with Load(server.port, *OURS, readers=readers, seconds=CROWDED_SECONDS) as load:
            connected = load.connected()
            load.started()
            crowded = ask(server.port, for_seconds(CROWDED_SECONDS))
            delivered_ms = load.heard().p99_ms
    for count, found, lasts_ms in ((0, alone, 0.0), (connected, crowded, delivered_ms)):
        some = in_flight(found, lasts_ms)
        yield (
            f"{count:,}",
            event_loop,
            f"{lasts_ms:.0f}",
            f"{percentile(found, 0.5):.1f}",
            f"{percentile(found, 0.99):.1f}",
            f"{len(some):,}",
            f"{percentile(some, 0.5):.1f}",
            f"{percentile(some, 0.99):.1f}",
            f"{percentile(some, 1):.1f}",
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.rest", description="What a REST answer costs."
    )
    parser.add_argument("--seconds", type=int, default=2, help="of each path and round (2)")
    parser.add_argument("--rounds", type=int, default=5, help="the medians are told (5)")
    parser.add_argument("--readers", type=int, default=10_000, help="of the second table (10000)")
    parser.add_argument("--loops", nargs="+", default=["asyncio", "uvloop"])
    given = parser.parse_args()
    require(given.readers)
    head: tuple[str, ...] = (
        "asked for",
        "loop",
        "requests/s",
        "× bare",
        "(range)",
        "CPU µs",
        "CPU × bare",
        "p99 ms",
        "× old",
    )
    lines = [line for loop in given.loops for line in rates(loop, given.seconds, given.rounds)]
    show(f"{CONNECTIONS} connections", [head, *lines])
    head = (
        "readers", "loop", "told within ms", "p50 ms", "p99 ms", "in flight", "p50 ms", "p99 ms", "max ms",
    )  # fmt: skip
    lines = [line for loop in given.loops for line in waits(loop, given.readers)]
    show("/api/nodes while readers are told something each second", [head, *lines])


if __name__ == "__main__":
    main()
