"""Browser sessions in Postgres, stored by the SHA-256 of their secret; each belongs to a token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.accounts.tokens import SESSION_HOLDS, digest
from shared.database.pool import Database, Row

_FIELDS = "s.id, s.created_at, s.last_used_at, s.expires_at, s.address, s.browser"
_LONGEST_BROWSER = 200
"""Characters that are kept of what a browser calls itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Where a session was begun: the address, and what the browser calls itself."""

    address: str
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """A session that has not ended, without its secret; ``last_used_at`` is right to a minute."""

    id: int
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str | None
    browser: str | None
    is_current: bool


async def create_session(db: Database, token_id: int, visitor: Visitor, *, lasts: timedelta) -> str:
    """Create a session and give its secret, which is not stored; it ends with its token at the latest."""
    secret = secrets.token_urlsafe(32)
    await db.execute(
        """INSERT INTO web_sessions (digest, token_id, expires_at, address, browser)
           VALUES ($1, $2, now() + $3, $4, $5)""",
        digest(secret), token_id, lasts, visitor.address, visitor.browser[:_LONGEST_BROWSER],
    )  # fmt: skip
    return secret


async def find_session(db: Database, secret: str) -> BrowserSession | None:
    """Find a session by its secret; None where there is none, or it has expired."""
    row = await db.fetchrow(
        f"""SELECT {_FIELDS}, true AS is_current
            FROM web_sessions s WHERE {SESSION_HOLDS} AND s.expires_at > now()""",  # noqa: S608  # fixed texts only
        digest(secret),
    )
    return None if row is None else _session(row)


async def list_sessions(db: Database, user_id: int, *, current: str, limit: int) -> list[BrowserSession]:
    """List the sessions of a user, the one that was used last first, and at most ``limit``."""
    rows = await db.fetch(
        f"""SELECT {_FIELDS}, {SESSION_HOLDS} IS TRUE AS is_current
            FROM web_sessions s JOIN tokens t ON t.id = s.token_id
            WHERE t.user_id = $2 AND s.expires_at > now() AND t.revoked_at IS NULL
                AND (t.expires_at IS NULL OR t.expires_at > now())
            ORDER BY s.last_used_at DESC, s.id DESC LIMIT $3""",  # noqa: S608  # fixed texts only
        digest(current), user_id, limit,
    )  # fmt: skip
    return [_session(row) for row in rows]


async def renew_session(db: Database, secret: str, *, older: timedelta) -> str | None:
    """Give a session that has had its secret for longer than ``older`` another one; None where it has not.

    Who comes with the former one after a minute, and the new one was never used, gets another: the answer
    with that one was lost. Of several at once, one renews it.
    """
    new = secrets.token_urlsafe(32)
    done = await db.fetchval(
        """UPDATE web_sessions SET digest = $2, former = $1, renewed_at = now(), last_used_at = now()
           WHERE expires_at > now() AND (digest = $1 AND renewed_at <= now() - $3::interval
               OR former = $1 AND renewed_at <= now() - interval '1 minute' AND last_used_at <= renewed_at)
           RETURNING true""",
        digest(secret), digest(new), older,
    )  # fmt: skip
    return new if done else None


async def end_surplus_sessions(db: Database, token_id: int, *, most: int) -> None:
    """End the sessions of the token's user but ``most``: those that were used longest ago."""
    await db.execute(
        """DELETE FROM web_sessions WHERE id IN (
               SELECT s.id FROM web_sessions s JOIN tokens t ON t.id = s.token_id
               WHERE t.user_id = (SELECT user_id FROM tokens WHERE id = $1)
               ORDER BY s.last_used_at DESC, s.id DESC OFFSET $2)""",
        token_id, most,
    )  # fmt: skip


async def end_session(db: Database, secret: str) -> None:
    """End a session; may be repeated."""
    await db.execute("DELETE FROM web_sessions WHERE digest = $1 OR former = $1", digest(secret))


async def end_session_of(db: Database, user_id: int, session_id: int) -> bool:
    """End a session of a user; return whether there was one."""
    return bool(
        await db.fetchval(
            """DELETE FROM web_sessions s USING tokens t
               WHERE s.id = $2 AND t.id = s.token_id AND t.user_id = $1 RETURNING true""",
            user_id, session_id,
        )
    )  # fmt: skip


def _session(row: Row) -> BrowserSession:
    return BrowserSession(**dict(row))
