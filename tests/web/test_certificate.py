"""Connections behind TLS, on both event loops, each of which has its own: certificates, handshakes, and readers for whom bytes wait in no
buffer that tells its size.
"""

import asyncio
import os
import pty
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from cryptography import x509

from realtime.errors import ConfigError
from realtime.stream.messages import PONG
from realtime.web.certificate import tls
from tests.command import COMMAND, PATIENCE_SECONDS as COMMAND_SECONDS, environment
from tests.web.certificate import Certificate
from tests.web.served import PATIENCE_SECONDS, UPGRADE, Serve, Served, served, small_state, until

EVENTS = b"GET /api/events HTTP/1.0\r\nHost: x\r\n\r\n"
STREAMS = {"websocket": UPGRADE, "sse": EVENTS}

RECEIVE_BUFFER = 4096
WAITS_UNSEEN = 40_000
"""More than two kernels take, and less than asyncio's TLS hands over before it says that anything waits (64 KiB)."""

WAITS_SEEN = 2_000_000


def state_of(size: int) -> dict[str, dict[str, dict[str, str]]]:
    return {**small_state(), "users": {"ann": {"name": "ann", "ballast": "x" * size}}}


async def asked(server: Served, request_bytes: bytes) -> ssl.SSLSocket:
    """A connection that has asked, and takes no more than is read of it: an event loop's own TLS would take a quarter of a MiB."""

    def ask() -> ssl.SSLSocket:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        plain.connect(("127.0.0.1", server.port))
        assert server.trust is not None
        encrypted = server.trust.wrap_socket(plain, server_hostname="127.0.0.1")
        encrypted.sendall(request_bytes)
        return encrypted

    return await asyncio.to_thread(ask)


@pytest.fixture
async def little(serve: Serve, certificate: Certificate) -> Served:
    """A server whose kernel holds little for anyone."""
    return await serve(**certificate.settings, send_buffer_kib=4, slow_reader_timeout_seconds=20)


async def serial(server: Served) -> int:
    """Of the certificate that is shown to a new connection."""
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=blind)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_a_handshake_that_fails_is_the_callers_matter(
    encrypted: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """Who speaks no TLS to a port that does, or goes away in mid-handshake, is let go without a word, and others are served."""
    for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", encrypted.port)
        writer.write(said)
        writer.write_eof()
        with suppress(ConnectionResetError):
            await reader.read()
        writer.close()
    await serial(encrypted)

    assert caplog.records == []


async def test_a_renewed_certificate_is_taken_up(encrypted: Served, certificate: Certificate) -> None:
    """The next connection after a renewal is shown the new certificate; a broken one changes nothing, and is logged."""
    assert await serial(encrypted) == certificate.serial
    first = certificate.serial
    certificate.make()
    assert certificate.serial != first
    assert await serial(encrypted) == certificate.serial
    certificate.cert.write_text("garbage")
    with structlog.testing.capture_logs() as logs:
        assert await serial(encrypted) == certificate.serial
        assert await serial(encrypted) == certificate.serial

    assert [entry["log_level"] for entry in logs] == ["warning"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("gone", "No such file"),
        ("cert", "a certificate and an unencrypted private key, in PEM"),
        ("key", "a certificate and an unencrypted private key, in PEM"),
        ("another's key", "the key does not belong to the certificate"),
    ],
)
def test_a_certificate_that_cannot_be_used_ends_the_start(
    certificate: Certificate, broken: str, why: str
) -> None:
    """A certificate or key that is none, or not there, or not the other's, is told at the start."""
    match broken:
        case "gone":
            certificate.cert.unlink()
        case "another's key":
            before = certificate.cert.read_bytes()
            certificate.make()
            certificate.cert.write_bytes(before)
        case _:
            getattr(certificate, broken).write_text("garbage")

    with pytest.raises(ConfigError, match=f"tls_cert .*: cannot be used: .*{why}"):
        tls(served(**certificate.settings).site.settings)


