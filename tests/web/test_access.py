"""The gate: who is let in, how far, and for how long."""

import asyncio
import re
import socket as sockets
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from realtime.state.view import TOPICS
from realtime.web.access import GATE
from realtime.web.caller import Role
from realtime.web.routes import ROUTES, terms
from realtime.web.tokens import line_of, new_token
from tests.web.guarded import Guarded, guarded
from tests.web.served import UPGRADE, Serve, Served, small_state, until

PAGE = "https://page.example"
USERS = re.compile(rb"""["'](ann|bob)["']""")
"""A name as a value; `ann` also stands in words of scripts."""

Closed = Callable[..., Awaitable[tuple[dict[str, Any], int | None]]]


@pytest.fixture
async def closed(serve: Serve, tmp_path: Path) -> Guarded:
    return await guarded(serve, tmp_path)


async def parting(server: Served, query: str = "", **headers: str) -> tuple[dict[str, Any], int | None]:
    """What a WebSocket that is refused hears, and with which code it is closed."""
    async with server.socket(query, **headers) as socket:
        return await socket.next(), await socket.closed()


# -- nobody without a token


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_route_asks_for_a_token(closed: Guarded, route: Any) -> None:
    """Without a token every address is 401, but the pages, and those where one shows a token for the first time."""
    path = route.path.format(id="hopper-01", name="x.js")
    answer = await closed.server.ask(route.method, path)

    if terms()[route.method, route.path].role is None:
        assert answer.status != 401
    elif path == "/api/ws":
        # Not an upgrade; those are refused below.
        assert answer.status == 401
    else:
        assert (answer.status, answer.json["code"]) == (401, "no_token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not USERS.search(answer.body)


async def test_what_is_not_there_is_not_told(closed: Guarded) -> None:
    """Who is not let in does not learn which addresses there are."""
    assert (await closed.server.get("/api/nope")).status == 401
    assert (await closed.server.get("/api/nope", **closed.bearer())).status == 404


BAD_HEADERS = {
    "an unknown token": "Bearer rt_unknown",
    "another scheme": "Basic YW5uOnNlY3JldA==",
    "no token": "Bearer",
    "blanks": "Bearer    ",
    "a negative": "Bearer -1",
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
@pytest.mark.parametrize("path", ["/api/state", "/api/events", "/api/changes", "/api/ws"])
async def test_a_token_that_is_none_lets_nobody_in(closed: Guarded, path: str, header: str) -> None:
    """Whatever stands in the header, without a known token it is 401, on event streams too: a browser then stops asking."""
    answer = await closed.server.get(path, Authorization=header)

    assert answer.status == 401
    assert (
        header.partition(" ")[2].strip() not in answer.body.decode() or not header.partition(" ")[2].strip()
    )


@pytest.mark.parametrize("header", [b"Authorization: Bearer \xff", b"Cookie: realtime=\xff"])
async def test_a_token_of_bytes_that_are_no_text_is_one_that_is_not_known(
    closed: Guarded, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no UTF-8 are refused as any token that is not known, and are no failure of ours."""
    request = b"GET /api/nodes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n" % header
    with structlog.testing.capture_logs() as told:
        async with closed.server.raw(request) as raw:
            said = await raw.rest()

    assert said.startswith(b"HTTP/1.1 401 ")
    assert b'"code":"bad_token"' in said
    assert [event["event"] for event in told] == ["refused"]
    assert not caplog.records


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer rt_unknown"}], ids=["none", "unknown"])
async def test_a_socket_without_a_token_is_told_and_closed(closed: Guarded, headers: dict[str, str]) -> None:
    """A page cannot read the status of a WebSocket that was not opened, so it is opened, told, and closed with 4500."""
    bye, code = await parting(closed.server, **headers)

    assert (bye["type"], bye["code"], code) == ("bye", 4500, 4500)


@pytest.mark.parametrize("role", Role)
async def test_every_role_sees_what_is_live(closed: Guarded, role: Role) -> None:
    """With a token of any role REST, long-poll and both streams answer."""
    server, bearer = closed.server, closed.bearer(role)
    for path in (
        "/api/nodes",
        "/api/jobs",
        "/api/state",
        "/api/changes",
        "/api/health",
        "/api/stats/cluster",
    ):
        assert (await server.get(path, **bearer)).status == 200
    async with server.socket(**bearer) as socket:
        await socket.take("hello", "snapshot", "heartbeat")
    async with server.events(**bearer) as events:
        await events.take("hello", "snapshot", "heartbeat")


@pytest.mark.parametrize("path", ["/api/screens", "/metrics"])
async def test_only_admins_see_who_is_connected(closed: Guarded, path: str) -> None:
    """The list of screens and the server's own metrics are for the role admin."""
    answers = {role: await closed.server.get(path, **closed.bearer(role)) for role in Role}

    assert {role: answer.status for role, answer in answers.items()} == {
        Role.KIOSK: 403,
        Role.VIEWER: 403,
        Role.ADMIN: 200,
    }
    assert answers[Role.VIEWER].json["code"] == "forbidden"


async def test_where_nobody_is_asked_everything_is_open(server: Served) -> None:
    """Without `auth` screens are told to everyone, tokens are not looked at, and there is nothing to log in to."""
    assert (await server.get("/api/screens", Authorization="Bearer nonsense")).status == 200
    for method, path in (("POST", "/api/session"), ("DELETE", "/api/session"), ("POST", "/api/tickets")):
        answer = await server.ask(method, path)
        assert (answer.status, answer.json["code"]) == (404, "no_login")
    async with server.socket() as socket:
        await socket.take("hello", "snapshot")
        await socket.say(type="authenticate", token="nonsense")
        assert await socket.take("authenticated") == [{"type": "authenticated"}]


# -- kiosks do not see people


async def test_a_kiosk_sees_no_names(closed: Guarded) -> None:
    """Whatever a kiosk asks, on any transport, no user's name is in the answer."""
    server, bearer = closed.server, closed.bearer(Role.KIOSK)
    seen = b""
    for route in ROUTES:
        if route.method == "GET" and route.path not in ("/api/ws", "/api/events"):
            seen += (await server.get(route.path.format(id="hopper-01", name="x.js"), **bearer)).body
    async with server.socket(**bearer) as socket:
        hello, snapshot = await socket.take("hello", "snapshot")
        await socket.say(type="subscribe")
        seen += repr(await socket.take("snapshot")).encode()
    async with server.events(**bearer) as events:
        seen += repr(await events.take("hello", "snapshot")).encode()

    assert hello["topics"] == [topic for topic in TOPICS if topic != "users"]
    assert set(snapshot["state"]) == set(hello["topics"])
    assert b"hopper-01" in seen
    assert not USERS.search(seen + repr(snapshot).encode())


async def test_a_kiosks_jobs_are_numbers(closed: Guarded) -> None:
    """`/api/jobs` has no `byUser` for a kiosk, whoever asked before, and has it for a viewer, whoever asked before."""
    for role, named in ((Role.VIEWER, True), (Role.KIOSK, False), (Role.VIEWER, True), (Role.KIOSK, False)):
        jobs = (await closed.server.get("/api/jobs", **closed.bearer(role))).json
        assert ("byUser" in jobs) is named
        assert jobs["summary"]["running"] == 2


@pytest.mark.parametrize("topics", ["users", "nodes,users"])
async def test_a_kiosk_that_asks_for_people_is_told(closed: Guarded, topics: str) -> None:
    """Asked for by name, the topic is refused: 403 on HTTP, 4503 on a WebSocket's opening, an error on a command."""
    server, bearer = closed.server, closed.bearer(Role.KIOSK)
    for path in ("/api/state", "/api/changes", "/api/events"):
        answer = await server.get(f"{path}?topics={topics}", **bearer)
        assert (answer.status, answer.json["code"]) == (403, "forbidden_topic")
    async with server.socket(f"?topics={topics}", **bearer) as socket:
        (error,) = (await socket.take("hello", "error"))[1:]
        assert error["code"] == "forbidden_topic"
        assert await socket.closed() == 4503
    async with server.socket(**bearer) as socket:
        await socket.take("hello", "snapshot")
        await socket.say(type="subscribe", topics=topics.split(","))
        assert (await socket.take("error"))[0]["code"] == "forbidden_topic"


async def test_kiosks_share_their_messages(closed: Guarded) -> None:
    """All kiosks, and whoever asks for the same topics, read one edition: what they are told is encoded once."""
    server = closed.server
    others = ",".join(topic for topic in TOPICS if topic != "users")
    async with (
        server.socket(**closed.bearer(Role.KIOSK)),
        server.events(**closed.bearer(Role.KIOSK)),
        server.socket(f"?topics={others}", **closed.bearer()),
        server.socket(**closed.bearer()),
    ):
        await until(lambda: len(server.listeners()) == 4)
        assert len({id(subscriber.edition) for subscriber in server.listeners()}) == 2


# -- for how long


async def test_who_loses_the_token_loses_the_stream(closed: Guarded) -> None:
    """When a token leaves the file, its streams end with 4002, those of others go on, and who comes back is refused."""
    server = closed.server
    async with (
        server.socket(**closed.bearer()) as revoked,
        server.events(**closed.bearer()) as events,
        server.socket(**closed.bearer(Role.KIOSK)) as other,
    ):
        for stream in (revoked, events, other):
            await stream.take("hello", "snapshot")
        polling = asyncio.create_task(
            server.get(f"/api/changes?since={server.cursor}&wait=9", **closed.bearer())
        )
        await until(lambda: len(closed.gate.visits) == 4)
        closed.list_only(Role.KIOSK)

        (bye,) = await revoked.take("bye")
        assert (bye["code"], await revoked.closed()) == (4002, 4002)
        assert (await events.take("bye"))[0]["code"] == 4002
        assert await events.next() is None
        assert (await polling).status == 204
        await other.say(type="ping")
        await other.take("pong")
    assert (await parting(server, **closed.bearer()))[1] == 4500
    assert (await server.get("/api/events", **closed.bearer())).status == 401


async def test_another_role_is_another_caller(closed: Guarded) -> None:
    """Who was a viewer and is made a kiosk in the file does not go on as a viewer."""
    async with closed.server.socket(**closed.bearer()) as socket:
        await socket.take("hello", "snapshot")
        closed.write(line_of(closed.tokens[Role.VIEWER], Role.KIOSK, name="viewer"))

        assert (await socket.take("bye"))[0]["code"] == 4002


async def test_a_stream_goes_on_with_another_token(closed: Guarded) -> None:
    """Whoever shows a new token of the same role in time keeps the connection when the old one ends."""
    server, fresh = closed.server, new_token()
    async with server.socket(**closed.bearer()) as socket:
        await socket.take("hello", "snapshot")
        closed.write(
            line_of(closed.tokens[Role.VIEWER], Role.VIEWER, name="viewer"), line_of(fresh, Role.VIEWER)
        )
        await until(lambda: len(closed.gate._proofs._callers) == 2)  # type: ignore[union-attr]
        await socket.say(type="authenticate", token=fresh)
        assert await socket.take("authenticated") == [{"type": "authenticated"}]
        closed.write(line_of(fresh, Role.VIEWER))
        await until(lambda: len(closed.gate._proofs._callers) == 1)  # type: ignore[union-attr]
        closed.gate.dismiss(server.site)
        await socket.say(type="ping")
        await socket.take("pong")

        assert list(closed.gate.limits.by_token.values()) == [1]
    await until(lambda: not closed.gate.limits.by_token)


@pytest.mark.parametrize("token", ["rt_unknown", "", None, 7, "admin"])
async def test_a_bad_token_renews_nothing(closed: Guarded, token: object) -> None:
    """An unknown token, none, or one of another role is an error; the stream goes on as before, as the same."""
    async with closed.server.socket(**closed.bearer()) as socket:
        await socket.take("hello", "snapshot")
        said = closed.tokens[Role.ADMIN] if token == "admin" else token
        await socket.say(type="authenticate", token=said)
        (error,) = await socket.take("error")

        assert error["code"] in ("bad_token", "bad_message")
        assert not said or str(said) not in error["detail"]
        assert [visit.caller.role for visit in closed.gate.visits] == [Role.VIEWER]


# -- tickets


async def test_a_ticket_opens_one_stream(closed: Guarded) -> None:
    """Who can send no header opens a stream with a ticket, once, and is who asked for it."""
    server = closed.server
    for open_stream in (server.socket, server.events):
        issued = await server.ask("POST", "/api/tickets", **closed.bearer(Role.KIOSK))
        assert issued.status == 201
        assert issued.json["expiresInSeconds"] == 30
        query = f"?ticket={issued.json['ticket']}"
        async with open_stream(query) as stream:
            hello, _ = await stream.take("hello", "snapshot")
            assert "users" not in hello["topics"]
            assert (await parting(server, query))[1] == 4500
            assert (await server.get(f"/api/events{query}")).status == 401
    async with server.session.get(server.url(f"/api/state{query}")) as response:
        assert response.status == 401


async def test_a_ticket_of_a_revoked_token_is_none(closed: Guarded) -> None:
    """A ticket is worth what the token is worth that it was issued for, and ends with it."""
    server = closed.server
    used, unused = [
        (await server.ask("POST", "/api/tickets", **closed.bearer())).json["ticket"] for _ in range(2)
    ]
    async with server.socket(f"?ticket={used}") as socket:
        await socket.take("hello", "snapshot")
        closed.list_only(Role.ADMIN)
        assert (await socket.take("bye"))[0]["code"] == 4002
    assert (await parting(server, f"?ticket={unused}"))[1] == 4500


async def test_a_ticket_is_for_streams_alone(closed: Guarded) -> None:
    """REST takes no ticket, and does not use it up."""
    server = closed.server
    ticket = (await server.ask("POST", "/api/tickets", **closed.bearer())).json["ticket"]
    assert (await server.get(f"/api/nodes?ticket={ticket}")).status == 401

    async with server.socket(f"?ticket={ticket}") as socket:
        await socket.take("hello")


# -- pages


async def test_a_cookie_is_good_for_pages_that_are_known(closed: Guarded) -> None:
    """With the cookie alone this host's own page and a listed one are let in; another page, or one that hides its origin, is not."""
    server = closed.server
    cookie = f"realtime={closed.tokens[Role.VIEWER]}"
    own = f"http://127.0.0.1:{server.port}"
    allowed = [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": own},
        {"Origin": PAGE},
    ]
    refused = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]

    async def status(method: str, path: str, headers: dict[str, str]) -> int:
        async with server.session.request(
            method, server.url(path), headers={"Cookie": cookie} | headers
        ) as answer:
            return answer.status

    assert [await status("GET", "/api/state", headers) for headers in allowed] == [200] * 5
    assert [await status("GET", "/api/state", headers) for headers in refused] == [403] * 3
    assert await status("POST", "/api/tickets", {"Origin": own}) == 201
    for headers in [{}, *refused]:
        assert await status("POST", "/api/tickets", headers) == 403


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
async def test_a_cookie_opens_no_socket_for_another_page(closed: Guarded, origin: str | None) -> None:
    """A WebSocket that a strange page opens, or that names no page, is refused though the browser sends the cookie."""
    headers = {"Cookie": f"realtime={closed.tokens[Role.VIEWER]}"} | ({"Origin": origin} if origin else {})
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with closed.server.socket(**headers):
            pass
    assert refused.value.status == 403

    headers["Origin"] = f"http://127.0.0.1:{closed.server.port}"
    async with closed.server.socket(**headers) as socket:
        await socket.take("hello")


async def test_a_star_is_nobody_with_a_cookie(serve: Serve, tmp_path: Path) -> None:
    """Under `CORS_ORIGIN=*` any page may come with a token, and none but our own with a cookie."""
    closed = await guarded(serve, tmp_path, cors_origin="*")
    cookie = {"Cookie": f"realtime={closed.tokens[Role.VIEWER]}", "Origin": "https://any.example"}

    refused = await closed.server.get("/api/state", **cookie)
    assert (refused.status, refused.json["code"]) == (403, "forbidden_origin")
    assert "Access-Control-Allow-Credentials" not in refused.headers
    let_in = await closed.server.get("/api/state", Origin="https://any.example", **closed.bearer())
    assert let_in.status == 200


# -- how many


@pytest.mark.parametrize(
    ("settings", "status", "close_code"),
    [
        ({"max_connections": 2}, 503, 1013),
        ({"max_connections_per_ip": 2}, 429, 4504),
        ({"max_new_connections_per_second": 1}, 503, 1013),
    ],
)
async def test_one_stream_too_many(
    serve: Serve, settings: dict[str, int], status: int, close_code: int
) -> None:
    """Past a limit a WebSocket hears `bye` and is closed, an event stream is a 200 with `bye` that ends, a long-poll has a Retry-After; and
    there is room again when somebody leaves.
    """
    server = await serve(**settings)
    server.publish(small_state())
    limits = server.app[GATE].limits
    caller = {"X-Forwarded-For": "203.0.113.9"}
    async with server.socket(**caller), server.events(**caller):
        bye, code = await parting(server, **caller)
        assert (bye["type"], bye["code"], code) == ("bye", close_code, close_code)
        assert bye["retryMs"] >= 1_000
        async with server.events(**caller) as events:
            assert (await events.take("bye"))[0]["code"] == close_code
            assert await events.next() is None
        polled = await server.get("/api/changes?wait=0", **caller)
        if "max_new_connections_per_second" not in settings:
            assert polled.status == status
            assert int(polled.headers["Retry-After"]) >= 1
        assert (await server.get("/api/nodes", **caller)).status == 200
        assert limits.open == 2
    await until(lambda: limits.open == 0)
    assert not limits.by_ip
    server.stopwatch.skipped += 10


async def test_too_many_requests(serve: Serve) -> None:
    """One address that asks too often is told when to ask again; another is answered."""
    server = await serve(max_requests_per_second=1)
    server.publish(small_state())
    flood = {"X-Forwarded-For": "203.0.113.9"}
    answers = [await server.get("/api/nodes", **flood) for _ in range(15)]

    assert [answer.status for answer in answers[:11]] == [200] * 11
    refused = answers[-1]
    assert (refused.status, refused.json["code"]) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await server.get("/api/nodes", **{"X-Forwarded-For": "203.0.113.10"})).status == 200
    async with server.events(**flood) as events:
        assert (await events.take("bye"))[0]["code"] == 1013


async def test_a_caller_cannot_choose_its_address(serve: Serve) -> None:
    """What a caller writes into X-Forwarded-For before the trusted proxy's hop gives it no other place."""
    server = await serve(max_requests_per_second=1)
    server.publish(small_state())
    statuses = [
        (await server.get("/api/nodes", **{"X-Forwarded-For": f"1.1.1.{number}, 203.0.113.9"})).status
        for number in range(15)
    ]

    assert 429 in statuses


async def test_one_token_cannot_take_every_place(serve: Serve, tmp_path: Path) -> None:
    """Past its own limit a token is refused, while others are let in."""
    closed = await guarded(serve, tmp_path, max_connections_per_token=1)
    async with closed.server.socket(**closed.bearer()) as socket:
        await socket.take("hello")
        assert (await parting(closed.server, **closed.bearer()))[1] == 4504
        async with closed.server.socket(**closed.bearer(Role.KIOSK)) as other:
            await other.take("hello")


REQUESTS = {
    "websocket": UPGRADE,
    "sse": b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n",
    "sse 1.0": b"GET /api/events HTTP/1.0\r\nHost: x\r\n\r\n",
    "longpoll": b"GET /api/changes?since=a-1&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n",
    "half": b"GET /api/ws HTTP/1.1\r\nHost: x\r\n",
    "bad view": UPGRADE.replace(b"/api/ws", b"/api/ws?topics=nope"),
    "not found": b"GET /api/events?cluster=nope HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("wait_for_answer", [True, False], ids=["after an answer", "at once"])
@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS)
async def test_a_place_is_given_back_however_it_ends(
    serve: Serve, request_bytes: bytes, wait_for_answer: bool
) -> None:
    """Whoever breaks the connection with a reset, be it at once, leaves no place taken, no address counted, and no subscriber."""
    server = await serve()
    if b"changes" not in request_bytes:
        server.publish(small_state())
    limits = server.app[GATE].limits
    forwarded = request_bytes.replace(b"Host: x\r\n", b"Host: x\r\nX-Forwarded-For: 203.0.113.9\r\n")
    for _ in range(20):
        async with server.raw(forwarded) as raw:
            if (
                wait_for_answer
                and b"half" not in forwarded
                and b"\r\n\r\n" in forwarded
                and b"changes" not in forwarded
            ):
                await raw.until(b"\r\n\r\n")
            plain = raw.writer.get_extra_info("socket")
            plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    await until(lambda: server.connections() == 0)
    await until(lambda: limits.open == 0)

    assert not limits.by_ip
    assert not server.listeners()
    assert not server.site.sockets


# -- what is kept quiet


async def test_refusals_are_logged_now_and_then(serve: Serve, tmp_path: Path) -> None:
    """Of many refusals of one kind one is logged, with the count and without what was shown; all are counted."""
    with structlog.testing.capture_logs() as logs:
        closed = await guarded(serve, tmp_path)
        for _ in range(50):
            await closed.server.get("/api/events?ticket=hunter2", Authorization="Bearer hunter2")
            await closed.server.get("/api/nodes/hunter2")
            await closed.server.get("/hunter2")

    refused = [entry for entry in logs if entry["event"] == "refused" and entry["code"] == "bad_token"]
    assert [entry["code"] for entry in logs if entry["event"] == "refused"] == ["bad_token", "no_token"]
    assert [(entry["code"], entry["route"]) for entry in refused] == [("bad_token", "/api/events")]
    assert closed.server.site.door.refusals["bad_token"] == 50
    assert "hunter2" not in str(logs)


async def test_what_one_is_told_is_not_for_a_cache(closed: Guarded, server: Served) -> None:
    """An answer to one caller is private; where nobody is asked for a token caches may keep answers as before."""
    for path, private, public in (
        ("/api/nodes", "private, no-cache", "no-cache"),
        ("/api/state", "no-store", "no-store"),
    ):
        told = await closed.server.get(path, **closed.bearer())
        assert told.headers["Cache-Control"] == private
        assert (await server.get(path)).headers["Cache-Control"] == public
