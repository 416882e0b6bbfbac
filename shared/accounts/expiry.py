"""What is kept for a while only: sessions of browsers, and how often somebody asked."""

from __future__ import annotations

from shared.database.pool import Pool


class Expiry:
    """Removes what has ended. Nothing depends on when: who reads looks at the time himself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remove_sessions(self) -> int:
        """Remove the sessions that have ended, by themselves or with their token; give how many."""
        gone = await self._pool.fetch(
            """DELETE FROM web_sessions s USING tokens t WHERE t.id = s.token_id
               AND (s.expires_at <= now() OR t.expires_at <= now() OR t.revoked_at IS NOT NULL)
               RETURNING s.token_id"""
        )
        return len(gone)

    async def remove_counts(self) -> int:
        """Remove what was counted within minutes that are over; give how many counts."""
        return len(await self._pool.fetch("DELETE FROM rate_limits WHERE window_end <= now() RETURNING key"))
