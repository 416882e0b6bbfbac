"""Connections that are kept for the next requests of one piece of work."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

from aiohttp import ClientSession
from yarl import URL

from shared.remote.addresses import Address
from shared.remote.gate import Target

MOST = 4
"""Servers to which a connection is kept, one each."""

IDLE = timedelta(seconds=4)
"""How long one is kept without a request: less than servers wait themselves."""

_Key: TypeAlias = tuple[URL, tuple[Address, ...]]


class KeptConnections:
    """Lends sessions that keep a connection, each to one request at a time.

    A session belongs to an origin and to its checked addresses: where the next check gives others, a new
    connection is made to these. What ends by an error is not kept.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, ClientSession] = OrderedDict()

    @asynccontextmanager
    async def lend(
        self, target: Target, make: Callable[[], ClientSession]
    ) -> AsyncIterator[tuple[ClientSession, bool]]:
        """Give a session for a block, and whether it was used before."""
        key = target.url.origin(), target.addresses
        before = self._kept.pop(key, None)
        session = before or make()
        try:
            yield session, before is not None
        except BaseException:
            await session.close()
            raise
        await self._keep(key, session)

    async def close(self) -> None:
        """Close all that are kept."""
        while self._kept:
            await self._kept.popitem()[1].close()

    async def _keep(self, key: _Key, session: ClientSession) -> None:
        other = self._kept.pop(key, None)
        self._kept[key] = session
        if other is None and len(self._kept) > MOST:
            _, other = self._kept.popitem(last=False)
        if other is not None:
            await other.close()
