"""Keys of requests in Postgres: one who sends a key is let through, the others find what became of it.

Who is let through holds the key for as long as it says so again and again, so that one who died does not
hold it for ever. The clock is the database's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Database, Pool
from shared.idempotency.models import Earlier, Hold, KeptAnswer, KeyedRequest

KEPT_FOR = timedelta(hours=24)
"""How long an answer is given again, from when its request came."""

BELIEVED_FOR = timedelta(seconds=60)
"""How long one that is silent is believed to be still at work."""

_MINE = "digest = $1 AND holder = $2 AND status IS NULL"
_log = structlog.get_logger()


async def claim(db: Database, request: KeyedRequest, *, fingerprint: bytes) -> Hold | None:
    """Take the key; None where another has it, or has answered within the last 24 hours."""
    hold = Hold(digest=request.digest)
    taken = await db.fetchval(
        """INSERT INTO idempotency_keys AS k (digest, user_id, fingerprint, holder, locked_until, expires_at)
           VALUES ($1, $2, $3, $4, now() + $5::interval, now() + $6::interval)
           ON CONFLICT (digest) DO UPDATE SET
               fingerprint = excluded.fingerprint, holder = excluded.holder, content = NULL,
               locked_until = excluded.locked_until, expires_at = excluded.expires_at,
               status = NULL, headers = NULL, body = NULL
           WHERE CASE WHEN k.status IS NULL THEN k.locked_until ELSE k.expires_at END <= now()
           RETURNING true""",
        hold.digest, request.user_id, fingerprint, hold.holder, BELIEVED_FOR, KEPT_FOR,
    )  # fmt: skip
    return hold if taken else None


async def earlier(db: Database, request: KeyedRequest) -> Earlier | None:
    """Find what came before; None where that has just been given up."""
    row = await db.fetchrow("SELECT * FROM idempotency_keys WHERE digest = $1", request.digest)
    if row is None:
        return None
    answer = (
        None
        if row["status"] is None
        else KeptAnswer(status=row["status"], headers=row["headers"], body=row["body"])
    )
    return Earlier(fingerprint=row["fingerprint"], content=row["content"], answer=answer)


async def keep(db: Database, hold: Hold, answer: KeptAnswer, *, content: bytes | None) -> None:
    """Keep the answer; nothing where the key was lost to another."""
    await db.execute(
        f"UPDATE idempotency_keys SET status = $3, headers = $4, body = $5, content = $6 WHERE {_MINE}",  # noqa: S608  # fixed texts
        hold.digest, hold.holder, answer.status, dict(answer.headers), answer.body, content,
    )  # fmt: skip


async def release(db: Database, hold: Hold) -> None:
    """Give the key up, as if it had never been sent."""
    await db.execute(f"DELETE FROM idempotency_keys WHERE {_MINE}", hold.digest, hold.holder)  # noqa: S608  # fixed texts


@asynccontextmanager
async def held(pool: Pool, hold: Hold) -> AsyncIterator[None]:
    """Hold the key while the block runs, however long it takes."""
    task = asyncio.create_task(_hold(pool, hold))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _hold(pool: Pool, hold: Hold) -> None:
    while True:
        await asyncio.sleep((BELIEVED_FOR / 4).total_seconds())
        try:
            await pool.execute(
                f"UPDATE idempotency_keys SET locked_until = now() + $3::interval WHERE {_MINE}",  # noqa: S608  # fixed texts
                hold.digest, hold.holder, BELIEVED_FOR,
            )  # fmt: skip
        except DATABASE_ERRORS as error:
            _log.warning("key_not_prolonged", error=repr(error))
