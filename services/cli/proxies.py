"""The proxy of a server, by the variables of the environment that curl and git heed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.request import getproxies_environment

from yarl import URL

from services.cli.errors import UsageError

_KINDS = ("http", "https")


def find_proxy(server: URL) -> URL | None:
    """Find the proxy for a server: HTTP_PROXY or HTTPS_PROXY, else ALL_PROXY, unless NO_PROXY has the server.

    A name in small letters goes before the same in capitals. Raises UsageError for a proxy of SOCKS.
    """
    given = getproxies_environment()
    found = given.get(server.scheme) or given.get("all")
    if not found or any(_is_meant(each.strip(), server) for each in given.get("no", "").split(",")):
        return None
    try:
        proxy = URL(found if "://" in found else f"http://{found}")
    except ValueError:
        raise UsageError(f"the proxy for {server.origin()} is no URL") from None
    if proxy.scheme not in _KINDS or not proxy.host:
        raise UsageError(f"the proxy for {server.origin()} has to begin with http:// or https://")
    return proxy


def _is_meant(excepted: str, server: URL) -> bool:
    """Return whether a word of NO_PROXY means the server: ``*``, a name, one above it, or a network."""
    name = excepted.lower().removeprefix("*").removeprefix(".")
    host = server.host or ""
    if not name:
        return excepted == "*"
    if _is_in_network(host, name.strip("[]")):
        return True
    return any(each == name or each.endswith(f".{name}") for each in (host, f"{host}:{server.port}"))


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
