"""Users in Postgres. Functions take a pool or the connection of a transaction that does more."""

from __future__ import annotations

from dataclasses import dataclass

from asyncpg import UniqueViolationError

from shared.accounts import tokens
from shared.accounts.errors import UsernameTaken
from shared.accounts.models import Scope, User
from shared.database.pool import Connection, Database, Row
from shared.database.search import Found, contains

_COLUMNS = ("id", "username", "name", "email", "is_admin", "bot", "projects_limit", "created_at", "blocked")
_ROOT = "root"
_DIGITS = 19
"""Digits of the largest bigint; not every number with so many digits is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery:
    """Which users to list: the one called ``username``, or those whose names contain ``search``.

    ``blocked`` is for those that are, or that are not.
    """

    username: str | None = None
    search: str | None = None
    blocked: bool | None = None
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What an administrator changes of a user; None is left as it is."""

    name: str | None = None
    email: str | None = None
    is_admin: bool | None = None
    projects_limit: int | None = None


def user_of(row: Row) -> User:
    """Make a User of a row that has the columns of ``users``."""
    return User(**{column: row[column] for column in _COLUMNS})


async def create_user(
    db: Database,
    username: str,
    *,
    name: str,
    email: str | None = None,
    is_admin: bool = False,
    bot: bool = False,
    projects_limit: int | None = None,
) -> User:
    """Insert a user and the personal namespace of the same name, both or none. Raises UsernameTaken."""
    try:
        row = await db.fetchrow(
            """WITH made AS (INSERT INTO users (username, name, email, is_admin, bot, projects_limit)
                             VALUES ($1, $2, $3, $4, $5, coalesce($6, 100000)) RETURNING *),
                    home AS (INSERT INTO namespaces (kind, owner_id, path, name, full_path, full_name)
                             SELECT 'user', id, username, name, username, name FROM made)
               SELECT * FROM made""",
            username, name, email, is_admin, bot, projects_limit,
        )  # fmt: skip
    except UniqueViolationError:
        raise UsernameTaken(username) from None
    assert row is not None  # noqa: S101  # an INSERT ... RETURNING gives its row
    return user_of(row)


async def change_user(db: Connection, user_id: int, change: UserChange) -> User | None:
    """Change a user, and the name of the personal namespace; None where there is none.

    Call it within a transaction.
    """
    row = await db.fetchrow(
        """UPDATE users SET name = coalesce($2, name), email = coalesce($3, email),
               is_admin = coalesce($4, is_admin), projects_limit = coalesce($5, projects_limit)
           WHERE id = $1 RETURNING *""",
        user_id, change.name, change.email, change.is_admin, change.projects_limit,
    )  # fmt: skip
    if change.name is not None:
        await db.execute("UPDATE namespaces SET name = $2 WHERE owner_id = $1", user_id, change.name)
    return None if row is None else user_of(row)


async def block_user(db: Connection, user_id: int) -> bool:
    """Shut a user out, and end the user's sessions; return whether that was not done before.

    Call it within a transaction.
    """
    done = await db.fetchval(
        "UPDATE users SET blocked = true WHERE id = $1 AND NOT blocked RETURNING true", user_id
    )
    await db.execute(
        "DELETE FROM web_sessions s USING tokens t WHERE t.id = s.token_id AND t.user_id = $1", user_id
    )
    return bool(done)


async def unblock_user(db: Database, user_id: int) -> bool:
    """Let a user in again; return whether the user was blocked."""
    done = await db.fetchval(
        "UPDATE users SET blocked = false WHERE id = $1 AND blocked RETURNING true", user_id
    )
    return bool(done)


async def find_user(db: Database, username: str) -> User | None:
    """Find a user by name; case does not matter."""
    row = await db.fetchrow("SELECT * FROM users WHERE lower(username) = lower($1)", username)
    return None if row is None else user_of(row)


async def find_user_by_id(db: Database, user_id: int) -> User | None:
    """Find a user by id."""
    row = await db.fetchrow("SELECT * FROM users WHERE id = $1", user_id)
    return None if row is None else user_of(row)


async def find_user_by_reference(db: Database, reference: str) -> User | None:
    """Find a user by the digits of an id, or by name."""
    if reference.isascii() and reference.isdecimal():
        return await find_user_by_id(db, int(reference)) if len(reference) < _DIGITS else None
    return await find_user(db, reference)


async def search_users(db: Database, query: UserQuery) -> Found[User]:
    """List the users that match ``query``, the newest first."""
    condition = """SELECT %s FROM users
        WHERE ($1::text IS NULL OR lower(username) = lower($1))
          AND ($2::text IS NULL OR username ILIKE $2 OR name ILIKE $2 OR lower(email) = lower($3))
          AND ($4::boolean IS NULL OR blocked = $4)"""
    values = (query.username, contains(query.search), query.search, query.blocked)
    rows = await db.fetch(
        condition % "*" + " ORDER BY id DESC LIMIT $5 OFFSET $6", *values, query.limit, query.offset
    )
    return Found([user_of(row) for row in rows], await db.fetchval(condition % "count(*)", *values))


async def list_users(db: Database) -> list[User]:
    """List all users, the oldest first."""
    return [user_of(row) for row in await db.fetch("SELECT * FROM users ORDER BY id")]


async def ensure_root(db: Connection, token: str) -> User:
    """Ensure the administrator ``root``, and that ``token`` is its only token named "root".

    May be repeated. Call it within a transaction.
    """
    await db.execute("SELECT pg_advisory_xact_lock(hashtext('crossdock.root'))")
    root = await find_user(db, _ROOT)
    if root is None:
        root = await create_user(db, _ROOT, name="Administrator", is_admin=True)
    await tokens.replace_token(db, root.id, name=_ROOT, token=token, scopes=[Scope.API, Scope.SUDO])
    return root


async def make_first_root(db: Connection) -> str | None:
    """Make the administrator ``root`` and a token for it, where there is no user at all; return the token.

    None where there is one. Call it within a transaction.
    """
    if await db.fetchval("SELECT EXISTS (SELECT FROM users)"):
        return None
    token = tokens.new_token()
    await ensure_root(db, token)
    return token
