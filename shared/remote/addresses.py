"""Which addresses requests may go to: the ranges of GitLab's URL blocker, and further special ranges.

GitLab: gitlab-http, UrlBlocker. Special ranges: the IANA registries of RFC 6890.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias

from shared.remote.errors import Reason

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_V4 = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", Reason.LOCALHOST),
        ("127.0.0.1/32", Reason.LOCALHOST),
        ("127.0.0.0/8", Reason.LOOPBACK),
        ("10.0.0.0/8", Reason.LOCAL_NETWORK),
        ("172.16.0.0/12", Reason.LOCAL_NETWORK),
        ("192.168.0.0/16", Reason.LOCAL_NETWORK),
        ("169.254.0.0/16", Reason.LINK_LOCAL),
        ("168.63.129.16/32", Reason.LINK_LOCAL),  # Azure's metadata, in a public range
        ("100.64.0.0/10", Reason.SHARED),  # holds Alibaba's metadata
        ("255.255.255.255/32", Reason.BROADCAST),
        ("224.0.0.0/4", Reason.LOCAL_NETWORK),
        ("192.0.0.0/24", Reason.LOCAL_NETWORK),  # holds Oracle's metadata; older Pythons call it global
    )
)
_LINK_LOCAL = IPv6Network("fe80::/10")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_EMBEDDING = tuple(
    (IPv6Network(network), shift)
    for network, shift in (
        ("::/96", 0),  # IPv4-compatible (RFC 4291); with it :: and ::1, which become 0.0.0.0 and 0.0.0.1
        ("::ffff:0:0/96", 0),  # IPv4-mapped (RFC 4291)
        ("::ffff:0:0:0/96", 0),  # IPv4-translated (RFC 2765)
        ("64:ff9b::/96", 0),  # NAT64 (RFC 6052)
        ("2002::/16", 80),  # 6to4 (RFC 3056)
    )
)
"""Networks of IPv6 that embed IPv4 addresses, and how many bits are right of the embedded address."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an installation permits.

    ``allow_local`` is GitLab's allow_local_requests_from_web_hooks_and_services. ``allowed`` is its
    outbound_local_requests_allowlist: host names, IP addresses, CIDR ranges, and names and addresses with
    ``:port`` (IPv6 in brackets); these are always permitted. ``only_allowed`` is
    deny_all_requests_except_allowed. Ports are not restricted, as in GitLab.
    """

    schemes: tuple[str, ...] = ("https",)
    allow_local: bool = False
    allowed: tuple[str, ...] = ()
    only_allowed: bool = False

    def allows_host(self, host: str, port: int) -> bool:
        """Tell whether the name itself is in ``allowed``; case and a final dot do not matter."""
        entries = map(_entry, self.allowed)
        return any(name == _name(host) and (at is None or at == port) for name, at in entries)

    def refuses(self, address: Address, port: int, *, own: bool = False) -> Reason | None:
        """Give the reason to refuse ``address``, which is one of this machine where ``own``; else None.

        An own address is refused even where it is public: more services listen there than the public may use.
        """
        if self._allows_address(address, port):
            return None
        if self.only_allowed:
            return Reason.NOT_ALLOWED
        if self.allow_local:
            return None
        return reason_against(address) or (Reason.LOCALHOST if own else None)

    def _allows_address(self, address: Address, port: int) -> bool:
        entries = ((_network(name), at) for name, at in map(_entry, self.allowed))
        return any(
            network is not None and address in network and (at is None or at == port)
            for network, at in entries
        )


def reason_against(address: Address) -> Reason | None:
    """Give the reason why ``address`` is not public; None where it is public."""
    plain = _embedded(address)
    if isinstance(plain, IPv6Address):
        return _special_v6(plain)
    listed = next((reason for network, reason in _V4 if plain in network), None)
    return listed or (None if plain.is_global else Reason.LOCAL_NETWORK)


def unmap_ipv4(address: Address) -> Address:
    """Give the IPv4 address of an IPv4-mapped IPv6 address; give any other address as it is."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _special_v6(address: IPv6Address) -> Reason | None:
    if address in _LINK_LOCAL:
        return Reason.LINK_LOCAL
    # No address outside of 2000::/3 is public unicast: RFC 4291, 2.4.
    return None if address in _GLOBAL_UNICAST and address.is_global else Reason.LOCAL_NETWORK


def _embedded(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address == IPv6Address(1):
        return IPv4Address("127.0.0.1")
    found = (shift for network, shift in _EMBEDDING if address in network)
    shift = next(found, None)
    return address if shift is None else IPv4Address(int(address) >> shift & 0xFFFFFFFF)


def _entry(text: str) -> tuple[str, int | None]:
    """Split an entry of ``allowed`` into a name, address or range, and a port."""
    bare = text.strip()
    if _network(bare) is not None:
        return bare, None
    name, colon, port = bare.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = bare, ""
    return _name(name.removeprefix("[").removesuffix("]")), int(port) if port else None


def _name(host: str) -> str:
    return host.lower().removesuffix(".")


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
