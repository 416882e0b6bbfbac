"""The address of the client, by which those are told apart who are not identified."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

_NETWORK = 64
"""The bits of an IPv6 address that identify a network: one customer has at least a /64."""


def client_address(request: web.Request) -> str:
    """Return the client's IPv4 address or IPv6 network; an empty text for a Unix socket."""
    try:
        address = ip_address(request.remote or "")
    except ValueError:
        return ""
    return network_of(address)


def network_of(address: IPv4Address | IPv6Address) -> str:
    """Return an IPv4 address as it is, also one in IPv6 form, and of another IPv6 address the network."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address.packed, _NETWORK), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
