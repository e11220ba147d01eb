"""Which pages may read this server."""

import pytest
import structlog

from tests.web.served import Serve, Served, small_state

PAGE = "https://page.example"

EVERY_STATUS = {
    200: ("GET", "/api/nodes"),
    304: ("GET", "/api/nodes"),
    400: ("GET", "/api/nodes?limit=0"),
    404: ("GET", "/api/nope"),
    405: ("POST", "/api/nodes"),
    426: ("GET", "/api/ws"),
    500: ("GET", "/api/analytics/jobs"),
    501: ("DELETE", "/api/jobs/1"),
}


async def status_with_cors(server: Served, status: int, origin: str | None) -> dict[str, str]:
    """The CORS headers of a response of this status."""
    server.history.failure = RuntimeError("a bug")
    method, path = EVERY_STATUS[status]
    headers = {"Origin": origin} if origin else {}
    if status == 304:
        headers["If_None_Match"] = "*"
    with structlog.testing.capture_logs():
        answer = await server.ask(method, path, **headers)
    assert answer.status == status
    return {
        name: value
        for name, value in answer.headers.items()
        if name.startswith("Access-Control-") or name == "Vary"
    }


@pytest.mark.parametrize("status", EVERY_STATUS)
async def test_an_allowed_page_may_read_every_status(server: Served, status: int) -> None:
    """A page of an allowed origin may read whatever we answer, errors too, and the headers that it needs."""
    headers = await status_with_cors(server, status, PAGE)

    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert headers["Vary"] == "Origin"
    assert set(headers["Access-Control-Expose-Headers"].split(",")) == {
        "ETag",
        "Link",
        "Retry-After",
        "X-Cursor",
        "X-Data-Age",
        "X-Data-Quality",
        "X-Total-Count",
    }


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "null", f"{PAGE}.evil.example", PAGE.upper()]
)
@pytest.mark.parametrize("status", EVERY_STATUS)
async def test_others_may_not(server: Served, status: int, origin: str | None) -> None:
    """Another origin, or none, is given no leave; caches are told that the answer depends on it."""
    assert await status_with_cors(server, status, origin) == {"Vary": "Origin"}


@pytest.mark.parametrize("status", EVERY_STATUS)
async def test_a_star_lets_everyone_read(serve: Serve, status: int) -> None:
    """Under `*` any page may read every status, and never with credentials."""
    server = await serve(cors_origin="*")
    server.publish(small_state())

    headers = await status_with_cors(server, status, "https://any.example")
    assert headers["Access-Control-Allow-Origin"] in ("*", "https://any.example")
    assert "Access-Control-Allow-Credentials" not in headers


async def test_every_listed_origin_is_allowed(serve: Serve) -> None:
    """Each of several origins is answered with itself."""
    server = await serve(cors_origin=f"{PAGE}, https://two.example/")

    for origin in (PAGE, "https://two.example"):
        answer = await server.get("/api/health", Origin=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == origin


async def test_without_origins_no_page_is_allowed(serve: Serve) -> None:
    """An empty list of origins allows none."""
    server = await serve(cors_origin="")

    answer = await server.get("/api/health", Origin=PAGE)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/nodes", "GET"),
        ("/api/nodes/x", "GET"),
        ("/api/jobs/1", "DELETE"),
        ("/api/jobs/1/hold", "POST"),
        ("/api/events", "GET"),
        ("/api/changes", "GET"),
    ],
)
async def test_a_preflight_is_answered(server: Served, path: str, method: str) -> None:
    """A browser that asks first is told that method and headers are allowed to an allowed page."""
    answer = await server.ask(
        "OPTIONS",
        path,
        Origin=PAGE,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers="if-none-match,last-event-id",
    )

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == method
    assert set(answer.headers["Access-Control-Allow-Headers"].lower().split(",")) == {
        "if-none-match",
        "last-event-id",
    }
    assert answer.headers["Vary"] == "Origin"


async def test_a_preflight_allows_no_more_than_there_is(server: Served) -> None:
    """A method that the address has not, or a header that nothing here reads, is refused."""
    ask = {"Origin": PAGE, "Access_Control_Request_Method": "GET"}

    assert (await server.ask("OPTIONS", "/api/nodes", **ask)).status == 200
    assert (
        await server.ask("OPTIONS", "/api/nodes", **(ask | {"Access_Control_Request_Method": "PUT"}))
    ).status == 403
    strange = await server.ask("OPTIONS", "/api/nodes", Access_Control_Request_Headers="x-strange", **ask)
    assert strange.status == 403


@pytest.mark.parametrize(("origins", "credentials"), [(PAGE, "true"), ("*", None)])
@pytest.mark.parametrize("status", EVERY_STATUS)
async def test_only_a_known_page_may_come_with_a_cookie(
    serve: Serve, status: int, origins: str, credentials: str | None
) -> None:
    """A listed page may read every status of a request with a cookie, errors too; under `*` nobody may."""
    server = await serve(cors_origin=origins)
    server.publish(small_state())

    headers = await status_with_cors(server, status, PAGE)
    assert headers.get("Access-Control-Allow-Credentials") == credentials


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Access_Control_Request_Method": "GET"},
        {"Access_Control_Request_Method": "GET"},
        {"Origin": PAGE},
    ],
)
async def test_another_preflight_is_refused(server: Served, headers: dict[str, str]) -> None:
    """A preflight of another page, or that is none, is a 403 problem without leave to send anything."""
    answer = await server.ask("OPTIONS", "/api/nodes", **headers)

    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert "Access-Control-Allow-Methods" not in answer.headers


async def test_an_event_stream_may_be_read_by_an_allowed_page(server: Served) -> None:
    """The stream's headers let an allowed page read it."""
    async with server.events("", Origin=PAGE) as stream:
        assert stream.response.headers["Access-Control-Allow-Origin"] == PAGE
        assert stream.response.headers["Vary"] == "Origin"


# -- WebSockets, which no browser's same-origin rule protects

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://[::1",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://127.0.0.1.evil",
        "//",
    ],
)
async def test_a_foreign_page_gets_no_websocket(server: Served, origin: str) -> None:
    """A page of another origin, malformed ones among them, is refused before the upgrade, as a 403 problem."""
    answer = await server.get("/api/ws", Origin=origin, **HANDSHAKE)

    assert (answer.status, answer.json["code"]) == (403, "forbidden_origin")
    assert server.listeners() == []


@pytest.mark.parametrize("origin", [None, PAGE, "http://{host}", "https://{host}"])
async def test_our_own_and_allowed_pages_get_one(server: Served, origin: str | None) -> None:
    """A program without an origin, an allowed page, and a page of the host itself may open a WebSocket."""
    headers = {"Origin": origin.format(host=f"127.0.0.1:{server.port}")} if origin else {}

    async with server.socket("", **headers) as socket:
        await socket.take("hello", "snapshot", "heartbeat")


async def test_under_a_star_every_page_gets_one(serve: Serve) -> None:
    """Where every origin may read, every origin may listen."""
    server = await serve(cors_origin="*")

    async with server.socket("", Origin="https://any.example") as socket:
        await socket.take("hello", "heartbeat")
