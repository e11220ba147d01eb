"""JSON Web Tokens of an identity provider."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import structlog
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from realtime.config import Settings
from realtime.errors import ConfigError, RequestError
from realtime.web.caller import Role
from realtime.web.jwts import JsonWebTokens
from tests.fakes import FakeClock
from tests.web.served import Serve, small_state

AUDIENCE, ISSUER = "realtime", "https://idp.example/realms/hpc"
SECRET = "s" * 64

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def settings(**given: Any) -> Settings:
    whole = {"auth": "jwt", "jwt_audience": AUDIENCE, "jwt_issuer": ISSUER} | given
    return Settings(**{"_env_file": None, **whole})


def claims(**given: Any) -> dict[str, Any]:
    """A good token's; None takes one away."""
    whole = {"aud": AUDIENCE, "iss": ISSUER, "exp": time.time() + 300, "sub": "ann", "role": "viewer"} | given
    return {name: value for name, value in whole.items() if value is not None}


def signed(key: Any = RSA, algorithm: str = "RS256", kid: str | None = None, **given: Any) -> str:
    return jwt.encode(claims(**given), key, algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_text(pem(RSA))
    return path


@pytest.fixture
def tokens(public: Path) -> JsonWebTokens:
    return JsonWebTokens(settings(jwt_key_file=str(public)))


@pytest.mark.parametrize(
    ("role", "known"),
    [
        ("viewer", Role.VIEWER),
        ("kiosk", Role.KIOSK),
        (["offline_access", "kiosk", "viewer"], Role.VIEWER),
        (["admin"], Role.ADMIN),
    ],
)
async def test_a_claim_tells_the_role(tokens: JsonWebTokens, role: object, known: Role) -> None:
    """A good token's bearer has the role of its claim, of several the one that sees most, and is known until it ends."""
    caller = await tokens.caller(signed(role=role))

    assert (caller.role, caller.name) == (known, "ann")
    assert tokens.stands(caller)
    assert caller.expires_at == pytest.approx(time.time() + 300, abs=5)


@pytest.mark.parametrize("role", ["root", None, 7, [], {"viewer": True}, ["Viewer"]])
async def test_a_token_without_a_role_may_nothing(tokens: JsonWebTokens, role: object) -> None:
    """Whoever the provider knows without a role here is forbidden."""
    with pytest.raises(RequestError) as refused:
        await tokens.caller(signed(role=role))
    assert (refused.value.status, refused.value.code) == (403, "forbidden")


def unsigned() -> str:
    return jwt.encode(claims(), "", "none")


BAD: dict[str, Any] = {
    "expired": lambda: signed(exp=time.time() - 120),
    "not yet": lambda: signed(nbf=time.time() + 120),
    "no end": lambda: signed(exp=None),
    "another audience": lambda: signed(aud="grafana"),
    "no audience": lambda: signed(aud=None),
    "another issuer": lambda: signed(iss="https://evil.example"),
    "no issuer": lambda: signed(iss=None),
    "another key": lambda: signed(OTHER_RSA),
    "unsigned": unsigned,
    "another algorithm": lambda: signed(algorithm="RS512"),
    "the public key as a secret": lambda: jwt.api_jws.PyJWS().encode(
        json.dumps(claims()).encode(), pem(RSA).encode().replace(b"PUBLIC KEY", b"PUBLIC-KEY"), "HS256"
    ),
    "cut": lambda: signed()[:-10],
    "changed": lambda: ".".join(
        [*signed().split(".")[:1], *signed(role="admin").split(".")[1:2], *signed().split(".")[2:]]
    ),
    "empty": lambda: "",
    "no token": lambda: "rt_abc",
    "dots": lambda: "..",
    "not ASCII": lambda: "ä.ö.ü",
    "numbers": lambda: "eyJhbGciOiJSUzI1NiJ9.NA.NA",
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
async def test_what_is_not_right_in_every_part_is_refused(tokens: JsonWebTokens, make: Any) -> None:
    """A token that is expired, not made for us, not of our issuer, not signed by its key and algorithm, or none, lets nobody in, and nothing
    of it is repeated.
    """
    token = make()
    with pytest.raises(RequestError) as refused:
        await tokens.caller(token)
    assert (refused.value.status, refused.value.code) == (401, "bad_token")
    assert not [part for part in token.split(".") if len(part) > 5 and part in refused.value.detail]


async def test_a_shared_secret_serves_too(tmp_path: Path) -> None:
    """With HS256 the file holds the secret, and a token signed with another is refused."""
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    tokens = JsonWebTokens(settings(jwt_key_file=str(path), jwt_algorithms="HS256"))

    assert (await tokens.caller(signed(SECRET, "HS256"))).role is Role.VIEWER
    with pytest.raises(RequestError):
        await tokens.caller(signed("t" * 64, "HS256"))


@pytest.mark.parametrize(
    ("content", "algorithms", "told"),
    [
        (None, "RS256", "cannot be read"),
        ("garbage", "RS256", "holds no key for RS256"),
        (pem(EC), "RS256", "holds no key for RS256"),
        ("tiny-one", "HS256", "too short"),
        (pem(RSA), "HS256", "holds no key for HS256"),
        (
            RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "RS256",
            "private key",
        ),
    ],
)
def test_a_key_that_cannot_be_used_ends_the_start(
    tmp_path: Path, content: str | None, algorithms: str, told: str
) -> None:
    """A file that is not there, holds no key, the wrong kind, too short a one, or a private one is told at the start, and not quoted."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=told) as refused:
        JsonWebTokens(settings(jwt_key_file=str(path), jwt_algorithms=algorithms))
    assert content is None or content not in str(refused.value)


# -- keys that are fetched


class Provider:
    """An identity provider's address of keys; what it says next is scripted."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.body: bytes | None = None
        self.status = 200
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.open.wait()
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        return web.Response(status=self.status, body=body)

    def publish(self, kid: str | None, key: Any, **more: Any) -> None:
        algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        jwk = json.loads(algorithm.to_jwk(key.public_key()))
        self.keys.append(jwk | ({"kid": kid} if kid else {}) | more)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_get("/keys", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield provider
    provider.open.set()
    await runner.cleanup()


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def fetching(provider: Provider, clock: FakeClock) -> AsyncIterator[JsonWebTokens]:
    tokens = JsonWebTokens(
        settings(jwt_keys_url=provider.url, jwt_algorithms="RS256,ES256", jwt_keys_timeout_seconds=0.5),
        clock=clock,
    )
    yield tokens
    await tokens.close()


async def test_keys_are_fetched_once_for_all(provider: Provider, fetching: JsonWebTokens) -> None:
    """Tokens that come together wait for one fetch, and later ones for none."""
    provider.publish("one", RSA)
    provider.publish("two", EC)
    found = await asyncio.gather(
        *(fetching.caller(signed(kid="one")) for _ in range(20)), fetching.caller(signed(EC, "ES256", "two"))
    )

    assert len(found) == 21
    assert provider.asked == 1


async def test_a_new_key_is_found(provider: Provider, fetching: JsonWebTokens, clock: FakeClock) -> None:
    """A token with a key that is new has the keys fetched anew; one whose key is gone from them is refused."""
    provider.publish("one", RSA)
    assert (await fetching.caller(signed(kid="one"))).role is Role.VIEWER
    provider.keys.clear()
    provider.publish("two", OTHER_RSA)
    clock.seconds += 10

    assert (await fetching.caller(signed(OTHER_RSA, kid="two"))).role is Role.VIEWER
    with pytest.raises(RequestError, match="not known"):
        await fetching.caller(signed(kid="one"))


async def test_names_of_keys_that_are_made_up_cost_no_fetch(
    provider: Provider, fetching: JsonWebTokens
) -> None:
    """However many tokens name unknown keys, the provider is asked again only after a while."""
    provider.publish("one", RSA)
    for number in range(30):
        with pytest.raises(RequestError):
            await fetching.caller(signed(kid=f"made up {number}"))

    assert provider.asked == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"no"),
        (302, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": []}'),
        (200, b"x" * 2**21),
    ],
)
async def test_without_keys_nobody_is_let_in(
    provider: Provider, fetching: JsonWebTokens, status: int, body: bytes
) -> None:
    """While the provider gives no keys a token is 503: it may be good; and the log says why, without the address."""
    provider.status, provider.body = status, body
    with structlog.testing.capture_logs() as logs, pytest.raises(RequestError) as refused:
        await fetching.caller(signed(kid="one"))

    assert (refused.value.status, refused.value.code) == (503, "no_keys")
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "127.0.0.1" not in str(logs)


async def test_a_failure_leaves_the_keys_that_there_were(
    provider: Provider, fetching: JsonWebTokens, clock: FakeClock
) -> None:
    """A provider that is down does not lock out those whose key is known; it is asked again."""
    provider.publish("one", RSA)
    assert (await fetching.caller(signed(kid="one"))).role is Role.VIEWER
    provider.status = 500
    clock.seconds += 300
    await fetching.refresh()
    assert (await fetching.caller(signed(kid="one"))).role is Role.VIEWER
    with structlog.testing.capture_logs():
        assert fetching._fetching is not None
        await fetching._fetching
    assert provider.asked == 2

    assert (await fetching.caller(signed(kid="one"))).role is Role.VIEWER


async def test_nobody_waits_for_a_refresh(
    provider: Provider, fetching: JsonWebTokens, clock: FakeClock
) -> None:
    """While the keys are fetched anew and the provider does not answer, tokens with known keys are judged at once."""
    provider.publish("one", RSA)
    assert (await fetching.caller(signed(kid="one"))).role is Role.VIEWER
    provider.open.clear()
    clock.seconds += 300
    await fetching.refresh()
    async with asyncio.timeout(0.3):
        assert (await fetching.caller(signed(kid="one"))).role is Role.VIEWER


async def test_a_provider_that_hangs_is_not_waited_for(provider: Provider, fetching: JsonWebTokens) -> None:
    """A token with an unknown key waits no longer than the fetch may take."""
    provider.open.clear()
    with structlog.testing.capture_logs() as logs, pytest.raises(RequestError):
        async with asyncio.timeout(5):
            await fetching.caller(signed(kid="one"))
    assert logs[0]["problem"] == "TimeoutError"


async def test_keys_for_something_else_sign_nothing(provider: Provider, fetching: JsonWebTokens) -> None:
    """A key for encryption signs no token, and one that names its algorithm signs with no other."""
    provider.publish("encrypting", RSA, use="enc")
    provider.publish("pinned", OTHER_RSA, alg="RS512", use="sig")
    provider.publish("shared", EC)
    provider.keys.append({"kty": "oct", "kid": "oct", "k": "c2VjcmV0" * 8})

    for key, algorithm, kid in (
        (RSA, "RS256", "encrypting"),
        (OTHER_RSA, "RS256", "pinned"),
        ("secret" * 8, "HS256", "oct"),
    ):
        with pytest.raises(RequestError):
            await fetching.caller(signed(key, algorithm, kid))


async def test_the_only_key_needs_no_name(provider: Provider, fetching: JsonWebTokens) -> None:
    """A token that names no key is judged by the only one there is; where there are two it is refused."""
    provider.publish(None, RSA)

    assert (await fetching.caller(signed())).role is Role.VIEWER


# -- on a server


async def test_without_keys_everyone_is_told_when_they_are_fetched_again(
    serve: Serve, provider: Provider
) -> None:
    """At the gate and at the login, a token that cannot be checked is 503 until the keys are fetched again."""
    provider.status = 500
    server = await serve(
        auth="jwt",
        jwt_audience=AUDIENCE,
        jwt_issuer=ISSUER,
        jwt_keys_url=provider.url,
        jwt_keys_retry_seconds=33,
    )
    headers = {"Authorization": f"Bearer {signed(kid='one')}"}
    with structlog.testing.capture_logs():
        answers = [
            await server.get("/api/state", **headers),
            await server.ask("POST", "/api/session", **headers),
        ]

    for answer in answers:
        assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "no_keys", "33")


async def test_a_stream_ends_with_its_token(serve: Serve, public: Path) -> None:
    """A stream ends with 4002 when its JWT does, unless another was shown before."""
    server = await serve(
        auth="jwt",
        jwt_audience=AUDIENCE,
        jwt_issuer=ISSUER,
        jwt_key_file=str(public),
        auth_check_seconds=0.02,
    )
    server.publish(small_state())
    # The leeway between the clocks is part of a token's life.
    headers = {"Authorization": f"Bearer {signed(exp=time.time() - 29)}"}
    async with server.socket(**headers) as ending, server.socket(**headers) as renewed:
        await renewed.take("hello", "snapshot")
        await renewed.say(type="authenticate", token=signed())
        (told,) = await renewed.take("authenticated")
        assert told["expiresAt"] > time.time() * 1000
        assert (await ending.take("hello", "snapshot", "bye"))[2]["code"] == 4002
        assert await ending.closed() == 4002
        await renewed.say(type="ping")
        await renewed.take("pong")
    assert (await server.get("/api/state", **headers)).json["detail"] == "this token has expired"
