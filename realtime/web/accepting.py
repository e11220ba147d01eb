"""How connections are taken, and what is done when this process may open no more files.

Law: whoever is connected stays, and the last files are the server's own: without one it could not come back to a source that was lost.

A new connection that would take one of these is reset, and its reader comes back by itself. The event loops would not do: asyncio logs a
traceback for each connection that it cannot take, some 11,000 a second, and has time for little else; uvloop drops them in silence, or, where it
cannot, tries again without a pause (both measured). So connections are taken here, the same on both.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import web

from realtime.counts import Door
from realtime.files import MORE_FILES, NO_FILES, for_connections, may_open
from realtime.web.limits import Rate
from realtime.web.site import SITE
from realtime.web.tcp import AT_ONCE

BACKLOG: Final = 2**12
"""Connections that the kernel holds until they are taken: everyone comes back at once after a restart. Linux has no more (somaxconn)."""

AT_A_TIME: Final = 32
"""Connections taken before those that are there have their turn."""

NO_ROOM: Final = (*NO_FILES, errno.ENOBUFS, errno.ENOMEM)

RETRY_SECONDS: Final = 0.25
"""So long nothing is taken after the system could not give a connection."""

LOGGED_PER_SECOND: Final = 1 / 60
"""How often it is logged that connections are not accepted; they are all counted."""

log = structlog.get_logger()


class Accepting(web.TCPSite):
    """An address at which connections are taken."""

    __slots__ = ()

    async def start(self) -> None:
        """Begin to listen. Raises OSError if that cannot be done at this address."""
        await web.BaseSite.start(self)
        # The loop finds the addresses of a name, and binds to them; nothing else is asked of it.
        bound: Any = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, self._host, self._port, start_serving=False
        )
        sockets = [each.dup() for each in bound.sockets]
        bound.close()
        server = self._runner.server
        assert isinstance(self._runner, web.AppRunner) and server is not None  # noqa: S101, PT018 — BaseSite looked
        door = self._runner.app[SITE].door
        # Of a server aiohttp wants its addresses, and to close it.
        self._server = Taking(sockets, server, self._ssl_context, door)  # type: ignore[assignment]


class Taking:
    """Takes connections at these sockets until it is closed."""

    def __init__(self, sockets: Sequence[socket.socket], server: web.Server, ssl: Any, door: Door) -> None:
        self.sockets = tuple(sockets)
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._ssl = ssl
        self._door = door
        self._logged = Rate(LOGGED_PER_SECOND, 0.0)
        self._beginning: set[asyncio.Task[None]] = set()
        """Connections that are not yet a transport: of TLS, all through the handshake."""
        for each in self.sockets:
            each.listen(BACKLOG)
            each.setblocking(False)
            self._loop.add_reader(each, self._take, each)

    def close(self) -> None:
        """Take no more. Those that were taken stay."""
        for each in self.sockets:
            if each.fileno() >= 0:
                self._loop.remove_reader(each)
                each.close()
        for task in self._beginning:
            task.cancel()

    def _take(self, at: socket.socket) -> None:
        """Take some of those who wait at a socket."""
        limit = for_connections(may_open())
        for _ in range(AT_A_TIME):
            try:
                connection, _ = at.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NO_ROOM:
                    continue  # that one connection's own (accept(2))
                self._pause(at, error.strerror or "")
                return
            # A new file has the lowest number that is free: below it all are in use.
            if connection.fileno() >= limit:
                self._turn_away(connection)
            else:
                self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._connect(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _connect(self, connection: socket.socket) -> None:
        # A handshake that fails is the caller's matter.
        with suppress(OSError):
            await self._loop.connect_accepted_socket(self._server, connection, ssl=self._ssl)

    def _turn_away(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        connection.close()
        self._door.turned_away += 1
        self._complain("this server may open no more files, and a connection is one")

    def _pause(self, at: socket.socket, why: str) -> None:
        """Leave those who wait to the kernel for a while."""
        self._loop.remove_reader(at)
        self._loop.call_later(RETRY_SECONDS, self._go_on, at)
        self._complain(f"the system gives no file: {why}")

    def _go_on(self, at: socket.socket) -> None:
        if at.fileno() >= 0:
            self._loop.add_reader(at, self._take, at)

    def _complain(self, why: str) -> None:
        if not self._logged.take(""):
            log.error(
                "no more connections can be accepted",
                why=why,
                files=may_open(),
                turned_away=self._door.turned_away,
                do=MORE_FILES,
            )
