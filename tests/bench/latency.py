"""How late a diff is: from a sample being visible in VictoriaMetrics to its diff at a subscriber.

    make bench        or        python -m tests.bench.latency

A real VictoriaMetrics, a real server, one WebSocket reader; each of the samples is pushed at a random moment of the poll interval. "Visible"
is the moment at which a query of that one series first answers with it, asked in a tight loop beside the server. The figure is given in poll
intervals too: half of one is what polling costs on average, whatever the machine.
"""

import asyncio
import random
import re
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import structlog

from realtime.app import serving
from realtime.loading import load
from tests.readers import WebSocketReader
from tests.upstream import VictoriaMetrics, running

CAPTURE = Path(__file__).parent.parent / "data" / "metrics" / "at-1794166412.txt"
SAMPLES = 12


class Watch(WebSocketReader):
    entities = "unchecked"


async def visible(session: aiohttp.ClientSession, url: str, value: int) -> float:
    """When a query first answers with the value."""
    params = {"match[]": 'pbs_node_jobs{node="hopper-03"}'}
    while True:
        async with session.get(f"{url}/federate", params=params) as response:
            text = await response.text()
        if f"}} {value} " in text:
            return time.perf_counter()


async def measure(victoria_metrics: VictoriaMetrics, interval_seconds: float) -> list[float]:
    """Seconds from visible to delivered, of each sample."""
    text = CAPTURE.read_text()
    victoria_metrics.import_text(text)
    victoria_metrics.flush()
    settings = load(prometheus_url=victoria_metrics.url, api_port=0, poll_interval_seconds=interval_seconds)
    delays = []
    async with (
        serving(settings) as server,
        aiohttp.ClientSession() as session,
        Watch(session, server.url) as reader,
    ):
        await reader.until(lambda client: client.state is not None)
        for value in range(1_000, 1_000 + SAMPLES):
            await asyncio.sleep(random.uniform(0.3, 0.3 + interval_seconds))
            sample = re.sub(r'(?m)^(pbs_node_jobs\{node="hopper-03"\}) .*$', rf"\g<1> {value}", text)

            async def delivered(value: int = value) -> float:
                await reader.until(
                    lambda client: bool(
                        client.state and client.state["nodes"]["hopper-03"]["jobCount"] == value
                    ),
                    30,
                )
                return time.perf_counter()

            seen, heard = (
                asyncio.create_task(visible(session, victoria_metrics.url, value)),
                asyncio.create_task(delivered()),
            )
            await asyncio.to_thread(victoria_metrics.import_text, sample)
            await asyncio.to_thread(victoria_metrics.flush)
            delays.append(await heard - await seen)
    return delays


def main() -> None:
    """Print the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(f"{'poll interval':>14} {'p50':>9} {'max':>9} {'p50, in intervals':>18} {'max, in intervals':>18}")
    for interval_seconds in (0.1, 1.0, 5.0):
        with tempfile.TemporaryDirectory() as folder, running(VictoriaMetrics(Path(folder))) as program:
            delays = asyncio.run(measure(program, interval_seconds))
        middle, worst = statistics.median(delays), max(delays)
        print(
            f"{interval_seconds:>12.1f} s {middle * 1e3:>6.0f} ms {worst * 1e3:>6.0f} ms"
            f" {middle / interval_seconds:>18.2f} {worst / interval_seconds:>18.2f}"
        )


if __name__ == "__main__":
    main()
