"""What a server asks of the system that runs it: an event loop, and to be told when to stop."""

import asyncio
import signal
import time
from collections.abc import Callable

from realtime.config import LOOP_LAG_SECONDS
from realtime.counts import Durations
from realtime.errors import ConfigError


def loop_factory(event_loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop; None: Python's own. Raises ConfigError if uvloop was asked for and is not there."""
    if event_loop == "asyncio":
        return None
    try:
        import uvloop  # noqa: PLC0415 — optional
    except ImportError:
        if event_loop == "auto":
            return None
        raise ConfigError("event_loop: uvloop is not installed: pip install 'realtime[speed]'") from None
    return uvloop.new_event_loop


async def watch_loop(lag: Durations) -> None:
    """Measure by how much the event loop is late, until cancelled."""
    while True:
        # Not the loop's own time: uvloop reads the clock once a turn.
        due = time.monotonic() + LOOP_LAG_SECONDS
        await asyncio.sleep(LOOP_LAG_SECONDS)
        lag.note(max(0.0, time.monotonic() - due))


def told_to_stop() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, from now on."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop
