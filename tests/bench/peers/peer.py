"""What every peer does alike: take its arguments, start its loop, and say something at each tick.

    python -m tests.bench.peers.NAME PORT HZ BYTES [LOOP]

A message is JSON of so many bytes with `sent_ns`, the wall clock as it is made, and `seq`, its number. It is made once a tick; what it costs to
tell everyone is the peer's own. LOOP is asyncio or uvloop.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple

BACKLOG = 4096
"""Connections that may wait to be accepted: load opens thousands a second."""


class Peer(NamedTuple):
    """What was asked for on the command line."""

    port: int
    hz: float
    size: int
    loop: str

    async def bodies(self) -> AsyncIterator[dict[str, Any]]:
        """A body at each tick; ticks that were missed are left out, as a poller would."""
        seq, due = 0, time.monotonic()
        while True:
            due = max(due + 1 / self.hz, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            seq += 1
            body = {"sent_ns": time.time_ns(), "seq": seq, "x": ""}
            body["x"] = "x" * (self.size - len(encoded(body)))
            yield body

    async def messages(self) -> AsyncIterator[str]:
        """The same as text."""
        async for body in self.bodies():
            yield encoded(body)


def encoded(body: dict[str, Any]) -> str:
    """The body as JSON without spaces."""
    return f'{{"sent_ns":{body["sent_ns"]},"seq":{body["seq"]},"x":"{body["x"]}"}}'


def text_frame(message: str) -> bytes:
    """One WebSocket text frame of a message of 126 to 65,535 bytes."""
    return b"\x81\x7e" + len(message).to_bytes(2, "big") + message.encode()


def chunk(message: str) -> bytes:
    """One server-sent event in one HTTP/1.1 chunk."""
    event = f"data: {message}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


def asked() -> Peer:
    """The command line."""
    port, hz, size, *loop = sys.argv[1:]
    return Peer(int(port), float(hz), int(size), *(loop or ["asyncio"]))


def run(serve: Callable[[Peer], Coroutine[Any, Any, None]]) -> None:
    """Serve for ever on the loop that was asked for."""
    peer = asked()
    if peer.loop == "uvloop":
        import uvloop  # noqa: PLC0415 — the other loop needs no package

        uvloop.run(serve(peer))
    else:
        asyncio.run(serve(peer))
