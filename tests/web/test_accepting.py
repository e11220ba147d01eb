"""How connections are taken, and what is done when this process may open no more files."""

import asyncio
import os
import socket
import time
from contextlib import ExitStack

import pytest
import structlog

from realtime.files import may_open
from realtime.web import accepting
from realtime.web.accepting import LOGGED_PER_SECOND, Taking
from tests.scarce import no_more_files
from tests.web.served import PATIENCE_SECONDS, Served, until

ASKING = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CALLERS = 100


def waiting(server: Served) -> socket.socket:
    """A caller whom the kernel has connected, and nobody has taken yet."""
    caller = socket.create_connection(("127.0.0.1", server.port))
    caller.sendall(ASKING)
    caller.setblocking(False)
    return caller


async def answer(caller: socket.socket) -> bytes:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.get_running_loop().sock_recv(caller, 1_000)


def free_number() -> int:
    """The number that the next file would have."""
    number = os.dup(0)
    os.close(number)
    return number


async def test_who_would_take_the_last_files_is_reset(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes when only the server's own files are left is reset at once, and counted; whoever is connected stays; one line says why and what
    to do; and when files come free the next is taken.
    """
    with structlog.testing.capture_logs() as logs, ExitStack() as callers:
        here = callers.enter_context(waiting(server))
        assert b"200 OK" in await answer(here)
        monkeypatch.setattr(accepting, "for_connections", lambda _: 3)
        for _ in range(CALLERS):
            caller = callers.enter_context(waiting(server))
            with pytest.raises(ConnectionResetError):
                await answer(caller)
        here.send(ASKING)
        assert b"200 OK" in await answer(here)
        monkeypatch.undo()
        assert b"200 OK" in await answer(callers.enter_context(waiting(server)))

    assert server.site.door.turned_away == CALLERS
    (line,) = logs
    assert (line["log_level"], line["files"]) == ("error", may_open())
    assert line["event"] == "no more connections can be accepted"
    assert "LimitNOFILE" in line["do"]
    assert "max_connections" in line["do"]


async def test_the_last_connection_leaves_the_servers_own_files(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are taken up to the file that is the server's own, and not beyond."""
    with ExitStack() as callers:
        first, second = (callers.enter_context(waiting(server)) for _ in range(2))
        # Both are connected, neither is taken: the server's first file for them is the next.
        limit = free_number() + 1
        monkeypatch.setattr(accepting, "for_connections", lambda _: limit)

        assert b"200 OK" in await answer(first)
        with pytest.raises(ConnectionResetError):
            await answer(second)


async def test_where_no_file_is_left_callers_wait(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system gives no file at all, callers wait, and it is asked again only now and then; one line is logged; and when there are files
    they are taken.
    """
    asked = []

    def asking() -> int:
        asked.append(time.monotonic())
        return may_open()

    monkeypatch.setattr(accepting, "may_open", asking)
    with structlog.testing.capture_logs() as logs, ExitStack() as callers:
        crowd = [callers.enter_context(waiting(server)) for _ in range(CALLERS)]
        with no_more_files():
            await asyncio.sleep(4 * accepting.RETRY_SECONDS)
        tries = len(asked)
        answers = [await answer(caller) for caller in crowd]

    # And once for the line.
    assert 2 <= tries <= 6
    assert all(b"200 OK" in each for each in answers)
    assert server.site.door.turned_away == 0
    (line,) = logs
    assert line["event"] == "no more connections can be accepted"
    assert line["why"] == "the system gives no file: Too many open files"


async def test_it_is_said_again_after_a_while(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as connections are turned away it is logged once a minute, with how many they are by then."""
    now = time.monotonic()
    monkeypatch.setattr(accepting, "for_connections", lambda _: 3)
    with structlog.testing.capture_logs() as logs:
        for later in (0, 1, 1 / LOGGED_PER_SECOND + 1):
            monkeypatch.setattr(taking(server)._logged, "_clock", lambda: now + later)  # noqa: B023 — asked in its turn
            with waiting(server) as caller, pytest.raises(ConnectionResetError):
                await answer(caller)

    assert [line["turned_away"] for line in logs] == [1, 3]


def taking(server: Served) -> Taking:
    (site,) = server.runner.sites
    # aiohttp calls it another kind of server.
    found: object = site._server
    assert isinstance(found, Taking)
    return found


async def test_whoever_was_taken_stays_when_no_more_are(server: Served) -> None:
    """A door that is closed takes nobody more, and ends nobody."""
    with waiting(server) as caller:
        assert b"200 OK" in await answer(caller)
        taking(server).close()
        taking(server).close()
        with pytest.raises(ConnectionRefusedError):
            waiting(server)
        caller.send(ASKING)
        assert b"200 OK" in await answer(caller)


async def test_a_door_that_closes_while_it_waits_for_files_stays_closed(server: Served) -> None:
    """After a pause for want of files nothing is taken at a socket that was closed meanwhile."""
    with waiting(server), no_more_files(), structlog.testing.capture_logs() as logs:
        await until(lambda: logs)
    taking(server).close()
    await asyncio.sleep(2 * accepting.RETRY_SECONDS)
    with pytest.raises(ConnectionRefusedError):
        waiting(server)
