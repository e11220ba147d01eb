"""Whatever callers write into X-Forwarded-For, each is counted by an address, and nobody by one of its own choice: what stands before the hop
that a trusted proxy wrote changes nothing, and of whoever is no trusted proxy nothing does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Final, cast

from aiohttp import web
from multidict import CIMultiDict

from realtime.web.address import Addresses
from tests.fuzz.target import Take, Target

PROXY: Final = "10.0.0.1"
STRANGER: Final = "192.0.2.7"
BEHIND: Final = "203.0.113.9"


class Request:
    """As much of a request as is looked at; aiohttp's own cannot be made by hand of bytes that are no text."""

    secure = False

    def __init__(self, peer: str, forwarded: list[str], proto: str = "") -> None:
        self.remote = peer
        self.headers = CIMultiDict(("X-Forwarded-For", each) for each in forwarded)
        self.headers["X-Forwarded-Proto"] = proto


def request(peer: str, forwarded: list[str], proto: str = "") -> web.Request:
    return cast("web.Request", Request(peer, forwarded, proto))


@contextmanager
def ready() -> Iterator[Take]:
    addresses = Addresses((PROXY, "10.1.0.0/16", "fd00::/8"))

    def take(data: bytes) -> None:
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        for peer in (PROXY, lines[0] or STRANGER):
            counted = addresses.of(request(peer, lines))
            if counted not in (None, peer):
                ip_network(counted)
            assert type(addresses.secure(request(peer, [], lines[0]))) is bool
        assert addresses.of(request(STRANGER, lines)) == STRANGER
        assert addresses.of(request(PROXY, [*lines, BEHIND])) == BEHIND
        assert (
            addresses.of(request(PROXY, [*lines[:-1], f"{lines[-1]}, {BEHIND} ,10.1.2.3", PROXY])) == BEHIND
        )

    yield take


TARGET = Target(
    ready,
    (b"1.1.1.1, 203.0.113.1, 10.1.2.3", b"garbage\n10.0.0.1\n", b"2001:db8:1:2:3:4:5:6, ::ffff:10.0.0.1, fe80::1%eth0", b"127.0.0.1", b"\xff, \xd9\xa1.1.1.1"),
    (
        b",", b" ", b"\n", b"\t", b"127.0.0.1", b"10.0.0.1", b"10.1.2.3", b"203.0.113.1", b"::1", b"::ffff:", b"fd00::5", b"2001:db8::", b"%", b"%eth0",
        b"/64", b":", b".", b"[::1]:80", b"0x7f.1", b"010.0.0.1", b"unknown", b"_hidden", b'for="', b"\xff", b"\xd9\xa1", b"9" * 40,
    ),
)  # fmt: skip
