"""From which address a request comes."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from realtime.web.address import Addresses

PROXIES = ("10.0.0.1", "10.1.0.0/16", "fd00::/8")


def request(peer: str | None, *forwarded: str, **headers: str) -> web.Request:
    named = CIMultiDict(("X-Forwarded-For", each) for each in forwarded)
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    made = make_mocked_request("GET", "/", headers=named)
    return made.clone(remote=peer) if peer is not None else made.clone(remote="")


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("192.0.2.7", (), "192.0.2.7"),
        # Whoever is no trusted proxy may write what they like.
        ("192.0.2.7", ("203.0.113.1",), "192.0.2.7"),
        ("10.0.0.1", ("203.0.113.1",), "203.0.113.1"),
        # What stands before the hop that a trusted proxy wrote is made up.
        ("10.0.0.1", ("1.1.1.1, 203.0.113.1",), "203.0.113.1"),
        ("10.0.0.1", ("1.1.1.1", "203.0.113.1"), "203.0.113.1"),
        ("10.0.0.1", ("203.0.113.1, 10.1.2.3",), "203.0.113.1"),
        ("10.0.0.1", ("1.1.1.1, 203.0.113.1, 10.1.2.3, 10.0.0.1",), "203.0.113.1"),
        ("10.0.0.1", ("10.1.2.3",), "10.1.2.3"),
        ("10.0.0.1", ("garbage",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.1, garbage, 10.1.2.3",), "10.1.2.3"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("::ffff:10.0.0.1", ("203.0.113.1",), "203.0.113.1"),
        ("fd00::5", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        # One machine has all the addresses below its prefix.
        ("2001:db8:1:2::9", (), "2001:db8:1:2::/64"),
        ("fe80::1%eth0", (), "fe80::/64"),
        ("127.0.0.1", (), None),
        ("::1", (), None),
        ("10.0.0.1", ("127.0.0.1",), None),
        (None, (), None),
        ("strange", (), "strange"),
    ],
)
def test_only_what_trusted_proxies_wrote_counts(
    peer: str | None, forwarded: tuple[str, ...], counted: str | None
) -> None:
    """The caller is the last hop that is no trusted proxy; what it says of itself before that is not believed."""
    assert Addresses(PROXIES).of(request(peer, *forwarded)) == counted


@pytest.mark.parametrize(
    ("peer", "said", "secure"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "http, HTTPS", True),
        ("10.0.0.1", "https, http", False),
        ("10.0.0.1", "", False),
        ("192.0.2.7", "https", False),
        ("strange", "https", False),
    ],
)
def test_only_a_trusted_proxy_says_that_it_is_encrypted(peer: str, said: str, secure: bool) -> None:
    """The caller's side counts as encrypted if a trusted proxy says so."""
    assert Addresses(PROXIES).secure(request(peer, X_Forwarded_Proto=said)) is secure
