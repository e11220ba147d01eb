"""How many calls a delivery is, counted: the same on every machine, however busy.

The server runs in this process, `load` reads; the interpreter tells of each call (`sys.setprofile`). The count is the difference that two hundred
more readers make, so what a publication costs once is not in it. What asyncio's transport does inside is left out too: it is another in each
version of Python.
"""

import asyncio
import sys
from asyncio import selector_events
from types import FrameType
from typing import Any, Final

import structlog

from realtime.app import serving
from realtime.loading import load
from tests.bench.load import OURS, Load
from tests.fakes import FakeSource

FEW: Final = 100
MORE: Final = 300
PUBLICATIONS: Final = 5

QUIET: Final = 0.2
"""Seconds after which everyone has been told."""

TRANSPORT: Final = selector_events.__file__


def state(number: int) -> dict[str, dict[str, Any]]:
    """Fifty nodes, each with the number, so that every publication changes them all."""
    return {"nodes": {f"n{node:02}": {"jobCount": number, "usedCpus": number % 113} for node in range(50)}}


async def calls_a_delivery(path: str, transport: str) -> float:
    """To a reader of everything."""
    few = await _calls(path, transport, FEW)
    return (await _calls(path, transport, MORE) - few) / (MORE - FEW) / PUBLICATIONS


async def _calls(path: str, transport: str, readers: int) -> int:
    """Of all publications, to so many readers."""
    count = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        if event in ("call", "c_call") and frame.f_code.co_filename != TRANSPORT:
            count += 1

    # Nothing but publications: the source has no news, and nobody is due a heartbeat or looked after meanwhile.
    settings = load(
        api_port=0, api_host="127.0.0.1", event_loop="asyncio", find_clusters=False, heartbeat_seconds=300, sweep_interval_seconds=10
    )  # fmt: skip
    async with serving(settings, lambda *_: FakeSource()) as server:
        (feed,) = server.feeds.values()
        port = int(server.url.rpartition(":")[2])
        with Load(port, *OURS, path=path, transport=transport, readers=readers, seconds=60) as reading:
            await asyncio.to_thread(reading.connected)
            feed.hub.publish(state(0), 0)  # a snapshot
            await asyncio.sleep(QUIET)
            for number in range(1, PUBLICATIONS + 1):
                sys.setprofile(note)
                feed.hub.publish(state(number), number)
                await asyncio.sleep(QUIET)
                sys.setprofile(None)
    return count


def main() -> None:
    """Print the counts."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for path, transport in (("/api/ws", "ws"), ("/api/events", "sse")):
        print(f"{transport:>4} {asyncio.run(calls_a_delivery(path, transport)):.2f}")


if __name__ == "__main__":
    main()
