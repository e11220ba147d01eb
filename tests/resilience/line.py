"""A line between readers and a server, or a server and its source, on which bytes are held back, delayed, cut and lost; never changed, and never told twice.

TCP promises that much even of a bad network. Faults are set while connections are open, and befall these too.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

PIECE_BYTES: Final = 16_384


class Cut(Exception):  # noqa: N818 — it is what happened
    """The line was cut."""


class Line:
    """Leads who connects to `url` to the target's port, whichever that is then."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay_seconds = 0.0
        """What comes down the line takes so long."""
        self.block_bytes = 1
        """What comes down the line is passed on in blocks of so many bytes, as by a proxy that buffers."""
        self.drip_seconds = 0.0
        """What comes down the line comes a byte at a time, and so long after the one before."""
        self.cut_after: Callable[[], int] | None = None
        """After how many bytes down the line a new connection is cut."""
        self.lost = False
        """Whether every byte is lost, either way, and nobody is told: a firewall has forgotten the connections. One on which a byte was lost is lost for
        good: TCP tells nobody what comes after a gap.
        """
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection now."""
        for connection in self._connections:
            connection.cancel()

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        # No coroutine: asyncio's streams log it as an error when one is cancelled.
        connection = asyncio.create_task(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # One that is cut before it began ends nothing itself.
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        ends = [writer]
        try:
            down, up = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(up)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._climb(reader, up))
                ways.create_task(self._descend(down, writer))
        except* (OSError, Cut):
            pass
        finally:
            for end in ends:
                end.transport.abort()

    async def _climb(self, reader: StreamReader, up: StreamWriter) -> None:
        lost = False
        while piece := await reader.read(PIECE_BYTES):
            lost = lost or self.lost
            if not lost:
                up.write(piece)
                await up.drain()
        up.write_eof()

    async def _descend(self, down: StreamReader, writer: StreamWriter) -> None:
        """Read pieces, and pass each on when its time has come."""
        pieces = asyncio.Queue[tuple[float, bytes]](maxsize=1_000)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass_on(pieces, writer))
            clock = asyncio.get_running_loop().time
            held = b""
            while piece := await down.read(PIECE_BYTES):
                held += piece
                if len(held) >= self.block_bytes:
                    await pieces.put((clock() + self.delay_seconds, held))
                    held = b""
            await pieces.put((clock() + self.delay_seconds, held))
            await pieces.put((0.0, b""))

    async def _pass_on(self, pieces: asyncio.Queue[tuple[float, bytes]], writer: StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        left = self.cut_after() if self.cut_after else None
        lost = False
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not piece and not due:
                break
            lost = lost or self.lost
            if not lost:
                dripped = 0
                while self.drip_seconds and dripped < len(piece[:left]):
                    writer.write(piece[dripped : dripped + 1])
                    await asyncio.sleep(self.drip_seconds)
                    dripped += 1
                writer.write(piece[dripped:left])
                await writer.drain()
            if left is not None and (left := left - len(piece)) <= 0:
                await _finish(writer)
                raise Cut
        await _finish(writer)


async def _finish(writer: StreamWriter) -> None:
    """Send what is left, then close."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
