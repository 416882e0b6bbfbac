"""Removes uploads that are past their time, or whose jobs need them no more."""

from __future__ import annotations

from shared.database.pool import Pool
from shared.uploads.store import EXPIRED

_AT_ONCE = 100


class UploadExpiry:
    """Removes uploads; the collector removes their objects."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remove_uploads(self) -> int:
        """Remove up to 100 uploads, and give how many. May be repeated."""
        async with self._pool.acquire() as db, db.transaction():
            # Lock first, decide after, in a statement of its own: a retry that is about to refer to an upload
            # locks its row too.
            rows = await db.fetch(f"{EXPIRED} LIMIT {_AT_ONCE} FOR UPDATE SKIP LOCKED")
            status = await db.execute(
                f"DELETE FROM uploads WHERE id = ANY($1) AND id IN ({EXPIRED})",  # noqa: S608  # fixed texts
                [row["id"] for row in rows],
            )
            return int(status.rpartition(" ")[2])
