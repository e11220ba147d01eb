"""From which address a request comes, as far as that can be believed.

A proxy appends to `X-Forwarded-For` whom it heard from, so of that list only what trusted proxies wrote counts: it is read from its end, and
the first address that is no trusted proxy is the caller's. What stands before it the caller may have made up.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import hdrs, web

REMEMBERED: Final = 5_000
"""Addresses whose judgement is kept; making one anew takes some 10 us."""

IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that one site or machine cannot choose: it has all addresses below them."""


class Addresses:
    """Whose word about addresses is believed."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._trusted = [ip_network(each, strict=False) for each in trusted_proxies]
        self._judge = lru_cache(maxsize=REMEMBERED)(self._judged)

    def _judged(self, text: str) -> tuple[bool, str | None]:
        """Whether this is a trusted proxy, and by what name it is counted: None if it is this host's own. Raises ValueError."""
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        trusted = any(address in network for network in self._trusted)
        if address.is_loopback:
            return trusted, None
        if isinstance(address, IPv6Address):
            return trusted, str(ip_network((address, IPV6_PREFIX), strict=False))
        return trusted, str(address)

    def of(self, request: web.Request) -> str | None:
        """By what name the caller is counted; None for this host's own processes, and for a Unix socket."""
        peer = request.remote
        if not peer:
            return None
        try:
            trusted, name = self._judge(peer)
        except ValueError:
            return peer
        if not trusted or hdrs.X_FORWARDED_FOR not in request.headers:
            return name
        hops = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR)).split(",")
        for hop in reversed(hops):
            try:
                trusted, name = self._judge(hop.strip())
            except ValueError:
                return name  # what no proxy writes: the hop that passed it on is answerable
            if not trusted:
                return name
        return name

    def secure(self, request: web.Request) -> bool:
        """Whether the caller's side of the connection is encrypted: here, or at a trusted proxy."""
        if request.secure:
            return True
        try:
            trusted, _ = self._judge(request.remote or "127.0.0.1")
        except ValueError:
            return False
        said = request.headers.get(hdrs.X_FORWARDED_PROTO, "")
        return trusted and said.rpartition(",")[2].strip().lower() == "https"
