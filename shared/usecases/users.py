"""Lists, shows, creates and changes users, and says who they are at the provider of OpenID Connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.accounts.identities import add_identity, find_subjects, remove_identities
from shared.accounts.models import User
from shared.accounts.users import (
    UserChange,
    UserQuery,
    block_user,
    change_user,
    create_user,
    find_user_by_id,
    search_users,
    unblock_user,
)
from shared.database.pool import Pool
from shared.database.search import Found
from shared.database.transactions import transaction
from shared.errors import Denied
from shared.usecases.access import require_administrator
from shared.usecases.errors import FieldsInvalid, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRequest:
    """A user to create; ``subject`` is who the user is at the provider of OpenID Connect."""

    username: str
    name: str
    email: str
    is_admin: bool
    bot: bool
    projects_limit: int | None
    subject: str | None = None


class Users:
    """Lists, shows, creates and changes users."""

    def __init__(self, pool: Pool, *, issuer: str | None) -> None:
        """Make the use case. ``issuer`` is the provider of OpenID Connect, if there is one."""
        self._pool = pool
        self._issuer = issuer

    async def list(self, query: UserQuery) -> Found[User]:
        """List users, the newest first."""
        return await search_users(self._pool, query)

    async def show(self, user_id: int) -> User:
        """Return a user. Raises NotFound."""
        user = await find_user_by_id(self._pool, user_id)
        if user is None:
            raise NotFound("User")
        return user

    async def find_subjects(self, users: Sequence[User]) -> Mapping[int, str]:
        """Return who the users are at the provider, by id; those that it does not know are left out."""
        if self._issuer is None:
            return {}
        return await find_subjects(self._pool, [user.id for user in users], self._issuer)

    async def create(self, actor: User | None, request: UserRequest) -> User:
        """Create a user as an administrator.

        Raises Unauthenticated, Denied, UsernameTaken, IdentityTaken, and FieldsInvalid for a subject without
        a provider.
        """
        require_administrator(actor)
        issuer = self._issuer_for(request.subject)
        async with transaction(self._pool) as db:
            user = await create_user(
                db, request.username, name=request.name, email=request.email,
                is_admin=request.is_admin, bot=request.bot, projects_limit=request.projects_limit,
            )  # fmt: skip
            if request.subject:
                await add_identity(db, user.id, issuer, request.subject)
            return user

    async def change(
        self, actor: User | None, user_id: int, change: UserChange, *, subject: str | None
    ) -> User:
        """Change a user as an administrator; another ``subject`` takes the place of the one before.

        May be repeated. Raises Unauthenticated, Denied, NotFound, IdentityTaken and FieldsInvalid.
        """
        require_administrator(actor)
        async with transaction(self._pool) as db:
            user = await change_user(db, user_id, change)
            if user is None:
                raise NotFound("User")
            issuer = self._issuer_for(subject)
            if subject:
                await remove_identities(db, user_id, issuer)
                await add_identity(db, user_id, issuer, subject)
            return user

    async def block(self, actor: User | None, user_id: int) -> bool:
        """Shut a user out: sessions end, tokens and sign-ins are refused, and no schedule runs; jobs go on.

        Return whether that was not done before. Raises Unauthenticated, NotFound, and Denied, also for
        oneself, so that one administrator is left.
        """
        caller, user = require_administrator(actor), await self.show(user_id)
        if user.id == caller.id:
            raise Denied("The API initiating user cannot be blocked by the API")
        async with transaction(self._pool) as db:
            return await block_user(db, user.id)

    async def unblock(self, actor: User | None, user_id: int) -> bool:
        """Let a user in again, with the tokens of before; return whether the user was blocked.

        Raises Unauthenticated, Denied and NotFound.
        """
        require_administrator(actor)
        await self.show(user_id)
        async with transaction(self._pool) as db:
            return await unblock_user(db, user_id)

    async def forget_subject(self, actor: User | None, user_id: int) -> None:
        """Have the user sign in by the provider no more. Raises Unauthenticated, Denied and NotFound."""
        require_administrator(actor)
        await self.show(user_id)
        if not await remove_identities(self._pool, user_id, self._issuer or ""):
            raise NotFound("Identity")

    def _issuer_for(self, subject: str | None) -> str:
        if subject and self._issuer is None:
            raise FieldsInvalid({"provider": ["is not set up here"]})
        return self._issuer or ""


def require_known(actor: User | None, reason: str) -> User:
    """Return the user. Raises Denied, not Unauthenticated, if there is none, as GitLab does for users."""
    if actor is None:
        raise Denied(reason)
    return actor
