"""Looks tokens and sessions up: who guesses costs little, and keeps out nobody who has a good token."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.models import AccessToken
from shared.accounts.tokens import digest, find_by_session, find_by_token
from shared.admission import Holder, Places
from shared.database.pool import Database, Pool

_Find = Callable[[Database, str], Awaitable[AccessToken | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMemory:
    """How many digests of tokens are remembered, of unknown and of good ones each, and for how long."""

    most: int = 10_000
    lasts: timedelta = timedelta(minutes=1)


class TokenLookup:
    """Finds tokens in Postgres, each query with a place.

    A token that was found lately has a share of the places of its own, and any other one has that of the
    client's address: a flood of unknown tokens delays only unknown ones. An unknown token is remembered by
    its digest, and costs no further query for a minute; a token with that text that is created meanwhile is
    not found until then, which needs another process that replaces root's.
    """

    def __init__(
        self,
        pool: Pool,
        places: Places,
        *,
        memory: TokenMemory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._places = places
        self._unknown = _Digests(memory, clock)
        self._found = _Digests(memory, clock)

    async def find(self, text: str, *, address: str) -> AccessToken | None:
        """Return the token with this text, also an expired or revoked one; None if it is unknown.

        Raises ShareUsed and PlacesTaken.
        """
        return await self._find(text, find_by_token, address=address)

    async def find_session(self, secret: str, *, address: str) -> AccessToken | None:
        """Return the token of a browser's session, also an expired or revoked one; None without a session.

        Raises ShareUsed and PlacesTaken.
        """
        return await self._find(secret, find_by_session, address=address)

    async def _find(self, text: str, find: _Find, *, address: str) -> AccessToken | None:
        asked = digest(text)
        if asked in self._unknown:
            return None
        holder = Holder(f"token:{asked.hex()}") if asked in self._found else Holder.of_address(address)
        async with self._places.hold(holder):
            found = await find(self._pool, text)
        (self._unknown if found is None else self._found).add(asked)
        return found


class _Digests:
    """A set of digests, each for some time; the oldest go first."""

    def __init__(self, memory: TokenMemory, clock: Callable[[], float]) -> None:
        self._memory = memory
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        return self._ends.get(digest, 0.0) > self._clock()

    def add(self, digest: bytes) -> None:
        self._ends[digest] = self._clock() + self._memory.lasts.total_seconds()
        self._ends.move_to_end(digest)
        if len(self._ends) > self._memory.most:
            self._ends.popitem(last=False)
