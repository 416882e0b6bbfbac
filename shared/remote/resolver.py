"""Resolvers of names: the port, the system's resolver, and a table."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Protocol

from shared.remote.addresses import Address
from shared.remote.errors import HostUnresolved

_DEADLINE = timedelta(seconds=15)
"""How long GitLab waits for a name server."""


class Resolver(Protocol):
    """Resolves names. Nothing is cached: each call may give another answer."""

    async def resolve(self, host: str) -> tuple[Address, ...]:
        """Give all addresses of ``host``, at least one. Raises HostUnresolved.

        An IP address resolves to itself, in any spelling that the implementation knows.
        """
        ...

    def is_own(self, address: Address) -> bool:
        """Tell whether ``address`` belongs to this machine."""
        ...


class SystemResolver:
    """Resolver of the operating system: hosts file, name servers, spellings such as 127.1 and 0x7f000001."""

    def __init__(self, deadline: timedelta = _DEADLINE) -> None:
        self._deadline = deadline.total_seconds()

    async def resolve(self, host: str) -> tuple[Address, ...]:
        """See Resolver."""
        loop = asyncio.get_running_loop()
        name = host.encode("ascii")  # or the codec of IDNA objects to long labels in a way of its own
        try:
            async with asyncio.timeout(self._deadline):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:  # a TimeoutError is one too
            raise HostUnresolved from None
        return tuple(dict.fromkeys(ip_address(each[4][0]) for each in found))

    def is_own(self, address: Address) -> bool:
        """See Resolver: a route to an own address begins at that address. Nothing is sent."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004  # of IP
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((str(address), 9))
                return bool(probe.getsockname()[0] == str(address))
        except OSError:
            return False


class TableResolver:
    """Resolver by a table; ``asked`` lists the names in the order of the calls."""

    def __init__(self, table: Mapping[str, Collection[str]], own: Collection[str] = ()) -> None:
        self._table = table
        self._own = own
        self.asked: list[str] = []

    async def resolve(self, host: str) -> tuple[Address, ...]:
        """See Resolver; an IP address resolves to itself."""
        self.asked.append(host)
        try:
            return tuple(map(ip_address, self._table.get(host, (host,))))
        except ValueError:
            raise HostUnresolved from None

    def is_own(self, address: Address) -> bool:
        """See Resolver."""
        return str(address) in self._own
