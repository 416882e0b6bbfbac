"""Follows redirects, each of them checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import ClientResponse
from yarl import URL

from shared.remote.errors import RedirectRefused
from shared.remote.exchange import Exchange
from shared.remote.gate import Gate, Target

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST = 5
"""As many as GitLab's HTTP client follows."""


class Redirects:
    """Follows redirects of requests that have no body."""

    def __init__(self, gate: Gate, exchange: Exchange) -> None:
        self._gate = gate
        self._exchange = exchange

    @asynccontextmanager
    async def follow(
        self, method: str, target: Target, *, headers: Mapping[str, str], secrets: Mapping[str, str]
    ) -> AsyncIterator[ClientResponse]:
        """Give the first answer that is no redirect. Raises RemoteError and BlockedUrl.

        ``secrets`` are headers too; they, and the credentials in the URL, are dropped for good at the first
        redirect to another origin. Credentials in a Location header are not used.
        """
        extra = {**secrets, **target.authorization}
        for _ in range(_MOST + 1):
            async with self._exchange.request(method, target, headers={**headers, **extra}) as answer:
                location = answer.headers.get("Location") if answer.status in REDIRECTS else None
                if location is None:
                    yield answer
                    return
            here, target = target, await self._gate.check(location, base=target.url)
            if here.url.scheme == "https" and target.url.scheme == "http":
                raise RedirectRefused(here.url, answer.status, "from https to http")
            extra = extra if _origin(here.url) == _origin(target.url) else {}
        raise RedirectRefused(target.url, answer.status, f"more than {_MOST} times")


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.raw_host or "").lower(), url.port
