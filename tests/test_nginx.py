"""config/nginx.conf in front of a real server, as Debian's nginx runs it."""

import asyncio
import re
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

import realtime
from realtime.web.access import GATE
from tests.upstream import free_port
from tests.web.certificate import Certificate
from tests.web.served import Events, Served, Socket, served, small_state, until

CONF = Path(realtime.__file__).parents[1] / "config" / "nginx.conf"
PATIENCE_SECONDS = 10
AT_ONCE_SECONDS = 1.0
"""What is buffered comes when the buffer is full or the stream ends: never, here."""

AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


class Proxied(NamedTuple):
    """A server, and nginx in front of it."""

    server: Served
    url: str
    session: aiohttp.ClientSession
    trust: ssl.SSLContext
    log: Path


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Proxied]:
    server, folder = served(heartbeat_seconds=0.5, trusted_proxies="127.0.0.1"), tmp_path
    await server.start()
    server.publish(small_state())
    certificate = Certificate(folder)
    plain, encrypted = free_port(), free_port()
    site = CONF.read_text()
    # What a site sets for itself, and nothing else.
    for ours, theirs in (
        ("server 127.0.0.1:3001;", f"server 127.0.0.1:{server.port};"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{encrypted} ssl http2;"),
        ("/etc/ssl/certs/realtime.pem", str(certificate.cert)),
        ("/etc/ssl/private/realtime.key", str(certificate.key)),
        ("/var/log/nginx/realtime.log", str(folder / "access.log")),
        ("realtime.example.org", "localhost"),
    ):
        assert ours in site
        site = site.replace(ours, theirs)
    conf = folder / "nginx.conf"
    conf.write_text(AROUND.format(folder=folder, site=site))
    with subprocess.Popen(  # noqa: ASYNC220 — it only starts it
        ["/usr/sbin/nginx", "-p", str(folder), "-c", str(conf)], stderr=subprocess.PIPE, text=True
    ) as nginx:
        try:
            await _until_it_listens(encrypted, nginx)
            connector = aiohttp.TCPConnector(ssl=certificate.trust, limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Proxied(
                    server,
                    f"https://localhost:{encrypted}",
                    session,
                    certificate.trust,
                    folder / "access.log",
                )
        finally:
            nginx.terminate()
            nginx.wait(PATIENCE_SECONDS)
            await server.end()


async def _until_it_listens(port: int, nginx: "subprocess.Popen[str]") -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert nginx.poll() is None, nginx.stderr and nginx.stderr.read()
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def test_rest_passes(proxied: Proxied) -> None:
    """An answer comes as it was given, with its tag and age; and nginx too tells no version."""
    async with proxied.session.get(f"{proxied.url}/api/nodes") as answer:
        assert answer.status == 200
        assert answer.headers["ETag"].startswith('"')
        assert answer.headers["X-Data-Quality"] == "live"
        assert not re.search(r"\d", answer.headers["Server"])
        assert len(await answer.json()) == 3


async def test_a_websocket_passes(proxied: Proxied) -> None:
    """A page of the proxy's own address opens a WebSocket, hears a diff at once, commands and is answered."""
    async with proxied.session.ws_connect(
        f"{proxied.url}/api/ws", origin=proxied.url, max_msg_size=0
    ) as connection:
        socket = Socket(connection)
        await socket.take("hello", "snapshot", "heartbeat")
        state = small_state()
        state["nodes"].pop("gn-1")
        begun = time.monotonic()
        proxied.server.publish(state)
        await socket.take("diff")
        assert time.monotonic() - begun < AT_ONCE_SECONDS
        await socket.say(type="ping")
        await socket.take("pong")


async def test_a_strange_page_gets_no_websocket(proxied: Proxied) -> None:
    """Behind the proxy too a page of another address is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with proxied.session.ws_connect(f"{proxied.url}/api/ws", origin="https://evil.example"):
            pass
    assert refused.value.status == 403


async def test_events_are_not_held_back(proxied: Proxied) -> None:
    """The first event, and each one after, is there at once; heartbeats keep the stream open."""
    begun = time.monotonic()
    async with proxied.session.get(f"{proxied.url}/api/events") as response:
        stream = Events(response)
        first = await stream.next()
        assert first is not None
        await stream.take("hello", "snapshot", "heartbeat")
        assert time.monotonic() - begun < AT_ONCE_SECONDS
        state = small_state()
        state["nodes"].pop("gn-1")
        begun = time.monotonic()
        proxied.server.publish(state)
        await stream.take("diff")
        assert time.monotonic() - begun < AT_ONCE_SECONDS
        await stream.take("heartbeat", "heartbeat")


async def test_a_long_poll_waits_and_is_answered(proxied: Proxied) -> None:
    """A question is answered when something happens, at once."""
    server = proxied.server
    asking = asyncio.create_task(
        proxied.session.get(f"{proxied.url}/api/changes?since={server.cursor}&wait=9")
    )
    await until(server.listeners)
    state = small_state()
    state["nodes"].pop("gn-1")
    begun = time.monotonic()
    server.publish(state)
    async with await asking as answer:
        assert (await answer.json())["type"] == "diff"
    assert time.monotonic() - begun < AT_ONCE_SECONDS


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        # nginx's caller is no proxy: what it says of itself is not believed, and as this host's own it is not counted.
        ("127.0.0.9", {}),
        # nginx's caller is a trusted proxy itself: whom that one heard from counts.
        ("127.0.0.1", {"203.0.113.9": 1}),
    ],
)
async def test_who_comes_through_is_counted_by_the_trusted_hop(
    proxied: Proxied, address: str, counted: dict[str, int]
) -> None:
    """Behind the proxy a caller counts by the address that nginx heard from, whatever it says of itself."""
    limits = proxied.server.app[GATE].limits
    connector = aiohttp.TCPConnector(ssl=proxied.trust, local_addr=(address, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(
            f"{proxied.url}/api/ws", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
        ) as connection,
    ):
        await Socket(connection).take("hello")
        assert (limits.open, dict(limits.by_ip)) == (1, counted)


async def test_the_proxys_log_holds_no_ticket(proxied: Proxied) -> None:
    """A ticket stands in the query of a stream, and the log that the snippet configures has no query."""
    async with proxied.session.get(f"{proxied.url}/api/changes?wait=0&ticket=hunter2"):
        pass
    await until(lambda: proxied.log.exists() and "/api/changes" in proxied.log.read_text())

    assert "hunter2" not in proxied.log.read_text()


async def test_metrics_are_not_for_the_world(proxied: Proxied) -> None:
    """The server's own figures do not pass the proxy."""
    async with proxied.session.get(f"{proxied.url}/metrics") as answer:
        assert answer.status == 403


async def test_plain_http_is_sent_to_https(proxied: Proxied) -> None:
    """Whoever comes without encryption is told where to come with it."""
    port = int(re.findall(r"listen 127.0.0.1:(\d+);", (proxied.log.parent / "nginx.conf").read_text())[0])
    async with proxied.session.get(f"http://localhost:{port}/api/nodes", allow_redirects=False) as answer:
        assert answer.status == 301
        assert answer.headers["Location"].startswith("https://")
