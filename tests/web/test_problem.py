"""Errors on their way out."""

import logging

import pytest
import structlog
from aiohttp import web

from tests.web.served import Serve, Served, served, until

SECRET = "http://operator:hunter2@upstream:8428"


async def test_a_problem_has_the_members_of_its_standard(server: Served) -> None:
    """A problem is RFC 9457's JSON with `error` for old clients and `code` for programs, and is not to be kept."""
    answer = await server.get("/api/nodes/x")

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "cluster hopper has no node 'x'",
        "error": "cluster hopper has no node 'x'",
        "code": "unknown_node",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/api",
        "/api/",
        "/api/nodes/",
        "/api/nodes/a/b",
        "/api/nope",
        "/api/%00",
        "//",
        "/API/nodes",
        "/.env",
    ],
)
async def test_what_is_not_there_is_a_problem(server: Served, path: str) -> None:
    """A path that is no endpoint is a 404 problem, never a page of the framework."""
    answer = await server.get(path)

    assert (answer.status, answer.json["status"]) == (404, 404)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["error"] == "there is nothing here; /docs lists what there is"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/nodes", {"GET", "HEAD"}),
        ("DELETE", "/api/health", {"GET", "HEAD"}),
        ("PUT", "/api/jobs/1", {"GET", "HEAD", "DELETE"}),
        ("GET", "/api/jobs/1/hold", {"POST"}),
        ("HEAD", "/api/events", {"GET"}),
        ("HEAD", "/api/changes", {"GET"}),
        ("PROPFIND", "/api/nodes", {"GET", "HEAD"}),
    ],
)
async def test_what_is_not_allowed_is_a_problem(
    server: Served, method: str, path: str, allowed: set[str]
) -> None:
    """A method that an endpoint does not have is a 405 problem whose Allow names those that it has."""
    answer = await server.ask(method, path)

    assert answer.status == 405
    assert set(answer.headers["Allow"].split(",")) - {"OPTIONS"} == allowed
    assert answer.headers["Content-Type"] == "application/problem+json"
    if method != "HEAD":
        assert answer.json["error"].startswith(f"{method} is not allowed here; allowed: ")


@pytest.mark.parametrize(("interval", "told"), [(7.0, "7"), (0.25, "1"), (2.5, "3")])
async def test_data_are_asked_for_again_when_they_may_be_there(
    serve: Serve, interval: float, told: str
) -> None:
    """A 503 for want of data names the time of the next poll, in whole seconds and at least one."""
    server = await serve(poll_interval_seconds=interval)

    answer = await server.get("/api/nodes")

    assert (answer.status, answer.headers["Retry-After"]) == (503, told)


async def test_our_own_fault_is_told_without_its_insides(server: Served) -> None:
    """A bug of ours is a 500 problem that shows neither the exception nor where it was raised; the log has both."""
    server.history.failure = RuntimeError(f"cannot reach {SECRET}")

    with structlog.testing.capture_logs() as log:
        answer = await server.get("/api/analytics/jobs")

    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json["title"] == "Internal Server Error"
    assert answer.json["error"] == "this is our fault; the server's log says more"
    assert not any(word in answer.body for word in (b"Traceback", b"RuntimeError", b"hunter2", b".py"))
    assert [(line["event"], line["path"], line["exc_info"]) for line in log] == [
        ("a handler failed", "/api/analytics/jobs", True)
    ]


async def test_after_our_own_fault_the_next_question_is_answered(server: Served) -> None:
    """A bug in one answer ends neither the connection nor the server."""
    server.history.failure = RuntimeError("a bug")
    request = b"GET /api/analytics/jobs HTTP/1.1\r\nHost: x\r\n\r\n"
    with structlog.testing.capture_logs():
        async with server.raw(request + request.replace(b"analytics/jobs", b"queues")) as raw:
            first = await raw.until(b"\r\n\r\n")
            await raw.until(b"}")
            second = await raw.until(b"\r\n\r\n")

    assert first.startswith(b"HTTP/1.1 500 ")
    assert second.startswith(b"HTTP/1.1 200 ")


async def test_the_readers_mistakes_are_not_logged(server: Served) -> None:
    """Bad input, however often, writes nothing to the log."""
    with structlog.testing.capture_logs() as log:
        for path in ("/api/nodes?limit=x", "/api/nope", "/api/nodes/x", "/api/jobs/1", "/api/ws"):
            assert (await server.get(path)).status >= 400

    assert log == []


async def test_who_has_left_before_the_answer_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A reader whose connection is gone when its answer begins is answered by nothing, and nothing is logged."""

    async def leave(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    server = served()
    server.app.router.add_get("/leave", leave)
    await server.start()
    with structlog.testing.capture_logs() as log, caplog.at_level(logging.WARNING):
        async with server.raw(b"GET /leave HTTP/1.1\r\nHost: x\r\n\r\n") as raw:
            heard = await raw.rest()
        await until(lambda: not server.connections())
    await server.end()

    assert heard == b""
    assert log == []
    assert caplog.records == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x00\xa5\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
        b"GET\r\n\r\n",
    ],
)
async def test_what_is_not_http_disturbs_nobody(
    server: Served, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no HTTP get a 400 without a traceback, and the server serves on."""
    with caplog.at_level(logging.CRITICAL):
        async with server.raw(request_bytes) as raw:
            answer = await raw.rest()

    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert b"Traceback" not in answer
    assert (await server.get("/api/nodes")).status == 200
