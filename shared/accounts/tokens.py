"""Tokens in Postgres, stored by their SHA-256 only: the plain text is shown once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from shared.accounts.models import AccessToken, Scope, User
from shared.database.pool import Connection, Database, Row
from shared.database.search import Found

_USER = ("id", "username", "name", "email", "is_admin", "bot", "projects_limit", "created_at", "blocked")
_COLUMNS = ("id", "name", "created_at", "expires_at", "expired", "revoked")
_FIELDS = f"""t.id, t.name, t.scopes, t.created_at, t.expires_at,
    coalesce(t.expires_at <= now(), false) AS expired, t.revoked_at IS NOT NULL AS revoked,
    {", ".join(f"u.{column} AS user_{column}" for column in _USER)}
    FROM tokens t JOIN users u ON u.id = t.user_id"""  # fixed texts only

SESSION_HOLDS = """(s.digest = $1 OR (s.former = $1
    AND (s.renewed_at > now() - interval '1 minute' OR s.last_used_at <= s.renewed_at)))"""
"""The condition of the session ``s`` whose secret has the digest ``$1``.

The secret before the last renewal counts for a minute, and until the new one is used: it may never have come.
"""


def digest(token: str) -> bytes:
    """Give what is stored of ``token``; it is long and random, so that no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


async def create_token(
    db: Database,
    user_id: int,
    *,
    name: str,
    scopes: Iterable[Scope] = (Scope.API,),
    expires_at: datetime | None = None,
) -> str:
    """Create a token and give its plain text, which is not stored."""
    token = new_token()
    await _insert(db, user_id, name=name, token=token, scopes=scopes, expires_at=expires_at)
    return token


def new_token() -> str:
    """Give a plain text for a token: 192 random bits behind GitLab's prefix."""
    return f"glpat-{secrets.token_urlsafe(24)}"


async def replace_token(
    db: Connection, user_id: int, *, name: str, token: str, scopes: Iterable[Scope]
) -> None:
    """Make ``token`` the user's only token of that name. May be repeated. Call it within a transaction."""
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


def _token(row: Row) -> AccessToken:
    return AccessToken(
        user=User(**{column: row[f"user_{column}"] for column in _USER}),
        scopes=tuple(row["scopes"]),
        **{column: row[column] for column in _COLUMNS},
    )


async def find_by_token(db: Database, token: str) -> AccessToken | None:
    """Find a token by its plain text, also an expired or revoked one.

    The time of the index look-up reveals at most something of digests, from which no token can be made: that
    is as safe as a comparison in constant time.
    """
    row = await db.fetchrow(f"SELECT {_FIELDS} WHERE t.digest = $1", digest(token))  # fixed texts only
    return None if row is None else _token(row)


async def find_by_session(db: Database, secret: str) -> AccessToken | None:
    """Find the token of a browser's session by its secret, also an expired or revoked token.

    None where there is no such session, or it has expired. When it was used is noted once a minute, and when
    a renewed secret is used first.
    """
    row = await db.fetchrow(
        f"""WITH noted AS (UPDATE web_sessions SET last_used_at = now()
                WHERE digest = $1 AND (last_used_at < now() - interval '1 minute'
                    OR (former IS NOT NULL AND last_used_at <= renewed_at)))
            SELECT {_FIELDS} JOIN web_sessions s ON s.token_id = t.id
            WHERE {SESSION_HOLDS} AND s.expires_at > now()""",  # noqa: S608  # fixed texts only
        digest(secret),
    )
    return None if row is None else _token(row)


@dataclass(frozen=True, slots=True)
class Valid:
    """What still holds: tokens by their id, each with whether its user is an administrator; and sessions."""

    tokens: Mapping[int, bool]
    sessions: AbstractSet[bytes]


async def find_valid(db: Database, token_ids: Sequence[int], sessions: Sequence[bytes]) -> Valid:
    """Find out which of the tokens, and of the sessions by a digest of now or before, hold now."""
    found = await db.fetch(
        """SELECT t.id, u.is_admin, NULL::bytea AS session FROM tokens t JOIN users u ON u.id = t.user_id
           WHERE t.id = ANY($1::bigint[]) AND t.revoked_at IS NULL AND NOT u.blocked
               AND (t.expires_at IS NULL OR t.expires_at > now())
           UNION ALL
           SELECT NULL, NULL, asked FROM unnest($2::bytea[]) AS asked
           WHERE EXISTS (SELECT FROM web_sessions s
                         WHERE (s.digest = asked OR s.former = asked) AND s.expires_at > now())""",
        token_ids, sessions,
    )  # fmt: skip
    return Valid(
        {row["id"]: row["is_admin"] for row in found if row["session"] is None},
        {row["session"] for row in found if row["session"] is not None},
    )


async def find_token(db: Database, token_id: int) -> AccessToken | None:
    """Find a token by its id, also an expired or revoked one."""
    row = await db.fetchrow(f"SELECT {_FIELDS} WHERE t.id = $1", token_id)  # fixed texts only
    return None if row is None else _token(row)


async def list_tokens(
    db: Database, *, user_id: int | None, active: bool | None, limit: int, offset: int
) -> Found[AccessToken]:
    """List the tokens of a user, or of all for None; with ``active`` only the valid (or invalid) ones.

    Those that sessions have by themselves are not listed.
    """
    condition = f"""SELECT %s FROM (SELECT {_FIELDS} WHERE NOT t.for_session) AS t
        WHERE ($1::bigint IS NULL OR user_id = $1)
          AND ($2::boolean IS NULL OR (expired OR revoked) <> $2)"""  # noqa: S608  # fixed texts only
    rows = await db.fetch(condition % "*" + " ORDER BY id LIMIT $3 OFFSET $4", user_id, active, limit, offset)
    total = await db.fetchval(condition % "count(*)", user_id, active)
    return Found([_token(row) for row in rows], total)


async def revoke_token_by_id(db: Database, token_id: int) -> None:
    """Revoke a token for good. May be repeated."""
    await db.execute("UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1", token_id)


async def revoke_token(db: Database, token: str) -> bool:
    """Revoke a token for good; give whether there is such a token."""
    row = await db.fetchval(
        "UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE digest = $1 RETURNING true",
        digest(token),
    )
    return bool(row)
