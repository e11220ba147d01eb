"""The network between the server and its readers: cut, delayed, buffered, silent, and leading now here, now there."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.resilience.crowd import (
    Crowd,
    ReturningCompressed,
    ReturningEvents,
    ReturningPolls,
    ReturningSocket,
    eventually,
)
from tests.resilience.daemon import Daemon, started
from tests.resilience.line import Line
from tests.resilience.oracle import Oracle
from tests.upstream import Prometheus, free_port

DELAY_SECONDS: Final = 30.0

HOSTILE: Final = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    gzip_proxied any;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{server};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_buffering on;
            proxy_buffers 8 64k;
            proxy_read_timeout 2s;
        }}
    }}
}}
"""
"""A proxy of somebody who never heard of streams: it buffers, packs, and hangs up after two seconds of silence."""


@contextmanager
def hostile_proxy(folder: Path, server: int) -> Iterator[str]:
    """nginx as it should not be configured; its address."""
    port = free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text(HOSTILE.format(folder=folder, port=port, server=server))
    with subprocess.Popen(["/usr/sbin/nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]) as nginx:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            nginx.terminate()


@pytest.mark.parametrize("seed", range(2))
async def test_a_line_that_is_cut_at_any_byte_loses_nothing(
    daemon: Daemon, oracle: Oracle, seed: int
) -> None:
    """Readers whose connection is cut at a random byte, again and again, come back to where they were and end with the truth."""
    random = Random(seed)
    async with Line(daemon.port) as line:
        # Within the handshake, the first snapshot, a diff, or between two. A snapshot has some 4 KB at first, and with its events up to 25 later on.
        line.cut_after = lambda: round(2 ** random.uniform(0, 16))
        async with Crowd(daemon.url, oracle, readers=24, seed=seed, via=[line.url]) as crowd:
            await crowd.until_all_know()
            await crowd.until_connections(120)
            line.cut_after = None
            line.cut()
            await crowd.settle()
    daemon.assert_quiet()


@pytest.mark.timeout(120)
async def test_what_is_half_a_minute_late_is_still_right(daemon: Daemon, oracle: Oracle) -> None:
    """Readers whom every byte reaches 30 s late are told no more wrong than others, and hold nobody up; nobody is cut off."""
    async with Line(daemon.port) as line:
        line.delay_seconds = DELAY_SECONDS
        # A long-poll asks again after each answer: over this line once a minute.
        kinds, via = (ReturningSocket, ReturningEvents, ReturningCompressed), [daemon.url, line.url]
        async with Crowd(daemon.url, oracle, readers=24, kinds=kinds, via=via) as crowd:
            late = [reader for reader in crowd.readers if reader.url == line.url]
            prompt = [reader for reader in crowd.readers if reader.url != line.url]
            for reader in late:
                reader.patience_seconds = 3 * DELAY_SECONDS
            await crowd.until_all_know(2 * DELAY_SECONDS)
            assert all(reader.standing.scrape > late[0].standing.scrape + 50 for reader in prompt)
            assert {reader.connections for reader in crowd.readers} == {1}
            await crowd.settle(2 * DELAY_SECONDS)
            line.cut()
    daemon.assert_quiet()


async def test_a_line_that_buffers_loses_nothing(daemon: Daemon, oracle: Oracle) -> None:
    """Readers behind something that passes on only whole blocks of 32 KiB hear late and in heaps, and never wrong."""
    async with Line(daemon.port) as line:
        line.block_bytes = 32_768
        kinds = (ReturningEvents,)
        async with Crowd(daemon.url, oracle, readers=8, kinds=kinds, via=[line.url]) as crowd:
            for reader in crowd.readers:
                reader.patience_seconds = 60
            await crowd.until_all_know()
            line.block_bytes = 1
            await crowd.until_newer()
            await crowd.settle()
            assert {reader.connections for reader in crowd.readers} == {1}
    daemon.assert_quiet()


async def test_a_line_that_loses_all_without_a_word_is_left_by_silence(
    daemon: Daemon, oracle: Oracle
) -> None:
    """When every byte is lost and no connection ends, readers miss the heartbeats, leave, and are right once the line works again."""
    async with Line(daemon.port) as line, Crowd(daemon.url, oracle, readers=16, via=[line.url]) as crowd:
        await crowd.until_all_know()
        before = {reader: reader.connections for reader in crowd.readers}
        line.lost = True
        await crowd.until(
            lambda reader: reader.connections > before[reader] or isinstance(reader, ReturningPolls),
            "left the silent line",
        )
        line.lost = False
        line.cut()
        await crowd.until_newer()
        await crowd.settle()

        async def only_these() -> bool:
            return await daemon.readers() == len(crowd.readers)

        await eventually(only_these, "gave back the places of those who were lost")
    daemon.assert_quiet()


async def test_two_servers_behind_one_name_are_never_mixed(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path
) -> None:
    """When a balancer sends returning readers now to one of two servers, now to the other, each hears a snapshot of the server that it came to,
    and never a diff of one state applied to the other's.
    """
    # Each polls at its own time, so one may be a scrape behind the other.
    oracle.may_go_back = True
    with (
        started(Daemon(tmp_path / "one", PROMETHEUS_URL=prometheus.url)) as one,
        started(Daemon(tmp_path / "other", PROMETHEUS_URL=prometheus.url)) as other,
    ):
        await one.until_ready()
        await other.until_ready()
        async with Line(one.port) as line, Crowd(one.url, oracle, readers=24, via=[line.url]) as crowd:
            await crowd.until_all_know()
            for turn in range(8):
                line.target = (one, other)[turn % 2].port
                line.cut()
                await crowd.until_newer()
            figures = await other.figures()
            line.target = one.port
            line.cut()
            await crowd.settle()
        one.assert_quiet()
        other.assert_quiet()
    # A diff of the other's would not start where a reader stands, which fails; polls are answered with their own server's.
    assert figures["realtime_subscriptions_total", "epoch"] >= len(crowd.readers)


async def test_a_proxy_that_buffers_packs_and_hangs_up_does_no_harm(
    daemon: Daemon, oracle: Oracle, tmp_path: Path
) -> None:
    """Behind a real nginx that buffers, compresses everything and hangs up after 2 s of silence every message comes when it is said, and
    heartbeats keep each connection open while nothing else is said.
    """
    with hostile_proxy(tmp_path / "nginx", daemon.port) as url:
        async with Crowd(daemon.url, oracle, readers=32, via=[url, url, url, daemon.url]) as crowd:
            await crowd.until_all_know()
            before = {reader: reader.connections for reader in crowd.readers}
            await crowd.until_newer()
            oracle.exporter.frozen = True
            await asyncio.sleep(5)
            oracle.exporter.frozen = False
            await crowd.until_newer()
            await crowd.settle()
            streams = [reader for reader in crowd.readers if not isinstance(reader, ReturningPolls)]
            assert [reader for reader in streams if reader.connections > before[reader]] == []
    daemon.assert_quiet()


async def test_a_storm_is_let_in_at_the_gates_pace(
    prometheus: Prometheus, oracle: Oracle, tmp_path: Path
) -> None:
    """When 300 readers return at once to a server that opens 60 streams a second, those for whom there is no room yet are told when to ask again;
    all are back in the end, and no more came in a second than may.
    """
    pace = 60
    server = Daemon(
        tmp_path / "server",
        PROMETHEUS_URL=prometheus.url,
        MAX_NEW_CONNECTIONS_PER_SECOND=str(pace),
        RETRY_MAX_MS="5000",
    )
    kinds = (ReturningSocket, ReturningEvents)
    with started(server):
        await server.until_ready()
        async with (
            Line(server.port) as line,
            Crowd(server.url, oracle, readers=300, kinds=kinds, via=[line.url]) as crowd,
        ):
            await crowd.until_all_know()
            before = await streams_opened(server)
            began = time.monotonic()
            line.cut()
            await crowd.until_newer()
            opened = await streams_opened(server) - before
            seconds = time.monotonic() - began
            await crowd.settle()
            refused = (await server.figures())["realtime_refusals_total", "overloaded"]
    server.assert_quiet()

    assert refused > 0
    # As many again may come at once.
    assert opened <= pace * (seconds + 1) + 1


async def streams_opened(server: Daemon) -> int:
    figures = await server.figures()
    return int(figures["realtime_connects_total", "websocket"] + figures["realtime_connects_total", "sse"])
