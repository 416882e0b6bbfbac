"""Tokens in Postgres, by their SHA-256 digest only: the plain text is shown once and kept nowhere."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from shared.accounts.models import AccessToken, Scope, User
from shared.database.pool import Connection, Database

_USER = ("username", "name", "email", "is_admin", "created_at")


def digest(token: str) -> bytes:
    """Give what is kept of ``token``; it is long and random, so that no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


async def create_token(
    db: Database,
    user_id: int,
    *,
    name: str,
    scopes: Iterable[Scope] = (Scope.API,),
    expires_at: datetime | None = None,
) -> str:
    """Make a token and give its plain text, for the only time."""
    token = f"glpat-{secrets.token_urlsafe(24)}"
    await _insert(db, user_id, name=name, token=token, scopes=scopes, expires_at=expires_at)
    return token


async def replace_token(
    db: Connection, user_id: int, *, name: str, token: str, scopes: Iterable[Scope]
) -> None:
    """Make ``token`` the user's only token of that name; may be repeated. Call it within a transaction."""
    await db.execute(
        "DELETE FROM tokens WHERE (user_id = $1 AND name = $2) OR digest = $3", user_id, name, digest(token)
    )
    await _insert(db, user_id, name=name, token=token, scopes=scopes, expires_at=None)


async def _insert(  # the columns of a token
    db: Database, user_id: int, *, name: str, token: str, scopes: Iterable[Scope], expires_at: datetime | None
) -> None:
    await db.execute(
        "INSERT INTO tokens (user_id, name, digest, scopes, expires_at) VALUES ($1, $2, $3, $4, $5)",
        user_id, name, digest(token), [scope.value for scope in scopes], expires_at,
    )  # fmt: skip


async def find_by_token(db: Database, token: str) -> AccessToken | None:
    """Find what ``token`` stands for, also where it has expired or was revoked."""
    row = await db.fetchrow(
        """SELECT u.*, t.scopes, coalesce(t.expires_at <= now(), false) AS expired,
                  t.revoked_at IS NOT NULL AS revoked
           FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.digest = $1""",
        digest(token),
    )
    return (
        None
        if row is None
        else AccessToken(
            user=User(id=row["id"], **{column: row[column] for column in _USER}),
            scopes=frozenset(row["scopes"]),
            expired=row["expired"],
            revoked=row["revoked"],
        )
    )


async def revoke_token(db: Database, token: str) -> bool:
    """Take a token's power away for good; tells whether there was such a token."""
    row = await db.fetchval(
        "UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE digest = $1 RETURNING true",
        digest(token),
    )
    return bool(row)
