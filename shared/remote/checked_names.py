"""Resolves names for clients that make their own connections: each answer is judged by a gate."""

from __future__ import annotations

from collections.abc import Sequence
from socket import AF_INET, AF_INET6, AI_NUMERICHOST, AddressFamily

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.remote.addresses import Address
from shared.remote.gate import Gate


class CheckedNames(AbstractResolver):
    """Gives the addresses of a name, each of which the gate permits. Its client keeps none of them."""

    def __init__(self, gate: Gate, *, scheme: str) -> None:
        self._gate = gate
        self._scheme = scheme

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: AddressFamily = AddressFamily.AF_UNSPEC,  # noqa: ARG002  # the connector always says UNSPEC
    ) -> list[ResolveResult]:
        """See AbstractResolver. Raises BlockedUrl."""
        url = URL.build(scheme=self._scheme, host=host, port=port)
        return resolved(host, port, (await self._gate.check(str(url))).addresses)

    async def close(self) -> None:
        """Close nothing."""


def resolved(host: str, port: int, addresses: Sequence[Address]) -> list[ResolveResult]:
    """Give addresses in the form of aiohttp; TLS still verifies the name ``host``."""
    return [
        ResolveResult(
            hostname=host,
            host=str(address),
            port=port,
            family=AF_INET6 if address.version == 6 else AF_INET,  # noqa: PLR2004  # of IP
            proto=0,
            flags=AI_NUMERICHOST,
        )
        for address in addresses
    ]
