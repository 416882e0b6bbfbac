"""Browser sessions. Each belongs to a personal access token, and is valid only as long as the token is."""

from __future__ import annotations

from datetime import timedelta

from shared.accounts import sessions
from shared.accounts.errors import UserBlocked
from shared.accounts.models import AccessToken, Scope, User
from shared.accounts.rate_limits import RateLimits
from shared.accounts.sessions import BrowserSession, Visitor
from shared.database.pool import Pool
from shared.usecases.errors import NotFound
from shared.usecases.token_lookup import TokenLookup
from shared.usecases.tokens import is_usable

SCOPES = (Scope.API, Scope.READ_API)
"""A token needs one of these scopes to sign in. Reading is enough for pages."""

LASTS = timedelta(hours=12)
"""The maximum duration of a session: a working day. GitLab's is a week."""

RENEWED_AFTER = timedelta(hours=1)
"""How long a session has one secret, at least."""

MOST_SESSIONS = 100
"""The sessions of a user."""


class BrowserSessions:
    """Finds, begins and ends sessions by their secrets."""

    def __init__(self, pool: Pool, limits: RateLimits, *, lookup: TokenLookup, failures: int) -> None:
        """Make the use case. In a minute, ``failures`` may fail from one address, or for one account."""
        self._pool = pool
        self._limits = limits
        self._lookup = lookup
        self._failures = failures

    async def find(self, secret: str, *, address: str) -> AccessToken | None:
        """Return the token of a session; None if the session has ended or the token is no longer valid."""
        token = await self._lookup.find_session(secret, address=address)
        return token if token is not None and is_usable(token, SCOPES) else None

    async def check(self, text: str, *, address: str) -> AccessToken | None:
        """Return the token with this text; None if it cannot be used to sign in.

        A failure counts for the account of a token that is known, otherwise for the address. A good token
        never counts, and is never refused for the failures of others. Raises RateLimited for a failure over
        the limit, and UserBlocked.
        """
        token = await self._lookup.find(text, address=address)
        if token is not None and is_usable(token, SCOPES):
            return token
        if token is None:
            await self._limits.count("web_sign_in", address, limit=self._failures)
        else:
            await self._limits.count("web_sign_in_account", token.user.id, limit=self._failures)
            if token.user.blocked:
                raise UserBlocked
        return None

    async def begin(self, token: AccessToken, visitor: Visitor, *, instead_of: str | None) -> str:
        """Begin a session, end the session ``instead_of`` if there is one, and return the new secret.

        A user has 100 sessions at most: the one that was used longest ago ends.
        """
        await self.end(instead_of)
        secret = await sessions.create_session(self._pool, token.id, visitor, lasts=LASTS)
        await sessions.end_surplus_sessions(self._pool, token.id, most=MOST_SESSIONS)
        return secret

    async def show(self, secret: str) -> BrowserSession | None:
        """Return a session; None if it has ended."""
        return await sessions.find_session(self._pool, secret)

    async def renew(self, secret: str) -> str | None:
        """Give a session a new secret if it has had its own for an hour; None if it has not."""
        return await sessions.renew_session(self._pool, secret, older=RENEWED_AFTER)

    async def list(self, user: User, *, current: str) -> list[BrowserSession]:
        """List the sessions of a user, at most 100; ``current`` is the secret of the one that asks."""
        return await sessions.list_sessions(self._pool, user.id, current=current, limit=MOST_SESSIONS)

    async def revoke(self, user: User, session_id: int) -> None:
        """End one of the user's sessions. Raises NotFound."""
        if not await sessions.end_session_of(self._pool, user.id, session_id):
            raise NotFound("Session")

    async def end(self, secret: str | None) -> None:
        """End a session if it exists. May be repeated."""
        if secret:
            await sessions.end_session(self._pool, secret)
