"""What a server asks of the system that runs it."""

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from typing import Any

import pytest
import uvloop

from realtime.counts import MILLISECONDS, Durations
from realtime.errors import ConfigError, HostError, RealtimeError
from realtime.process import REMEDIES, cannot_listen, loop_factory, told_to_stop, watch_loop


def test_uvloop_is_taken_where_it_is_installed() -> None:
    """`auto` and `uvloop` run on uvloop, `asyncio` on Python's own loop."""
    assert loop_factory("asyncio") is None
    for choice in ("auto", "uvloop"):
        make = loop_factory(choice)
        assert make is not None
        loop = make()
        assert isinstance(loop, uvloop.Loop)
        loop.close()


def test_without_uvloop_the_operator_is_told_only_if_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where uvloop is not installed `auto` takes Python's own loop, and `uvloop` is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert loop_factory("auto") is None
    with pytest.raises(ConfigError, match=r"pip install 'realtime\[speed\]'"):
        loop_factory("uvloop")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_is_told_to_stop(number: Any) -> None:
    """SIGINT and SIGTERM set the event."""
    stop = told_to_stop()
    try:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await stop.wait()
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(each)


async def test_a_loop_that_is_held_up_is_seen() -> None:
    """By how long the event loop was held up is counted."""
    lag = Durations(MILLISECONDS)
    watching = asyncio.create_task(watch_loop(lag))
    await asyncio.sleep(0)
    time.sleep(0.4)  # noqa: ASYNC251 — this is the stall
    async with asyncio.timeout(10):
        while not sum(lag.counts):
            await asyncio.sleep(0.01)
    watching.cancel()

    assert lag.seconds >= 0.14


@pytest.mark.parametrize(
    ("error", "blame"),
    [
        (OSError(errno.EADDRINUSE, "('::1', 3001): address already in use"), HostError),
        (OSError(errno.EADDRNOTAVAIL, "('10.0.0.7', 3001): cannot assign"), HostError),
        (OSError("could not bind on any address out of [('10.0.0.7', 3001)]"), HostError),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), HostError),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), ConfigError),
        (OSError(errno.EACCES, "('::1', 80): permission denied"), ConfigError),
        (OSError(errno.EMFILE, "too many open files"), HostError),
    ],
    ids=str,
)
def test_what_another_start_may_mend_is_the_hosts_matter(error: OSError, blame: type[RealtimeError]) -> None:
    """An address that is in use, or not there yet, is the host's matter, as is a want of files; one that never can be is the configuration's."""
    told = cannot_listen("api_port 3001", error)

    assert type(told) is blame
    assert str(told).count("3001") == 1
    assert (";" in str(told)) is (error.errno in REMEDIES or error.errno is None)
