"""How a browser shows who it is."""

import time
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from realtime.web.caller import Caller, Role
from realtime.web.tokens import line_of, new_token
from tests.web.guarded import Guarded, guarded
from tests.web.served import Answer, Serve

EVIL = {"Origin": "https://evil.example"}


@pytest.fixture
async def closed(serve: Serve, tmp_path: Path) -> Guarded:
    return await guarded(serve, tmp_path)


def cookie_of(answer: Answer) -> SimpleCookie:
    return SimpleCookie(answer.headers["Set-Cookie"])


async def post(closed: Guarded, body: bytes, **headers: str) -> Answer:
    async with closed.server.session.post(
        closed.server.url("/api/session"), data=body, headers=headers
    ) as response:
        return Answer(response.status, response.headers, await response.read())


@pytest.mark.parametrize("role", Role)
async def test_a_token_becomes_a_cookie(closed: Guarded, role: Role) -> None:
    """A token in the body or the header is answered with its role and a cookie that no script can read and no other site can have sent."""
    body = b'{"token":"%s"}' % closed.tokens[role].encode()
    for answer in (
        await post(closed, body),
        await closed.server.ask("POST", "/api/session", **closed.bearer(role)),
    ):
        cookie = cookie_of(answer)["realtime"]
        assert (answer.status, answer.json) == (200, {"role": role})
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Strict", "/", "")
        assert closed.tokens[role].encode() not in answer.body

        async with closed.server.session.get(
            closed.server.url("/api/state"), headers={"Cookie": f"realtime={cookie.value}"}
        ) as seen:
            assert seen.status == 200


async def test_behind_tls_the_cookie_is_this_hosts_alone(closed: Guarded) -> None:
    """Where a trusted proxy says https, the cookie is Secure and of a name that no other host can set; the plain one is not looked at."""
    https = {"X-Forwarded-Proto": "https"}
    cookie = cookie_of(await closed.server.ask("POST", "/api/session", **closed.bearer(), **https))
    (name,) = cookie
    assert name == "__Host-realtime"
    assert cookie[name]["secure"]
    assert not cookie[name]["domain"]

    for sent, status in ((name, 200), ("realtime", 401)):
        answer = await closed.server.get("/api/state", Cookie=f"{sent}={cookie[name].value}", **https)
        assert answer.status == status


async def test_a_cookie_ends_with_its_token(closed: Guarded) -> None:
    """A token that ends at a time makes a cookie that does."""
    token = new_token()
    closed.write(line_of(token, Role.VIEWER, until=datetime.now(UTC) + timedelta(minutes=10)))
    await closed.gate._proofs.refresh()  # type: ignore[union-attr]
    answer = await post(closed, b'{"token":"%s"}' % token.encode())

    assert 590 <= int(cookie_of(answer)["realtime"]["max-age"]) <= 600
    assert answer.json["expiresAt"] > 0


@pytest.mark.parametrize(("days", "kept"), [(400, "34560000"), (30, "2592000"), (0, "")])
async def test_a_cookie_of_a_token_without_an_end_is_kept_for_days(
    serve: Serve, tmp_path: Path, days: int, kept: str
) -> None:
    """A token that never ends makes a cookie that outlives the browser by `cookie_days`; 0 makes one that does not."""
    closed = await guarded(serve, tmp_path, cookie_days=days)
    answer = await post(closed, b'{"token":"%s"}' % closed.tokens[Role.KIOSK].encode())

    assert cookie_of(answer)["realtime"]["max-age"] == kept
    assert "expiresAt" not in answer.json


@pytest.mark.parametrize("role", Role)
async def test_one_can_ask_as_whom_one_is_let_in(closed: Guarded, role: Role) -> None:
    """The role is told, and whether it is the cookie that lets one in: no script can see that, and only from a cookie can one log out."""
    cookie = {"Cookie": f"realtime={closed.tokens[role]}"}
    for headers, by_cookie in (
        (closed.bearer(role), False),
        (cookie, True),
        (cookie | closed.bearer(role), False),
    ):
        answer = await closed.server.get("/api/session", **headers)
        assert (answer.status, answer.json) == (200, {"role": role, "cookie": by_cookie})
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


