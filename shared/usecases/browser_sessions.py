"""Signing in with a browser: a session that hangs on a personal access token."""

from __future__ import annotations

from datetime import timedelta

from shared.accounts import sessions
from shared.accounts.models import AccessToken, Scope
from shared.accounts.rate_limits import Quota, RateLimits
from shared.accounts.tokens import find_by_token, find_token
from shared.database.pool import Pool
from shared.usecases.tokens import is_usable

SCOPES = (Scope.API, Scope.READ_API)
"""What a token needs one of, to sign in with it: pages are for reading."""

LASTS = timedelta(hours=12)
"""How long a session lasts at most: a working day; GitLab's is a week."""

ATTEMPTS = 60
"""Failed attempts a minute from one address. This limits load; 24 random bytes are not guessed. All clients
behind one proxy share it."""


class BrowserSessions:
    """Sessions, by their secrets."""

    def __init__(self, pool: Pool, limits: RateLimits) -> None:
        self._pool = pool
        self._limits = limits

    async def find(self, secret: str) -> AccessToken | None:
        """Give the token by which a browser signed in, as long as it holds."""
        token_id = await sessions.find_session(self._pool, secret)
        token = None if token_id is None else await find_token(self._pool, token_id)
        return token if token is not None and is_usable(token, SCOPES) else None

    async def count_attempt(self, network: int) -> Quota | None:
        """Count an attempt from a network, before it is read. Raises RateLimited."""
        return await self._limits.count("web_sign_in", network, limit=ATTEMPTS)

    async def take_back(self, attempt: Quota | None) -> None:
        """Uncount an attempt that did not fail."""
        await self._limits.uncount(attempt)

    async def check(self, text: str) -> AccessToken | None:
        """Give the token, where it can be signed in with."""
        token = await find_by_token(self._pool, text)
        return token if token is not None and is_usable(token, SCOPES) else None

    async def begin(self, token: AccessToken, *, instead_of: str | None) -> str:
        """Begin a session, in the place of another, and give its secret."""
        await self.end(instead_of)
        return await sessions.create_session(self._pool, token.id, lasts=LASTS)

    async def end(self, secret: str | None) -> None:
        """End a session, if there is one; may be repeated."""
        if secret:
            await sessions.end_session(self._pool, secret)
