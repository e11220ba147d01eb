"""The configuration's keys about who is let in, and how much one caller may take; `config.py` has them among its own.

Limits count readers, not messages: what they cost is paid once a connection or request, never once a delivery.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import NoDecode

SHARED_SECRET: Final = frozenset({"HS256", "HS384", "HS512"})
SIGNATURES: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""JWT algorithms. Those with a shared secret and those with a public key are never allowed together: a public key must not be taken for a
secret (RFC 8725, section 2.1)."""

ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
"""What a browser sends of a page (RFC 6454, section 6.2); a name with other letters it sends in its ASCII form."""

OWN_PORT: Final = re.compile(r"^(http(?=.*:80$)|https(?=.*:443$))(://.*):[0-9]+$")
"""The port that goes without saying, which browsers leave out."""

Texts = Annotated[tuple[str, ...], NoDecode]
"""In the environment separated by commas."""


class Entrance(BaseModel):
    """Who is let in, and how much each may take."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)

    # -- the lock

    cors_origin: Texts = ("http://localhost:3000",)
    """Origins whose pages may read this server. `*` allows all, without credentials."""

    tls_cert: str = ""
    """File with the certificate and its chain (PEM); with `tls_key` the server speaks HTTPS. A renewed file is taken up without a restart."""

    tls_key: str = ""
    """File with the certificate's private key (PEM, not encrypted: nobody is there to say a password)."""

    auth: Literal["none", "tokens", "jwt"] = "none"
    """Who may read. `none`: everyone who reaches the port. `tokens`: who has one of `auth_tokens_file`. `jwt`: whom an identity provider sends."""

    auth_tokens_file: str = ""
    """File of tokens' hashes, a line each, as `realtime token new` prints them. Reread when it changes."""

    cookie_days: int = Field(default=400, ge=0, le=400)
    """For so long a browser keeps a login whose token has no end of its own. A wall display must survive being switched off, and nobody is near
    it for a year: so as long as browsers keep any cookie (RFC 6265bis). Taking the token out of the file ends it sooner. 0: until
    the browser is closed, for computers that people share."""

    auth_check_seconds: float = Field(default=1.0, gt=0, le=60)
    """How often streams are checked for tokens that have expired or were taken out of the file: a stream may outlive its token by this much."""

    ticket_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long a ticket waits to be used: a page asks for one and connects at once, and what leaks later is worth nothing."""

    jwt_keys_url: str = ""
    """The provider's keys (JWKS), fetched beside the requests."""

    jwt_key_file: str = ""
    """Instead of them a file: a public key (PEM), or the secret of HS256."""

    jwt_algorithms: Texts = ("RS256",)
    """What a JWT may be signed with. What it says itself about that is not believed."""

    jwt_audience: str = ""
    """The `aud` that a JWT must have: that it was made for this server."""

    jwt_issuer: str = ""
    """The `iss` that a JWT must have."""

    jwt_role_claim: str = "role"
    """The claim that holds the role, or a list with one."""

    jwt_keys_refresh_seconds: float = Field(default=300.0, gt=0, le=86_400)
    """How often the provider's keys are fetched."""

    jwt_keys_retry_seconds: float = Field(default=10.0, gt=0, le=3_600)
    """A token with a key that is not known has them fetched anew, but no more often than this: anybody can make up a key's name."""

    jwt_keys_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long fetching the keys may take."""

    # -- the limits

    trusted_proxies: Texts = ("127.0.0.1", "::1")
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. A process of this host can do nothing
    with them that it could not do anyway."""

    max_connections: int = Field(default=20_000, gt=0, le=1_000_000)
    """Streams open at one time, waiting long-polls among them. With everything in a view one holds some 20 KiB, and an open file: `files.py` lets in
    fewer where the system allows too few."""

    max_connections_per_ip: int = Field(default=500, gt=0, le=1_000_000)
    """Of these, from one address (of IPv6, one /64): a wall of 50 displays and the offices behind the same NAT. This host's own addresses are
    not counted."""

    max_connections_per_token: int = Field(default=500, gt=0, le=1_000_000)
    """Of these, with one token."""

    max_new_connections_per_second: int = Field(default=1_000, gt=0, le=1_000_000)
    """WebSockets and event streams opened each second, by everyone: 10,000 readers that come back after a restart, spread over
    `retry_max_ms`. As many again may come at once."""

    max_requests_per_second: int = Field(default=200, gt=0, le=1_000_000)
    """Requests from one address (of IPv6, one /64), in the long run; ten seconds' worth may come at once, as when 50 displays load a page of 20
    files. This host's own addresses are not counted."""

    max_commands_per_second: int = Field(default=20, gt=0, le=100_000)
    """WebSocket commands on one connection, in the long run; ten seconds' worth may come at once."""

    max_header_kib: int = Field(default=8, gt=0, le=1_024)
    """The longest request line, and the longest header. A view of 32 long globs fits; nginx and aiohttp have the same."""

    max_body_kib: int = Field(default=16, gt=0, le=1_024)
    """The longest body of a request: a token is the longest thing that anyone has to send."""

    first_request_seconds: float = Field(default=30.0, gt=0, le=3_600)
    """A connection that has sent no whole request by then is dropped."""

    keep_alive_seconds: float = Field(default=75.0, gt=0, le=3_600)
    """A connection without a request is closed after so long; longer than the 60 s of nginx and most balancers, so that they close first."""

    @field_validator("cors_origin", "jwt_algorithms", "trusted_proxies", mode="before")
    @classmethod
    def _are_items(cls, value: object) -> object:
        if isinstance(value, str):
            value = value.split(",")
        if isinstance(value, Iterable):
            return tuple(text for item in value if (text := str(item).strip()))
        return value

    @field_validator("cors_origin")
    @classmethod
    def _are_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        """As browsers write them, since they are compared letter by letter: in lower case, without the scheme's own port."""
        origins = tuple(origin.rstrip("/").lower() for origin in given)
        if not all(origin == "*" or ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError(
                "allowed: SCHEME://HOST[:PORT] without a path, such as http://localhost:3000, or *"
            )
        return tuple(OWN_PORT.sub(r"\1\2", origin) for origin in origins)

    @field_validator("jwt_algorithms")
    @classmethod
    def _are_known(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        wanted = set(algorithms)
        if not (wanted and (wanted <= SIGNATURES or wanted <= SHARED_SECRET)):
            raise ValueError(
                f"allowed: some of {', '.join(sorted(SIGNATURES))}, or else of {', '.join(sorted(SHARED_SECRET))}"
            )
        return algorithms

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise ValueError("allowed: addresses and networks, such as 10.0.0.7 or 10.1.0.0/16") from None
        return networks

    @field_validator("jwt_keys_url")
    @classmethod
    def _is_keys_url(cls, url: str) -> str:
        try:
            valid = not url or (urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname))
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("allowed: https://… or http://…")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key: set both, or none")
        if self.auth == "tokens" and not self.auth_tokens_file:
            raise ValueError("auth_tokens_file: needed by auth tokens; `realtime token new` makes its lines")
        if self.auth == "jwt":
            if bool(self.jwt_keys_url) == bool(self.jwt_key_file):
                raise ValueError("auth jwt needs jwt_keys_url or jwt_key_file, one of them")
            if not (self.jwt_audience and self.jwt_issuer):
                raise ValueError(
                    "auth jwt needs jwt_audience and jwt_issuer: a token made for others is none"
                )
            if self.jwt_keys_url and not SIGNATURES.issuperset(self.jwt_algorithms):
                raise ValueError("jwt_algorithms: a shared secret is not fetched; set jwt_key_file")
        return self