async def test_where_nobody_is_asked_everyone_is_let_in_without_a_cookie(serve: Serve) -> None:
    """Without `auth` everyone is an admin, whatever cookie is shown, and there is nothing to log out of."""
    server = await serve()
    answer = await server.get("/api/session", Cookie="realtime=rt_of-former-times")

    assert (answer.status, answer.json) == (200, {"role": "admin", "cookie": False})


async def test_one_can_ask_until_when_one_is_let_in(closed: Guarded) -> None:
    """Of a token that ends the end is told."""
    token, until = new_token(), datetime.now(UTC) + timedelta(minutes=10)
    closed.write(line_of(token, Role.VIEWER, until=until))
    await closed.gate._proofs.refresh()  # type: ignore[union-attr]
    answer = await closed.server.get("/api/session", Authorization=f"Bearer {token}")

    assert answer.json["expiresAt"] == pytest.approx(until.timestamp() * 1000, abs=1)


async def test_logging_out_takes_the_cookie(closed: Guarded) -> None:
    """DELETE has the browser forget the cookie."""
    answer = await closed.server.ask("DELETE", "/api/session")

    assert answer.status == 204
    assert (cookie_of(answer)["realtime"].value, cookie_of(answer)["realtime"]["max-age"]) == ("", "0")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"garbage", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"token":7}', 400),
        (b'{"token":""}', 400),
        (b'{"token":"rt_unknown"}', 401),
        (b'{"token":"' + b"x" * 20_000 + b'"}', 413),
    ],
)
async def test_what_is_no_token_gets_no_cookie(closed: Guarded, body: bytes, status: int) -> None:
    """A body without a known token, or one that is too long, is refused, without a cookie and without repeating it."""
    answer = await post(closed, body)

    assert answer.status == status
    assert "Set-Cookie" not in answer.headers
    assert b"rt_unknown" not in answer.body


@pytest.mark.parametrize("seconds", [-20, 0.5])
async def test_a_token_that_ends_now_gets_no_cookie(
    closed: Guarded, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """A JWT within what is allowed for clocks would log in by a cookie that is gone at once: it is said to have expired."""

    async def late(_: str) -> Caller:
        return Caller(Role.VIEWER, "ann", time.time() + seconds)

    monkeypatch.setattr(closed.gate, "known", late)
    answer = await post(closed, b'{"token":"eyJ"}')

    assert (answer.status, answer.json["detail"]) == (401, "this token has expired")
    assert "Set-Cookie" not in answer.headers


async def test_a_login_that_is_refused_is_logged_and_counted(closed: Guarded) -> None:
    """As any other refusal: by the route, one of a kind in a while, each counted once, and without the token."""
    with capture_logs() as logs:
        for n in range(3):
            await post(closed, b'{"token":"rt_secret%d"}' % n)

    assert [each for each in logs if each["event"] == "refused"] == [
        {
            "event": "refused",
            "log_level": "warning",
            "code": "bad_token",
            "route": "/api/session",
            "ip": "local",
            "before": 0,
        }
    ]
    assert closed.server.site.door.refusals["bad_token"] == 3
    assert "rt_secret" not in str(logs)


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/session"), ("DELETE", "/api/session")])
async def test_another_sites_page_logs_nobody_in_or_out(closed: Guarded, method: str, path: str) -> None:
    """A page that is not known can neither log a browser in as somebody else nor out."""
    answer = await closed.server.ask(method, path, **EVIL, **closed.bearer())

    assert (answer.status, answer.json["code"]) == (403, "forbidden_origin")
    assert "Set-Cookie" not in answer.headers


async def test_a_ticket_is_for_who_is_known(closed: Guarded) -> None:
    """Without a token there is no ticket; with one it comes in a body that nobody keeps."""
    assert (await closed.server.ask("POST", "/api/tickets")).status == 401
    issued = await closed.server.ask("POST", "/api/tickets", **closed.bearer())

    assert issued.status == 201
    assert issued.headers["Cache-Control"] == "no-store"
    assert len(issued.json["ticket"]) >= 32
    assert closed.tokens[Role.VIEWER].encode() not in issued.body
