"""What a server asks of the system that runs it: an event loop, and to be told when to stop."""

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

from realtime.config import LOOP_LAG_SECONDS
from realtime.counts import Durations
from realtime.errors import ConfigError, HostError

MISTAKES: Final = (errno.EACCES, errno.EINVAL, errno.EAFNOSUPPORT, socket.EAI_NONAME)
"""Why an address will never be listened on as it stands. All else may pass."""

REMEDIES: Final = {
    errno.EADDRINUSE: "stop the other program (`ss -ltnp` lists them), or choose another port",
    errno.EADDRNOTAVAIL: "is it an address of this host? `ip address` lists them",
    socket.EAI_AGAIN: "does this host reach its name servers?",
}
"""What to do about some of that."""


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


def cannot_listen(where: str, error: OSError) -> ConfigError | HostError:
    """What to raise where an address, told as `where`, cannot be listened on."""
    # asyncio names no errno where none of a name's addresses is this host's, and puts the address into its words for the others.
    number = errno.EADDRNOTAVAIL if error.errno is None else error.errno
    why = str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(number)
    told = f"{where}: cannot listen there: {why.lower()}"
    if number in MISTAKES:
        return ConfigError(told)
    return HostError(f"{told}; {REMEDIES[number]}" if number in REMEDIES else told)
