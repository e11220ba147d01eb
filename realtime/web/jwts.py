"""JSON Web Tokens (RFC 7519) of an identity provider: signature, algorithm, audience, issuer and end are checked, the role is a claim.

The provider's keys (JWKS, RFC 7517) are fetched beside the requests; only a token whose key is not known waits for them, together with all
others, and not for long.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import jwt
import orjson
import structlog
from jwt.algorithms import get_default_algorithms

from realtime.config import Settings
from realtime.entrance import SHARED_SECRET
from realtime.errors import ConfigError, RequestError
from realtime.web.caller import RANK, Caller, Role, refused

CLOCKS_APART_SECONDS: Final = 30
"""So far a provider's clock may be from ours."""

MOST_KEY_BYTES: Final = 2**20
"""A set of keys has some KiB."""

CHECKED: Final = {"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True}
"""A JWT that never ends could never be taken back."""

log = structlog.get_logger()


class JsonWebTokens:
    """The JWTs that one provider makes for this server."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError if the key's file cannot be used."""
        self._settings = settings
        self._now = now
        self._clock = clock
        self._key = _key_of(settings) if settings.jwt_key_file else None
        self._keys: list[jwt.PyJWK] = []
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None

    async def caller(self, token: str) -> Caller:
        """Whose token this is. Raises RequestError: 401, or 503 while there are no keys to tell by."""
        settings = self._settings
        try:
            key = self._key or await self._key_for(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=settings.jwt_algorithms,
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                leeway=CLOCKS_APART_SECONDS,
                options=CHECKED,  # type: ignore[arg-type]
            )
        except jwt.ExpiredSignatureError:
            raise refused("this token has expired") from None
        except jwt.InvalidAudienceError:
            raise refused("this token was made for another audience") from None
        except jwt.InvalidIssuerError:
            raise refused("this token is of another issuer") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            # What it says may quote the token.
            raise refused("this is no JWT that can be trusted here") from None
        return Caller(self._role(claims), str(claims.get("sub", ""))[:128] or "jwt", float(claims["exp"]))

    def _role(self, claims: dict[str, Any]) -> Role:
        said = claims.get(self._settings.jwt_role_claim)
        roles = [Role(each) for each in (said if isinstance(said, list) else [said]) if each in list(Role)]
        if not roles:
            raise RequestError(
                "forbidden",
                f"this token's claim {self._settings.jwt_role_claim} names no role: {', '.join(Role)}",
                status=403,
            )
        return max(roles, key=RANK.__getitem__)

    def stands(self, caller: Caller) -> bool:
        """Whether it has not expired: a JWT cannot be taken back before."""
        return caller.expires_at is not None and self._now() < caller.expires_at + CLOCKS_APART_SECONDS

    async def refresh(self) -> None:
        """Begin to fetch the keys when they are due; nobody waits for that."""
        due = self._settings.jwt_keys_refresh_seconds if self._keys else self._settings.jwt_keys_retry_seconds
        if self._key is None and self._clock() - self._fetched_at >= due:
            self._begin()

    async def close(self) -> None:
        """Stop fetching."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})
        if self._http is not None:
            await self._http.close()

    async def _key_for(self, header: dict[str, Any]) -> Any:
        """The key that a token names. Raises RequestError."""
        identity = header.get("kid")
        found = self._find(identity)
        if found is None:
            if self._clock() - self._fetched_at >= self._settings.jwt_keys_retry_seconds:
                self._begin()
            if self._fetching is not None:
                await asyncio.shield(self._fetching)
            found = self._find(identity)
        if found is not None:
            # A key that names its algorithm is used with no other.
            return found if found._jwk_data.get("alg") else found.key  # noqa: SLF001 — no public way to ask
        if not self._keys:
            raise RequestError(
                "no_keys", "the keys that tokens are checked with cannot be had now", status=503
            )
        raise refused("this token is signed with a key that is not known here")

    def _find(self, identity: object) -> jwt.PyJWK | None:
        if identity is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == identity), None)

    def _begin(self) -> None:
        """Fetch the keys, once at a time."""
        if self._fetching is None or self._fetching.done():
            self._fetched_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        """The keys as they are now. A failure leaves those that there were, and is loud; its text would name the URL, and a URL may hold a
        password.
        """
        if self._http is None:
            seconds = self._settings.jwt_keys_timeout_seconds
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds))
        problem = "that is no set of keys"
        try:
            async with self._http.get(self._settings.jwt_keys_url, allow_redirects=False) as response:
                if response.status != 200:
                    problem = f"status {response.status}"
                    raise ValueError
                body = b""
                async for some in response.content.iter_any():
                    body += some
                    if len(body) > MOST_KEY_BYTES:
                        raise ValueError
            content = orjson.loads(body)
            told = content.get("keys") if isinstance(content, dict) else None
            signing = [
                key
                for key in (told if isinstance(told, list) else ())
                if isinstance(key, dict) and key.get("use", "sig") == "sig"
            ]
            self._keys = jwt.PyJWKSet(signing).keys
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("the provider's keys could not be fetched", problem=type(error).__name__)
        except (jwt.PyJWTError, ValueError):
            log.warning("the provider's keys could not be fetched", problem=problem)


def _key_of(settings: Settings) -> Any:
    """The key of a file, ready to verify with."""
    path = Path(settings.jwt_key_file)
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"jwt_key_file: {path} cannot be read: {error.strerror}") from None
    found = None
    for name in settings.jwt_algorithms:
        algorithm = get_default_algorithms()[name]
        try:
            key = algorithm.prepare_key(content)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise ConfigError(f"jwt_key_file: {path} holds no key for {name}") from None
        if name not in SHARED_SECRET and hasattr(key, "private_bytes"):
            raise ConfigError(f"jwt_key_file: {path} holds a private key; this server needs the public one")
        if algorithm.check_key_length(key):
            raise ConfigError(f"jwt_key_file: {path} holds a key that is too short for {name}")
        found = key
    return found
