"""Browser sessions. Each belongs to a personal access token, and is valid only as long as the token is."""

from __future__ import annotations

from datetime import timedelta

from shared.accounts import sessions
from shared.accounts.models import AccessToken, Scope
from shared.accounts.rate_limits import Quota, RateLimits
from shared.accounts.tokens import find_by_token, find_token
from shared.database.pool import Pool
from shared.usecases.tokens import is_usable

SCOPES = (Scope.API, Scope.READ_API)
"""A token needs one of these scopes to sign in. Reading is enough for pages."""

LASTS = timedelta(hours=12)
"""The maximum duration of a session: a working day. GitLab's is a week."""

ATTEMPTS = 60
"""The permitted failed attempts a minute from one network.

The limit is against load, as nobody guesses 24 random bytes. All clients behind one proxy share it.
"""


class BrowserSessions:
    """Finds, begins and ends sessions by their secrets."""

    def __init__(self, pool: Pool, limits: RateLimits) -> None:
        self._pool = pool
        self._limits = limits

    async def find(self, secret: str) -> AccessToken | None:
        """Return the token of a session; None if the session has ended or the token is no longer valid."""
        token_id = await sessions.find_session(self._pool, secret)
        token = None if token_id is None else await find_token(self._pool, token_id)
        return token if token is not None and is_usable(token, SCOPES) else None

    async def count_attempt(self, network: int) -> Quota | None:
        """Count an attempt from a network; call it before the request is parsed. Raises RateLimited."""
        return await self._limits.count("web_sign_in", network, limit=ATTEMPTS)

    async def uncount(self, attempt: Quota | None) -> None:
        """Undo the count of an attempt that succeeded."""
        await self._limits.uncount(attempt)

    async def check(self, text: str) -> AccessToken | None:
        """Return the token with this text; None if it cannot be used to sign in."""
        token = await find_by_token(self._pool, text)
        return token if token is not None and is_usable(token, SCOPES) else None

    async def begin(self, token: AccessToken, *, instead_of: str | None) -> str:
        """Begin a session, end the session ``instead_of`` if there is one, and return the new secret."""
        await self.end(instead_of)
        return await sessions.create_session(self._pool, token.id, lasts=LASTS)

    async def end(self, secret: str | None) -> None:
        """End a session if it exists. May be repeated."""
        if secret:
            await sessions.end_session(self._pool, secret)
