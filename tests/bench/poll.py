"""What a poll costs, beside the way of the replaced backend, in the same run on the same VictoriaMetrics.

    make bench        or        python -m tests.bench.poll [NODES…]

Eleven series a node. `cold` is the first poll, `quiet` one at which 2 % of the nodes have changed, `idle` one at which nothing has (the probe
alone). The old way is eleven `/api/v1/query` calls, one after the other, and a rebuild of everything. CPU is of this process and, from /proc, of
VictoriaMetrics; `block` is the longest time for which the event loop could not turn (a 1 ms timer's worst lateness); a lone timer's own lateness on this
machine is printed first, since nothing can be better than that. The ratio that counts is old/quiet.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
import structlog

from realtime.pbs.assemble import Assembler
from realtime.pbs.trend import Trend
from realtime.source.poller import Poller
from realtime.source.victoria import Victoria
from realtime.state.store import Store
from realtime.state.view import TOPICS
from tests.upstream import VictoriaMetrics, running

METRICS = (
    "pbs_node_state", "pbs_node_jobs", "pbs_node_cpus_total", "pbs_node_cpus_used", "pbs_node_cpus_available",
    "pbs_node_gpus_total", "pbs_node_gpus_used", "pbs_node_gpus_available",
    "pbs_node_memory_total_gb", "pbs_node_memory_used_gb", "pbs_node_memory_available_gb",
)  # fmt: skip
QUIET_POLLS = 7


class Cost(NamedTuple):
    """Of one poll, in ms."""

    wall: float
    here: float
    there: float
    block: float


class Nodes:
    """Nodes whose numbers change a little from scrape to scrape."""

    def __init__(self, count: int) -> None:
        self.used = [random.randint(0, 111) for _ in range(count)]

    def change(self, share: float) -> None:
        for index in random.sample(range(len(self.used)), max(1, int(len(self.used) * share))):
            self.used[index] = (self.used[index] + random.randint(1, 50)) % 112

    def text(self, at_ms: int) -> str:
        lines = [
            f"pbs_node_count_free {len(self.used)} {at_ms}",
            f"qstat_total_r_jobs {sum(self.used)} {at_ms}",
        ]
        for index, used in enumerate(self.used):
            gpus, memory = used // 16, used * 8
            values = (1, used // 8, 112, used, 112 - used, 8, gpus, 8 - gpus, 999, memory, 999 - memory)
            lines += [
                f'{metric}{{node="n{index:05}"}} {value} {at_ms}'
                for metric, value in zip(METRICS, values, strict=True)
            ]
        return "\n".join(lines) + "\n"


async def lateness(stop: asyncio.Event) -> float:
    """The worst lateness of a 1 ms timer, in ms, until told to stop."""
    worst = 0.0
    while not stop.is_set():
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - due)
    return worst * 1e3


def cpu_ms(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")


async def cost(pid: int, work: Callable[[], Awaitable[object]]) -> Cost:
    """Do the work once and say what it cost."""
    stop = asyncio.Event()
    watching = asyncio.create_task(lateness(stop))
    await asyncio.sleep(0.01)
    there, here, wall = cpu_ms(pid), time.process_time(), time.perf_counter()
    await work()
    spent = (time.perf_counter() - wall) * 1e3, (time.process_time() - here) * 1e3, cpu_ms(pid) - there
    stop.set()
    return Cost(*spent, await watching)


async def old_way(session: aiohttp.ClientSession, url: str) -> dict[str, dict[str, Any]]:
    """Eleven queries and a rebuild, as the replaced backend does for each uncached answer."""
    nodes: dict[str, dict[str, Any]] = {}
    for metric in METRICS:
        async with session.get(f"{url}/api/v1/query", params={"query": metric, "nocache": "1"}) as response:
            answer = orjson.loads(await response.read())
        for series in answer["data"]["result"]:
            nodes.setdefault(series["metric"]["node"], {})[metric] = float(series["value"][1])
    return nodes


async def measure(program: VictoriaMetrics, count: int) -> None:
    """Print one row a kind of poll."""
    pid = program.pid
    nodes, store = Nodes(count), Store("bench", TOPICS, tombstones=10_000)
    source = Victoria(program.cluster(), 2**30)
    poller = Poller(
        source, Assembler(), Trend(180), store.commit, lambda _: None,
        now_ms=lambda: time.time_ns() // 1_000_000, interval_seconds=5, refetch_seconds=3600, backoff_max_seconds=60, torn_scrape_seconds=2,
    )  # fmt: skip

    async def scrape() -> None:
        text = nodes.text(time.time_ns() // 1_000_000 - 1_000)
        await asyncio.to_thread(program.import_text, text)
        await asyncio.to_thread(program.flush)

    async with aiohttp.ClientSession() as session:
        await scrape()
        cold = await cost(pid, poller.poll)
        quiet, idle, old = [], [], []
        for _ in range(QUIET_POLLS):
            nodes.change(0.02)
            await scrape()
            quiet.append(await cost(pid, poller.poll))
            await poller.poll()  # the second look at the scrape
            idle.append(await cost(pid, poller.poll))
            old.append(await cost(pid, lambda: old_way(session, program.url)))
        found = await old_way(session, program.url)
    await source.close()
    assert len(found) == len(store.entities("nodes")) == count
    for kind, costs in (("cold", [cold]), ("quiet", quiet), ("idle", idle), ("old way", old)):
        middle = [statistics.median(column) for column in zip(*costs, strict=True)]
        worst = max(each.block for each in costs)
        print(
            f"{count:>6} {kind:>8} {middle[0]:>9.1f} {middle[1]:>9.1f} {middle[2]:>9.1f} {worst:>9.1f}",
            flush=True,
        )
    ratios = [
        ratio(statistics.median(o[i] for o in old), statistics.median(q[i] for q in quiet)) for i in range(3)
    ]
    print(f"{count:>6} {'old/quiet':>9} {ratios[0]:>8} {ratios[1]:>9} {ratios[2]:>9}", flush=True)


def ratio(one: float, other: float) -> str:
    """/proc counts CPU by 10 ms: less than that is nothing that a ratio could be made of."""
    return f"{one / other:.1f}" if other else "-"


async def alone() -> float:
    """The timer's lateness with nothing else to do."""
    stop = asyncio.Event()
    watching = asyncio.create_task(lateness(stop))
    await asyncio.sleep(1)
    stop.set()
    return await watching


def main() -> None:
    """Print the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(f"a lone 1 ms timer is up to {asyncio.run(alone()):.1f} ms late here")
    print(f"{'nodes':>6} {'poll':>8} {'wall ms':>9} {'CPU ms':>9} {'VM CPU ms':>9} {'block ms':>9}")
    for count in [int(text) for text in sys.argv[1:]] or [46, 500, 5_000, 20_000]:
        with tempfile.TemporaryDirectory() as folder, running(VictoriaMetrics(Path(folder))) as program:
            asyncio.run(measure(program, count))


if __name__ == "__main__":
    main()
