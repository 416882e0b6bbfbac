"""Whether what callers came with still holds, asked again by requests that take long.

Streams of events ask once a second. All of a process share one look, which is ``LASTS`` old at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from shared.accounts.models import AccessToken
from shared.accounts.tokens import digest, find_valid
from shared.database.pool import Pool

LASTS = timedelta(seconds=2)
"""How old an answer may be: so much later a request knows that its token or its session has ended."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller came with: a token, and the digest of a browser's session where that named it."""

    token_id: int
    is_admin: bool
    session: bytes | None = field(default=None, repr=False)


def credential_of(token: AccessToken, session_secret: str | None) -> Credential:
    """Return what is watched of a token, or of a session that stands for one."""
    session = None if session_secret is None else digest(session_secret)
    return Credential(token.id, token.user.is_admin, session)


class CredentialWatch:
    """Looks the credentials of all who wait up at once. Memory: one credential for each of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._watched: Counter[Credential] = Counter()
        self._valid: set[Credential] = set()
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def watching(self, credential: Credential) -> AsyncIterator[None]:
        """Have ``holds`` know the credential, which was good a moment ago."""
        self._watched[credential] += 1
        self._valid.add(credential)
        try:
            yield
        finally:
            self._watched[credential] -= 1
            self._watched += Counter()  # which removes what nobody watches any more
            self._valid &= self._watched.keys()

    async def holds(self, credential: Credential) -> bool:
        """Return whether a watched credential held at the last look, which happens now if it is long ago."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if clock() >= self._looked + LASTS.total_seconds():
                await self._look()
                self._looked = clock()
        return credential in self._valid

    async def _look(self) -> None:
        asked = set(self._watched)
        sessions = [each.session for each in asked if each.session is not None]
        found = await find_valid(self._pool, [each.token_id for each in asked], sessions)
        came = self._watched.keys() - asked  # while the database was asked
        self._valid = came | {
            each
            for each in asked
            if found.tokens.get(each.token_id) == each.is_admin
            and (each.session is None or each.session in found.sessions)
        }
