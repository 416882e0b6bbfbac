"""The gate: the only way from a URL that a user gave to addresses to connect to."""

from __future__ import annotations

from dataclasses import dataclass, field

from yarl import URL

from shared.remote.addresses import Address, Policy, unmap_ipv4
from shared.remote.credentials import authorization
from shared.remote.errors import BlockedUrl, Reason
from shared.remote.resolver import Resolver
from shared.remote.urls import parse, without_credentials

_LONGEST_HOST = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A URL without credentials, and the addresses of its host, each of them checked."""

    url: URL = field(repr=False)
    addresses: tuple[Address, ...]
    authorization: dict[str, str] = field(repr=False)
    """The header made of the credentials in the URL, if it had any."""


class Gate:
    """Checks URLs and addresses by one policy."""

    def __init__(self, policy: Policy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def check(self, text: str, *, base: URL | None = None) -> Target:
        """Parse and resolve a URL once, relative to ``base`` if given. Raises BlockedUrl.

        Every address of the name must be permitted: which of them is connected to is up to chance.
        """
        url = self.parse(text, base=base)
        # Once: a second look-up at the connection could give another address (DNS rebinding).
        addresses = await self._resolve(url)
        port = url.port or 0
        if not self._policy.allows_host(url.raw_host or "", port):
            self._check_all(addresses, port)
        return Target(without_credentials(url), addresses, authorization(url))

    def parse(self, text: str, *, base: URL | None = None) -> URL:
        """Parse a URL that may be asked for, without a look at its host. Raises BlockedUrl."""
        return parse(text, self._policy.schemes, base=base)

    async def _resolve(self, url: URL) -> tuple[Address, ...]:
        host = url.raw_host or ""
        if len(host) > _LONGEST_HOST:
            raise BlockedUrl(Reason.HOST_TOO_LONG)
        return tuple(map(unmap_ipv4, await self._resolver.resolve(host)))

    def _check_all(self, addresses: tuple[Address, ...], port: int) -> None:
        for address in addresses:
            own = self._resolver.is_own(address)
            reason = self._policy.refuses(address, port, own=own)
            if reason is not None:
                raise BlockedUrl(reason)
