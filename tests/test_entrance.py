"""Who is let in, as configured."""

from pathlib import Path
from typing import Any

import pytest

from realtime.config import Settings
from realtime.errors import ConfigError
from realtime.loading import load

JWT = {"auth": "jwt", "jwt_audience": "realtime", "jwt_issuer": "https://idp.example"}


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_by_default_nobody_is_asked_and_this_host_is_trusted() -> None:
    """Without configuration there is no login, no TLS, and only this host's own proxies are believed."""
    settings = load()

    assert (settings.auth, settings.tls_cert) == ("none", "")
    assert settings.trusted_proxies == ("127.0.0.1", "::1")


def test_a_wall_behind_one_address_fits() -> None:
    """Fifty displays with several streams each, behind one address, are within the defaults, and so is their loading twenty files at once."""
    settings = load()

    assert settings.max_connections_per_ip >= 50 * 4
    assert settings.max_connections_per_token >= 50 * 4
    assert settings.max_requests_per_second * 10 >= 50 * 20


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"auth": "tokens"}, "auth_tokens_file"),
        ({"auth": "jwt"}, "jwt_keys_url or jwt_key_file"),
        ({**JWT, "jwt_key_file": "key.pem", "jwt_keys_url": "https://idp.example/keys"}, "one of them"),
        ({"auth": "jwt", "jwt_key_file": "key.pem", "jwt_issuer": "x"}, "jwt_audience"),
        ({"auth": "jwt", "jwt_key_file": "key.pem", "jwt_audience": "x"}, "jwt_issuer"),
        ({**JWT, "jwt_keys_url": "https://idp.example", "jwt_algorithms": "HS256"}, "jwt_key_file"),
        ({**JWT, "jwt_key_file": "key.pem", "jwt_algorithms": "none"}, "jwt_algorithms"),
        ({**JWT, "jwt_key_file": "key.pem", "jwt_algorithms": "RS256, HS256"}, "jwt_algorithms"),
        ({**JWT, "jwt_key_file": "key.pem", "jwt_algorithms": ""}, "jwt_algorithms"),
        ({"tls_cert": "cert.pem"}, "tls_key"),
        ({"tls_key": "key.pem"}, "tls_cert"),
        ({"trusted_proxies": "proxy.example"}, "trusted_proxies"),
        ({"jwt_keys_url": "ftp://idp.example"}, "jwt_keys_url"),
        ({"max_connections": 0}, "max_connections"),
        ({"auth": "yes"}, "auth"),
    ],
)
def test_half_a_lock_is_none(given: dict[str, Any], told: str) -> None:
    """What would leave the door open by mistake ends the start, with a line that names the key."""
    with pytest.raises(ConfigError, match=told):
        load(**given)


def test_an_address_that_holds_a_password_is_not_repeated() -> None:
    """A provider's URL that cannot be used is not quoted."""
    with pytest.raises(ConfigError) as refused:
        load(jwt_keys_url="ftp://user:hunter2@idp.example")

    assert "hunter2" not in str(refused.value)


def test_lists_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and algorithms are separated by commas."""
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16")
    monkeypatch.setenv("JWT_ALGORITHMS", "ES256,EdDSA")

    assert load().trusted_proxies == ("10.0.0.1", "10.1.0.0/16")
    assert load().jwt_algorithms == ("ES256", "EdDSA")
