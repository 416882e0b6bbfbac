"""Users in Postgres. Functions take a pool or the connection of a transaction that does more."""

from __future__ import annotations

from asyncpg import UniqueViolationError

from shared.accounts import tokens
from shared.accounts.errors import UsernameTaken
from shared.accounts.models import Scope, User
from shared.database.pool import Connection, Database, Row

_COLUMNS = ("id", "username", "name", "email", "is_admin", "created_at")
_ROOT = "root"


def user_of(row: Row) -> User:
    """Make a User of a row that has the columns of ``users``."""
    return User(**{column: row[column] for column in _COLUMNS})


async def create_user(
    db: Database, username: str, *, name: str, email: str | None = None, is_admin: bool = False
) -> User:
    """Insert a user with the personal namespace of the same name, both or none. Raises UsernameTaken."""
    try:
        row = await db.fetchrow(
            """WITH made AS (INSERT INTO users (username, name, email, is_admin)
                             VALUES ($1, $2, $3, $4) RETURNING *),
                    home AS (INSERT INTO namespaces (kind, owner_id, path, name, full_path, full_name)
                             SELECT 'user', id, username, name, username, name FROM made)
               SELECT * FROM made""",
            username, name, email, is_admin,
        )  # fmt: skip
    except UniqueViolationError:
        raise UsernameTaken(username) from None
    assert row is not None  # noqa: S101  # an INSERT ... RETURNING gives its row
    return user_of(row)


async def find_user(db: Database, username: str) -> User | None:
    """Find a user by name; case does not matter."""
    row = await db.fetchrow("SELECT * FROM users WHERE lower(username) = lower($1)", username)
    return None if row is None else user_of(row)


async def list_users(db: Database) -> list[User]:
    """List all users, the oldest first."""
    return [user_of(row) for row in await db.fetch("SELECT * FROM users ORDER BY id")]


async def ensure_root(db: Connection, token: str) -> User:
    """Have an administrator ``root`` whose only token of the name "root" is ``token``; may be repeated.

    Call it within a transaction.
    """
    await db.execute("SELECT pg_advisory_xact_lock(hashtext('crossdock.root'))")
    root = await find_user(db, _ROOT)
    if root is None:
        root = await create_user(db, _ROOT, name="Administrator", is_admin=True)
    await tokens.replace_token(db, root.id, name=_ROOT, token=token, scopes=[Scope.API])
    return root
