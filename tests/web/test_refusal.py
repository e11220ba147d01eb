"""How a refusal is told on each transport."""

import asyncio

from realtime.web.access import GATE
from tests.web.served import UPGRADE, Serve


async def test_the_bytes_of_a_refused_event_stream(serve: Serve) -> None:
    """For want of room an event stream is 200: when to come back, `bye`, and its end, so that a browser does come back."""
    server = await serve(max_connections_per_ip=1)
    server.app[GATE].limits.by_ip["203.0.113.9"] = 1
    async with server.session.get(
        server.url("/api/events"), headers={"X-Forwarded-For": "203.0.113.9"}
    ) as response:
        body = await response.read()

    assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    retry, event, data, *rest = body.decode().split("\n\n")[0:1] + body.decode().split("\n\n")[1].split("\n")
    assert retry.startswith("retry: ")
    assert int(retry.removeprefix("retry: ")) >= 10_000
    assert event == "event: bye"
    assert data.startswith('data: {"type":"bye","code":4504,')
    assert rest == []


async def test_who_was_refused_cannot_linger(serve: Serve) -> None:
    """A refused WebSocket that does not answer the close is dropped all the same."""
    server = await serve(max_connections_per_ip=1)
    server.app[GATE].limits.by_ip["203.0.113.9"] = 1
    request = UPGRADE.replace(b"Host: x\r\n", b"Host: x\r\nX-Forwarded-For: 203.0.113.9\r\n")
    async with server.raw(request) as raw, asyncio.timeout(5):
        said = await raw.rest()

    assert said.startswith(b"HTTP/1.1 101")
    assert b'"type":"bye","code":4504' in said
    assert said.endswith((4504).to_bytes(2, "big"))


async def test_a_socket_that_is_none_is_refused_as_a_request(serve: Serve) -> None:
    """Whoever asks for the WebSocket's address without an upgrade hears a status."""
    server = await serve(max_connections_per_ip=1)
    server.app[GATE].limits.by_ip["203.0.113.9"] = 1
    answer = await server.get("/api/ws", **{"X-Forwarded-For": "203.0.113.9"})

    assert (answer.status, answer.json["code"]) == (429, "too_many_connections")
    assert answer.headers["Retry-After"] == "10"


async def test_a_handshake_without_a_sound_key_is_refused_as_a_request(serve: Serve) -> None:
    """A key that is no ASCII makes no WebSocket, and the refusal is the same."""
    server = await serve(max_connections_per_ip=1)
    server.app[GATE].limits.by_ip["203.0.113.9"] = 1
    request = UPGRADE.replace(b"Host: x\r\n", b"Host: x\r\nX-Forwarded-For: 203.0.113.9\r\n")
    async with server.raw(request.replace(b"Key: MDEy", b"Key: \xff\xff\xff\xff")) as raw:
        said = await raw.until(b"\r\n")

    assert said.startswith(b"HTTP/1.1 429 ")
