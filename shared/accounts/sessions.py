"""Browser sessions in Postgres, stored by the SHA-256 of their secret; each belongs to a token."""

from __future__ import annotations

import secrets
from datetime import timedelta

from shared.accounts.tokens import digest
from shared.database.pool import Database


async def create_session(db: Database, token_id: int, *, lasts: timedelta) -> str:
    """Create a session and give its secret, which is not stored; it ends with its token at the latest."""
    secret = secrets.token_urlsafe(32)
    await db.execute(
        "INSERT INTO web_sessions (digest, token_id, expires_at) VALUES ($1, $2, now() + $3)",
        digest(secret), token_id, lasts,
    )  # fmt: skip
    return secret


async def end_session(db: Database, secret: str) -> None:
    """End a session; may be repeated."""
    await db.execute("DELETE FROM web_sessions WHERE digest = $1", digest(secret))
