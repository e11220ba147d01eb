"""A reader that takes a byte now and then, over real sockets."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from tests.client import ClientModel
from tests.web.served import UPGRADE, served, small_state

TURNS = 400
BALLAST = "x" * 1_000


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each whole WebSocket frame's payload, and where it ends."""
    at = 0
    while len(data) - at >= 2:
        size, head = data[at + 1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[at + 2 : at + head], "big")
        if len(data) - at < head + size:
            return
        at += head + size
        yield at, data[at - size : at]


def events(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each whole event's data, and where it ends; HTTP/1.0 has no chunks."""
    at = 0
    while (end := data.find(b"\n\n", at)) >= 0:
        lines = data[at:end].split(b"\n")
        at = end + 2
        for line in lines:
            if line.startswith(b"data: "):
                yield at, line.removeprefix(b"data: ")


Split = Callable[[bytes], Iterator[tuple[int, bytes]]]


@pytest.mark.parametrize(
    ("request_bytes", "split"),
    [(UPGRADE, frames), (b"GET /api/events HTTP/1.0\r\n\r\n", events)],
    ids=["websocket", "sse"],
)
async def test_who_reads_a_byte_at_a_time_hears_less_often_and_never_wrong(
    request_bytes: bytes, split: Split
) -> None:
    """A reader at a byte a publication is told conflated diffs, each from where it stands, and none of what they span; in the end it holds the
    truth.
    """
    loop = asyncio.get_running_loop()
    server = served(max_unsent_kib=4, send_buffer_kib=4, sweep_interval_seconds=0.01)
    server.publish(small_state())
    await server.start()
    model, heard = ClientModel(), b""
    with socket.socket() as plain:
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(plain, ("127.0.0.1", server.port))
        await loop.sock_sendall(plain, request_bytes)
        while b"\r\n\r\n" not in heard:
            heard += await loop.sock_recv(plain, 1)
        heard = heard.partition(b"\r\n\r\n")[2]
        for turn in range(TURNS):
            server.publish({"users": {"ann": {"name": "ann", "turn": turn, "ballast": f"{BALLAST}{turn}"}}})
            await server.hub.fan_out()
            heard += await loop.sock_recv(plain, 1)
        async with asyncio.timeout(10):
            while model.cursor != server.cursor:
                heard += await loop.sock_recv(plain, 2**16)
                done = 0
                for end, message in split(heard):
                    model.hear(orjson.loads(message))
                    done = end
                heard = heard[done:]
    await server.end()

    diffs = [message for message in model.heard if message["type"] == "diff"]
    assert model.state is not None
    assert model.state["users"] == server.hub.store.entities("users")
    assert len(diffs) < TURNS / 4
    assert max(spanned(diff) for diff in diffs) > TURNS / 2
    assert sum(spanned(diff) for diff in diffs) == TURNS


def spanned(diff: dict[str, Any]) -> int:
    """How many revisions a diff takes a reader on."""
    begin, end = (int(diff[name].rpartition("-")[2]) for name in ("from", "cursor"))
    return end - begin
