"""Headers that every answer has."""

import pytest

from tests.web.served import Served

EVERYTHING = {
    "a page": ("GET", "/kiosk"),
    "data": ("GET", "/api/nodes"),
    "a stream's refusal": ("GET", "/api/events?cluster=nope"),
    "not found": ("GET", "/api/nope"),
    "not allowed": ("POST", "/api/nodes"),
    "a bad parameter": ("GET", "/api/nodes?limit=x"),
    "a preflight that is none": ("OPTIONS", "/api/nodes"),
    "nobody's page": ("GET", "/assets/nope.js"),
}


@pytest.mark.parametrize(("method", "path"), EVERYTHING.values(), ids=EVERYTHING)
async def test_every_answer_is_guarded(server: Served, method: str, path: str) -> None:
    """Whatever is answered, no browser guesses its type, no other site loads it as a script, and no version of anything is told."""
    answer = await server.ask(method, path)

    assert answer.headers["Server"] == "realtime"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in answer.headers


async def test_streams_are_guarded_too(server: Served) -> None:
    """A WebSocket's and an event stream's answers tell no version either."""
    async with server.socket() as socket, server.events() as events:
        for response in (socket.connection._response, events.response):
            assert response.headers["Server"] == "realtime"
