"""Who users are at a provider of OpenID Connect, and what signs them in without a token of theirs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta

from asyncpg import UniqueViolationError

from shared.accounts.errors import IdentityTaken
from shared.accounts.models import Scope, User
from shared.accounts.tokens import digest
from shared.accounts.users import user_of
from shared.database.pool import Connection, Database


async def find_by_identity(db: Connection, issuer: str, subject: str) -> User | None:
    """Find a user by issuer and subject, never by e-mail.

    Two first sign-ins at once run one after the other, to the end of the caller's transaction.
    """
    await db.execute("SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 110))", issuer, subject)
    row = await db.fetchrow(
        """SELECT u.* FROM users u JOIN identities i ON i.user_id = u.id
           WHERE i.issuer = $1 AND i.subject = $2""",
        issuer, subject,
    )  # fmt: skip
    return None if row is None else user_of(row)


async def add_identity(db: Database, user_id: int, issuer: str, subject: str) -> None:
    """Have the subject of a provider be a user from now on. Raises IdentityTaken."""
    try:
        await db.execute(
            "INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3)", issuer, subject, user_id
        )
    except UniqueViolationError:
        raise IdentityTaken from None


async def remove_identities(db: Database, user_id: int, issuer: str) -> bool:
    """Have no subject of a provider be the user any more; return whether one was."""
    gone = await db.fetch(
        "DELETE FROM identities WHERE user_id = $1 AND issuer = $2 RETURNING subject", user_id, issuer
    )
    return bool(gone)


async def find_subjects(db: Database, user_ids: Sequence[int], issuer: str) -> Mapping[int, str]:
    """Find who the users are at a provider; those that it does not know are left out."""
    rows = await db.fetch(
        "SELECT user_id, subject FROM identities WHERE user_id = ANY($1) AND issuer = $2", user_ids, issuer
    )
    return {row["user_id"]: row["subject"] for row in rows}


async def set_administrator(db: Database, user_id: int, *, is_admin: bool) -> None:
    """Make a user an administrator, or take that away."""
    await db.execute("UPDATE users SET is_admin = $2 WHERE id = $1 AND is_admin <> $2", user_id, is_admin)


async def create_session_token(db: Database, user_id: int, *, name: str, lasts: timedelta) -> int:
    """Create a token for one session, and return its id. Its text is thrown away: nobody ever has it.

    It is in no list, counts against no limit, and is swept once it has no session.
    """
    token_id: int = await db.fetchval(
        """INSERT INTO tokens (user_id, name, digest, scopes, expires_at, for_session)
           VALUES ($1, $2, $3, $4, now() + $5::interval, true) RETURNING id""",
        user_id, name, digest(secrets.token_urlsafe(32)), [Scope.API.value], lasts,
    )  # fmt: skip
    return token_id
