"""Lists, shows and creates users."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.models import User
from shared.accounts.users import UserQuery, create_user, find_user_by_id, search_users
from shared.database.pool import Pool
from shared.database.search import Found
from shared.database.transactions import transaction
from shared.errors import Denied
from shared.usecases.access import require_administrator
from shared.usecases.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRequest:
    """A user to create."""

    username: str
    name: str
    email: str
    is_admin: bool
    bot: bool
    projects_limit: int | None


class Users:
    """Lists, shows and creates users."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list(self, query: UserQuery) -> Found[User]:
        """List users, the newest first."""
        return await search_users(self._pool, query)

    async def show(self, user_id: int) -> User:
        """Return a user. Raises NotFound."""
        user = await find_user_by_id(self._pool, user_id)
        if user is None:
            raise NotFound("User")
        return user

    async def create(self, actor: User | None, request: UserRequest) -> User:
        """Create a user as an administrator. Raises Unauthenticated, Denied and UsernameTaken."""
        require_administrator(actor)
        async with transaction(self._pool) as db:
            return await create_user(
                db, request.username, name=request.name, email=request.email,
                is_admin=request.is_admin, bot=request.bot, projects_limit=request.projects_limit,
            )  # fmt: skip


def require_known(actor: User | None, reason: str) -> User:
    """Return the user. Raises Denied, not Unauthenticated, if there is none, as GitLab does for users."""
    if actor is None:
        raise Denied(reason)
    return actor
