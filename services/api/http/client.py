"""The client of a request, by its address."""

from __future__ import annotations

from aiohttp import web

from services.listener.peers import TrustedProxies, parse_address, share_of

_OF_PROXIES = ("Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP")

TRUSTED_PROXIES = web.AppKey("trusted_proxies", TrustedProxies)


def client_address(request: web.Request) -> str:
    """Return the address whose share an anonymous request counts against: of IPv6, the network of 64 bits.

    It is the peer's or, behind trusted proxies, the last in ``X-Forwarded-For`` that is none of theirs.
    """
    peer = parse_address(request.remote or "")
    if peer is None:
        return "unknown"
    forwarded = request.headers.getall("X-Forwarded-For", ())
    return share_of(request.app[TRUSTED_PROXIES].find_client(peer, forwarded))


def is_forwarded(request: web.Request) -> bool:
    """Return whether a proxy has passed the request on, as far as it or our settings say so."""
    peer = parse_address(request.remote or "")
    is_of_proxy = peer is not None and peer in request.app[TRUSTED_PROXIES]
    return is_of_proxy or any(name in request.headers for name in _OF_PROXIES)
