"""Whether telling everyone is still as cheap as it was: part of `make check`, within a minute.

    python -m tests.bench.guard

First counted, then measured. The count of calls a delivery does not depend on the machine, so its margin is small: a reader's own encoding, a drain or a
task for each message are two calls and more. CPU time is compared with that of two bare aiohttp servers that do the same in the same seconds on
the same core, so that what else the machine does hits all; a fourth server, one of ours without readers, tells what is not spent on them.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import structlog

from tests.bench.calls import calls_a_delivery
from tests.bench.contenders import FRAMED, OUR_EVENTS, OUR_WEBSOCKET, SEND_STR
from tests.bench.load import Load
from tests.bench.machine import cpu_seconds, require

MOST_CALLS: Final = 7.5
"""Measured: 6.3; with a drain for each message 8.2, encoded for each reader 17, with a task for each message 26."""

MOST_OF_FRAMED: Final = 1.45
"""CPU time of a delivery, in those of a frame made once and written to every transport, without views, cursors and back-pressure. Measured on a busy
machine: 1.0 to 1.3; with a task for each message 1.8, encoded for each reader 2.2 and more."""

MOST_OF_SEND_STR: Final = 1.1
"""The same, in those of `await socket.send_str(…)` to one after the other. Measured: 0.7 to 0.9; with a task 1.25, encoded for each reader 1.6 and more."""

READERS: Final = 2_000
"""Of each of the three."""

HZ: Final = 4.0
SIZE: Final = 1_200
SECONDS: Final = 5

ROUNDS: Final = 3
"""At most so many; the first good one ends it."""


def counted() -> Iterator[str]:
    """What is wrong with the counts."""
    for contender in (OUR_WEBSOCKET, OUR_EVENTS):
        calls = asyncio.run(calls_a_delivery(contender.path, contender.transport))
        print(f"{contender.transport}: {calls:.2f} calls a delivery (at most {MOST_CALLS})", flush=True)
        if calls > MOST_CALLS:
            yield f"{contender.transport}: {calls:.2f} calls a delivery"


def compared() -> Iterator[str]:
    """What is wrong with the CPU times of a round."""
    contenders = (OUR_WEBSOCKET, FRAMED, SEND_STR)
    with ExitStack() as stack:
        idle = stack.enter_context(OUR_WEBSOCKET.up(HZ, SIZE))
        servers = [stack.enter_context(contender.up(HZ, SIZE)) for contender in contenders]
        loads = [
            stack.enter_context(
                Load(
                    server.port,
                    *contender.options,
                    path=contender.path,
                    readers=READERS,
                    seconds=SECONDS,
                    server_pid=server.pid,
                )
            )
            for contender, server in zip(contenders, servers, strict=True)
        ]
        for load in loads:
            load.connected()
        before, began = cpu_seconds(idle.pid), time.monotonic()
        ours, *others = (load.heard() for load in loads)
        share = (cpu_seconds(idle.pid) - before) / (time.monotonic() - began)
    alone_us = share * ours.seconds * 1e6 / ours.deliveries
    own_us = ours.cpu_us - alone_us
    print(f"{own_us:.1f} µs CPU a delivery, and {alone_us:.1f} without readers", flush=True)
    if ours.breaks:
        yield f"{ours.breaks} messages that did not follow on"
    for contender, other, most in zip(
        contenders[1:], others, (MOST_OF_FRAMED, MOST_OF_SEND_STR), strict=True
    ):
        ratio = own_us / other.cpu_us
        told = f"{ratio:.2f} × {contender.name} ({other.cpu_us:.1f} µs)"
        print(f"  {told}, at most {most}", flush=True)
        if ratio > most:
            yield told


def main() -> None:
    """Exit with what is wrong, if anything is."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    require(READERS)
    faults = list(counted())
    for _ in range(0 if faults else ROUNDS):
        faults = list(compared())
        if not faults:
            break
    if faults:
        sys.exit(
            f"telling everyone costs more than it did: {'; '.join(faults)}. docs/benchmarks.md says what to look at"
        )


if __name__ == "__main__":
    main()