def test_nobody_is_asked_for_a_keys_password(certificate: Certificate, tmp_path: Path) -> None:
    """An encrypted key is refused at once: nobody stands at a server's terminal, though there be one."""
    certificate.encrypt("hunter2")
    terminal, own = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *COMMAND, "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment(TLS_CERT=str(certificate.cert), TLS_KEY=str(certificate.key)),
        stdin=own,
        stdout=own,
        stderr=own,
    ) as server:
        os.close(own)
        try:
            code = server.wait(COMMAND_SECONDS)
            said = os.read(terminal, 65_536)
        finally:
            server.kill()
            os.close(terminal)

    assert code == 2
    assert b"an unencrypted private key" in said
    assert b"pass phrase" not in said


async def test_everything_works_encrypted(encrypted: Served) -> None:
    """REST, WebSocket and event streams are served over TLS, with a browser told to keep to it."""
    answer = await encrypted.get("/api/nodes")
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    assert len(answer.json) == 3
    async with encrypted.socket() as socket:
        await socket.take("hello", "snapshot", "heartbeat")
    async with encrypted.events() as stream:
        await stream.take("hello", "snapshot", "heartbeat")


@pytest.mark.parametrize("changes", [0, 1])
async def test_an_event_stream_ends_when_it_is_told_to(encrypted: Served, changes: int) -> None:
    """After `bye` an event stream over TLS ends at once, as it does without, after an even and an odd number of messages."""
    async with encrypted.events() as stream:
        await stream.take("hello", "snapshot", "heartbeat")
        for _ in range(changes):
            encrypted.listeners()[0].outlet.send(PONG)
        encrypted.hub.close(1012, "restart", lambda: 1_000)
        async with asyncio.timeout(PATIENCE_SECONDS):
            told = await stream.response.content.read()
    assert b"event: bye" in told
    await until(lambda: not encrypted.site.closing)


@pytest.mark.parametrize("request_bytes", STREAMS.values(), ids=STREAMS)
async def test_who_reads_slowly_stays(little: Served, request_bytes: bytes) -> None:
    """A reader that takes a few KiB each time that more than half of a slow reader's timeout has passed has all of a snapshot."""
    little.publish(state_of(WAITS_SEEN))
    taken = 0
    with await asked(little, request_bytes) as reader:
        await until(little.listeners)
        outlet = little.listeners()[0].outlet
        while taken < WAITS_SEEN:
            before = outlet.taken()
            while taken < WAITS_SEEN and outlet.taken() == before:
                piece = await asyncio.to_thread(reader.recv, RECEIVE_BUFFER)
                assert piece, f"cut off after {taken} bytes"
                taken += len(piece)
            little.stopwatch.skipped += 0.6 * little.site.settings.slow_reader_timeout_seconds
            await little.hub.sweep()

        assert [each.outlet for each in little.listeners()] == [outlet]


@pytest.mark.parametrize("waiting", [WAITS_UNSEEN, WAITS_SEEN], ids=["unseen", "seen"])
@pytest.mark.parametrize("request_bytes", STREAMS.values(), ids=STREAMS)
async def test_who_reads_nothing_is_cut_off(little: Served, request_bytes: bytes, waiting: int) -> None:
    """A reader that takes nothing of what waits for it is cut off, whether TLS tells that anything waits or not."""
    little.publish(state_of(waiting))
    with await asked(little, request_bytes):
        await until(little.listeners)
        await little.cut_off(little.listeners()[0].outlet)


@pytest.mark.parametrize("waiting", [WAITS_UNSEEN, WAITS_SEEN], ids=["unseen", "seen"])
async def test_who_does_not_read_the_answer_is_reset(
    serve: Serve, certificate: Certificate, waiting: int
) -> None:
    """A connection that has asked and takes nothing of the answer is reset, whether TLS tells that anything waits or not."""
    server = await serve(**certificate.settings, slow_reader_timeout_seconds=0.1)
    server.publish(state_of(waiting))
    with await asked(server, b"GET /api/state HTTP/1.1\r\nHost: x\r\n\r\n"):
        await until(server.connections)
        await until(lambda: not server.connections())
