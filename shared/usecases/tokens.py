"""Personal access tokens: identifies users by them, lists, creates and revokes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.accounts import tokens
from shared.accounts.errors import ScopeInsufficient, TokenExpired, TokenRevoked, UserBlocked
from shared.accounts.limits import refuse_more_tokens
from shared.accounts.models import AccessToken, Scope, User
from shared.accounts.users import find_user_by_reference
from shared.database.pool import Pool
from shared.database.search import Found
from shared.database.transactions import transaction
from shared.errors import Denied, Unauthenticated
from shared.usecases.access import require_user
from shared.usecases.credential_watch import CredentialWatch
from shared.usecases.errors import NotFound
from shared.usecases.token_lookup import TokenLookup


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token to create."""

    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A created token with its text, which is shown only once."""

    token: AccessToken
    text: str


class Tokens:
    """Identifies users by tokens; lists, creates and revokes tokens."""

    def __init__(self, pool: Pool, lookup: TokenLookup, *, limit: int) -> None:
        self._pool = pool
        self._lookup = lookup
        self._limit = limit
        self.watch = CredentialWatch(pool)

    async def identify(self, text: str, accepted: Sequence[Scope], *, address: str) -> AccessToken:
        """Return the token with this text, which needs one of the ``accepted`` scopes.

        Raises Unauthenticated, TokenRevoked, TokenExpired, ScopeInsufficient and UserBlocked, and what
        ``TokenLookup`` raises.
        """
        found = await self._lookup.find(text, address=address)
        if found is None:
            raise Unauthenticated
        if found.revoked:
            raise TokenRevoked
        if found.expired:
            raise TokenExpired
        _require_scope(found, accepted)
        if found.user.blocked:
            raise UserBlocked
        return found

    async def identify_session(
        self, secret: str, accepted: Sequence[Scope], *, address: str
    ) -> AccessToken | None:
        """Return the token by which a browser's session was begun; None where one of both holds no more.

        A session has ended when its user was blocked. Raises ScopeInsufficient, and what ``TokenLookup``
        raises.
        """
        found = await self._lookup.find_session(secret, address=address)
        if found is None or found.revoked or found.expired or found.user.blocked:
            return None
        _require_scope(found, accepted)
        return found

    async def impersonate(self, token: AccessToken, reference: str) -> User:
        """Return the user for whom an administrator acts. Raises Denied, ScopeInsufficient and NotFound."""
        if not token.user.is_admin:
            raise Denied("Must be admin to use sudo")
        _require_scope(token, [Scope.SUDO])
        user = await find_user_by_reference(self._pool, reference)
        if user is None:
            raise NotFound(f"User with ID or username '{reference}'")
        return user

    async def list(
        self, actor: User, *, user_id: int | None, active: bool | None, limit: int, offset: int
    ) -> Found[AccessToken]:
        """List one's own tokens or, for administrators, those of any user or all. Raises Unauthenticated."""
        if not actor.is_admin and user_id != actor.id:
            raise Unauthenticated
        return await tokens.list_tokens(
            self._pool, user_id=user_id, active=active, limit=limit, offset=offset
        )

    async def show(self, actor: User | None, token_id: int) -> AccessToken:
        """Return a token of one's own or, for administrators, any. Raises Unauthenticated and NotFound."""
        user = require_user(actor)
        found = await tokens.find_token(self._pool, token_id)
        if found is None or not (user.is_admin or found.user.id == user.id):
            raise NotFound
        return found

    async def create(self, user: User, request: TokenRequest) -> CreatedToken:
        """Create a token for a user. The caller checks whether that is permitted. Raises TooManyTokens."""
        async with transaction(self._pool) as db:
            await refuse_more_tokens(db, user.id, limit=self._limit)
            text = await tokens.create_token(
                db, user.id, name=request.name, scopes=request.scopes, expires_at=request.expires_at
            )
            made = await tokens.find_by_token(db, text)
        assert made is not None  # noqa: S101  # it was just created
        return CreatedToken(made, text)

    async def revoke(self, token: AccessToken) -> None:
        """Revoke a token permanently. May be repeated."""
        await tokens.revoke_token_by_id(self._pool, token.id)


def _require_scope(token: AccessToken, accepted: Sequence[Scope]) -> None:
    names = [scope.value for scope in accepted]
    if not set(names).intersection(token.scopes):
        raise ScopeInsufficient(names)


def is_usable(token: AccessToken, accepted: Sequence[Scope]) -> bool:
    """Return whether the token is valid, has one of the ``accepted`` scopes, and its user is not blocked."""
    if token.revoked or token.expired or token.user.blocked:
        return False
    return not {each.value for each in accepted}.isdisjoint(token.scopes)
