"""Peers by address: whose share a connection or a request counts against, and which proxies are believed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_SITE = 64
"""The bits that are one subscriber's of an IPv6 address: whoever has one address has all of its network."""

_ADDRESSES = 1024
_LONGEST = 100
"""Characters of an address with its zone, its brackets and its port; what is longer is none."""

_WITH_PORT = re.compile(r"\[(?P<v6>[^]]*)\](?::\d+)?|(?P<v4>\d+\.\d+\.\d+\.\d+):\d+")
"""How some proxies write an address with its port (RFC 7239, section 6)."""


class TrustedProxies:
    """The networks of proxies whose ``X-Forwarded-For`` is believed."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: Sequence[IPv4Network | IPv6Network] = [ip_network(each) for each in networks]

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def find_client(self, peer: Address, forwarded: Sequence[str]) -> Address:
        """Return the address of the client of a request that came from ``peer``.

        ``forwarded`` has the values of all headers ``X-Forwarded-For``. Each proxy adds at the right whom it
        was asked by, so the client is the first address from the right that is no trusted proxy. What stands
        left of it, or comes from a peer that is not trusted, is the client's own invention.
        """
        client = peer
        for asking in _from_the_right(forwarded):
            if client not in self or asking is None:
                break
            client = asking
        return client


def parse_networks(given: str) -> TrustedProxies:
    """Parse networks and addresses that are separated by commas. Raises ValueError."""
    return TrustedProxies(filter(None, (each.strip() for each in given.split(","))))


def parse_address(given: str) -> Address | None:
    """Parse an address, with or without a port. An IPv4 address written as IPv6 is the IPv4 address."""
    return _parse(given) if len(given) <= _LONGEST else None


@lru_cache(_ADDRESSES)  # clients come again and again
def _parse(given: str) -> Address | None:
    match = _WITH_PORT.fullmatch(given)
    try:
        address = ip_address(match[match.lastgroup or 0] if match else given)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def share_of(address: Address) -> str:
    """Return the name of the share of an address: the address itself, or the /64 of IPv6."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> _SITE << _SITE, _SITE)))
    return str(address)


def _from_the_right(forwarded: Sequence[str]) -> Iterator[Address | None]:
    for each in reversed(",".join(forwarded).split(",")):
        yield parse_address(each.strip())
