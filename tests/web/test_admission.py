"""Who is let in, as the documents tell it."""

from pathlib import Path
from typing import Any

import pytest

from realtime.config import Settings
from realtime.web.admission import refusals, schemes, who_may
from realtime.web.caller import Role
from realtime.web.limits import OVERLOADED, Refusal
from realtime.web.openapi import openapi
from realtime.web.routes import terms
from realtime.web.terms import ANY_ROLE, EVERYONE, Terms
from tests.web.guarded import Guarded, guarded
from tests.web.served import Serve

OPEN = Settings.model_construct()
TOKENS = Settings.model_construct(auth="tokens")
JWT = Settings.model_construct(auth="jwt", ticket_seconds=12.0)


def test_where_nobody_is_asked_no_scheme_is_told() -> None:
    """Without `auth` no scheme is told, and both documents say that nobody is asked."""
    assert schemes(OPEN, secure=True) == {}
    assert who_may(OPEN) == "Nobody is asked for a token."
    assert who_may(TOKENS) != who_may(OPEN)


@pytest.mark.parametrize(
    ("of", "settings", "statuses"),
    [
        (EVERYONE, TOKENS, {429}),
        (ANY_ROLE, OPEN, {429}),
        (ANY_ROLE, TOKENS, {401, 403, 429}),
        (ANY_ROLE, JWT, {401, 403, 429, 503}),
        (Terms(transport="sse"), OPEN, set()),
        (Terms(transport="sse"), JWT, {401, 403}),
        (Terms(transport="longpoll"), OPEN, {429, 503}),
        (Terms(transport="websocket"), JWT, {401, 403, 429, 503}),
    ],
)
def test_refusals_are_those_that_there_can_be(of: Terms, settings: Settings, statuses: set[int]) -> None:
    """Only a server that asks says 401 and 403, only one with a provider of keys lacks them, and an event stream is never full."""
    assert refusals(of, settings).keys() == statuses


def test_the_role_is_named_where_it_is_not_the_least() -> None:
    """A 403 says which role would have been enough."""
    assert any("`admin`" in says for says in refusals(Terms(Role.ADMIN), TOKENS)[403])
    assert not any("`kiosk`" in says for says in refusals(ANY_ROLE, TOKENS)[403])


@pytest.mark.parametrize(("secure", "name"), [(False, "realtime"), (True, "__Host-realtime")])
def test_the_cookie_has_its_true_name(secure: bool, name: str) -> None:
    """Over an encrypted connection the cookie has another name."""
    assert schemes(TOKENS, secure=secure)["cookie"]["name"] == name


def test_a_jwt_is_called_one() -> None:
    """Of a bearer's token it is told what it is where that is known, and of a ticket for how long it is good."""
    told = schemes(JWT, secure=False)

    assert told["bearer"]["bearerFormat"] == "JWT"
    assert "bearerFormat" not in schemes(TOKENS, secure=False)["bearer"]
    assert "12 s" in told["ticket"]["description"]


@pytest.mark.parametrize("of", [ANY_ROLE, EVERYONE])
def test_only_streams_are_too_many(of: Terms) -> None:
    """Of what holds no connection there cannot be too many at once."""
    assert refusals(of, TOKENS)[429] == ["too many requests of this caller"]
    assert "streams" in refusals(Terms(transport="longpoll"), TOKENS)[429][0]


@pytest.mark.parametrize("settings", [OPEN, TOKENS, JWT], ids=["none", "tokens", "jwt"])
def test_nothing_is_said_twice(settings: Any) -> None:
    """No description of an answer repeats itself, nor tells the same in other words for a token that is not known."""
    for path, methods in openapi(settings, "0.1.0", terms())["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                said = answer.get("description", "").split("; or ")
                assert len(set(said)) == len(said), (method, path, status)
                assert sum("not known here" in each for each in said) <= 1, (method, path, status)


def test_only_logging_in_reads_a_body() -> None:
    """Who logs out, or asks for a ticket, sends nothing, and is told of no body that could be wrong."""
    paths = openapi(TOKENS, "0.1.0", terms())["paths"]
    asked = [paths[path][method] for path, method in (("/api/session", "delete"), ("/api/tickets", "post"))]

    assert not any("requestBody" in each or "400" in each["responses"] for each in asked)
    assert "400" in paths["/api/session"]["post"]["responses"]


def test_where_tokens_are_jwts_a_login_may_lack_a_role_or_the_keys() -> None:
    """What the gate says of JWTs elsewhere the login says itself."""
    told = openapi(JWT, "0.1.0", terms())["paths"]["/api/session"]["post"]["responses"]

    assert "without a role" in told["403"]["description"]
    assert told["503"]["description"] == "tokens cannot be checked now"
    assert "503" not in openapi(TOKENS, "0.1.0", terms())["paths"]["/api/session"]["post"]["responses"]


EVIL = {"Origin": "https://evil.example"}


@pytest.mark.parametrize(
    ("method", "path", "ways"),
    [
        ("POST", "/api/session", {400: {}, 401: {"Authorization": "Bearer rt_wrong"}, 403: EVIL}),
        ("DELETE", "/api/session", {403: EVIL}),
        ("POST", "/api/tickets", {401: {}, 403: EVIL}),
    ],
)
async def test_every_refusal_that_is_told_can_be_brought_about(
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    ways: dict[int, dict[str, str]],
) -> None:
    """Of logging in, logging out and tickets the document names the refusals that there are, and no others."""
    closed: Guarded = await guarded(serve, tmp_path)
    told = (await closed.server.get("/api/openapi.json")).json["paths"][path][method.lower()]["responses"]
    shown = closed.bearer() if path == "/api/tickets" else {}
    heard = set()
    for status, headers in ways.items():
        answer = await closed.server.ask(method, path, **(shown | headers if headers else {}))
        assert answer.status == status
        heard.add(str(status))
    full = Refusal(429, OVERLOADED, "too_many_requests", "too many")
    monkeypatch.setattr(closed.gate.limits, "count_request", lambda _: full)
    heard.add(str((await closed.server.ask(method, path, **shown)).status))

    assert heard == {status for status in told if status.startswith("4")}
