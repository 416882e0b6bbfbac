"""Idempotency keys in Postgres: one of the requests with a key proceeds, the others find its outcome.

The request that proceeds holds the key. The hold ends with its process, as far as the database sees that
(``life.py``), or else some time after it was prolonged last. Whoever loses it keeps no answer, and so makes
no change: both are one transaction. The clock is the database's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from shared.database.pool import Database, Pool
from shared.database.prolonging import repeated
from shared.idempotency.life import has_ended
from shared.idempotency.models import EarlierRequest, KeptAnswer, KeyedRequest, KeyHold

KEPT_FOR = timedelta(hours=24)
"""How long an answer is kept, from the arrival of its request."""

BELIEVED_FOR = timedelta(seconds=60)
"""How long a silent holder counts as still running."""

_MINE = "digest = $1 AND holder = $2 AND status IS NULL"


async def claim(
    db: Database, request: KeyedRequest, *, fingerprint: bytes, limit: int, life: int | None = None
) -> KeyHold | None:
    """Take the key; None where another request holds it, or has answered within the last 24 hours.

    The hold ends with the process whose sign of life has the number ``life``.

    None also where the user has ``limit`` keys and this is none of them; claims at once may exceed it.
    """
    hold = KeyHold(digest=request.digest)
    taken = await db.fetchval(
        f"""INSERT INTO idempotency_keys AS k
               (digest, user_id, fingerprint, holder, locked_until, expires_at, life)
           SELECT $1::bytea, $2::bigint, $3::bytea, $4::uuid, now() + $5::interval, now() + $6::interval,
                  $8::int
           WHERE EXISTS (SELECT FROM idempotency_keys WHERE digest = $1)
              OR NOT EXISTS (SELECT FROM idempotency_keys WHERE user_id = $2 OFFSET $7::bigint - 1)
           ON CONFLICT (digest) DO UPDATE SET
               fingerprint = excluded.fingerprint, holder = excluded.holder, content = NULL,
               locked_until = excluded.locked_until, expires_at = excluded.expires_at,
               status = NULL, headers = NULL, body = NULL, life = excluded.life
           WHERE CASE WHEN k.status IS NOT NULL THEN k.expires_at <= now()
                      ELSE k.locked_until <= now() OR {has_ended("k.life")} END
           RETURNING true""",  # noqa: S608  # fixed texts
        hold.digest, request.user_id, fingerprint, hold.holder, BELIEVED_FOR, KEPT_FOR, limit, life,
    )  # fmt: skip
    return hold if taken else None


async def wait_for_room(db: Database, request: KeyedRequest, *, limit: int) -> int | None:
    """Give the seconds until the user may take another key; None where that is now."""
    wait: int | None = await db.fetchval(
        """SELECT greatest(1, ceil(extract(epoch FROM min(expires_at) - now())))::int
           FROM idempotency_keys WHERE user_id = $1 HAVING count(*) >= $2""",
        request.user_id, limit,
    )  # fmt: skip
    return wait


async def find_earlier(db: Database, request: KeyedRequest) -> EarlierRequest | None:
    """Find the earlier request with the same key; None where it has just released the key."""
    row = await db.fetchrow("SELECT * FROM idempotency_keys WHERE digest = $1", request.digest)
    if row is None:
        return None
    answer = (
        None
        if row["status"] is None
        else KeptAnswer(status=row["status"], headers=row["headers"], body=row["body"])
    )
    return EarlierRequest(fingerprint=row["fingerprint"], content=row["content"], answer=answer)


async def keep(db: Database, hold: KeyHold, answer: KeptAnswer, *, content: bytes | None) -> bool:
    """Keep the answer, in place of an earlier one of the same request.

    Does nothing, and gives False, where the key was lost to another request.
    """
    kept = await db.fetchval(
        """UPDATE idempotency_keys SET status = $3, headers = $4, body = $5, content = $6
           WHERE digest = $1 AND holder = $2 RETURNING true""",
        hold.digest, hold.holder, answer.status, dict(answer.headers), answer.body, content,
    )  # fmt: skip
    return kept is not None


async def release(db: Database, hold: KeyHold) -> None:
    """Release the key, as if it had never been sent."""
    await db.execute(f"DELETE FROM idempotency_keys WHERE {_MINE}", hold.digest, hold.holder)  # noqa: S608  # fixed texts


@asynccontextmanager
async def keep_held(pool: Pool, hold: KeyHold) -> AsyncIterator[None]:
    """Hold the key while the block runs, however long that is."""
    prolong = partial(
        pool.execute,
        f"UPDATE idempotency_keys SET locked_until = now() + $3::interval WHERE {_MINE}",  # noqa: S608  # fixed texts
        hold.digest, hold.holder, BELIEVED_FOR,
    )  # fmt: skip
    async with repeated(prolong, every=BELIEVED_FOR / 4, failure="key_not_prolonged"):
        yield
