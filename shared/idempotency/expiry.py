"""What is kept of requests with a key for a while only."""

from __future__ import annotations

from shared.database.pool import Pool


class AnswerExpiry:
    """Removes keys and the answers kept with them. May be repeated."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remove_answers(self) -> int:
        """Remove expired idempotency keys with their answers; give how many."""
        gone = await self._pool.fetch(
            """DELETE FROM idempotency_keys WHERE expires_at <= now()
               AND (status IS NOT NULL OR locked_until <= now()) RETURNING user_id"""
        )
        return len(gone)
