"""Removes what has expired: browser sessions, and counts of rate limits."""

from __future__ import annotations

from shared.database.pool import Pool


class Expiry:
    """Removes expired rows. Nothing depends on when it runs: every reader compares the time itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remove_sessions(self) -> int:
        """Remove sessions that have expired, or whose token has expired or was revoked; give how many."""
        gone = await self._pool.fetch(
            """DELETE FROM web_sessions s USING tokens t WHERE t.id = s.token_id
               AND (s.expires_at <= now() OR t.expires_at <= now() OR t.revoked_at IS NOT NULL)
               RETURNING s.token_id"""
        )
        # Those that sign-ins without a token made, of sessions that have ended in any way.
        await self._pool.execute(
            """DELETE FROM tokens t WHERE for_session
               AND NOT EXISTS (SELECT FROM web_sessions s WHERE s.token_id = t.id)"""
        )
        return len(gone)

    async def remove_counts(self) -> int:
        """Remove the counts of rate limits whose minute is over; give how many."""
        return len(await self._pool.fetch("DELETE FROM rate_limits WHERE window_end <= now() RETURNING key"))
