"""Rows of the index on their way to Postgres, in batches of bounded length."""

from __future__ import annotations

from shared.database.pool import Pool
from shared.jobs.models import Lease
from shared.snapshots import index
from shared.snapshots.models import Entry, Segment

_BATCH = 1000


class Rows:
    """Collects at most 1000 entries and segments, then writes them."""

    def __init__(self, pool: Pool, lease: Lease, *, snapshot_id: int) -> None:
        self._pool = pool
        self._lease = lease
        self._snapshot_id = snapshot_id
        self._entries: list[Entry] = []
        self._segments: list[Segment] = []

    async def add(self, row: Entry | Segment) -> None:
        """Take a row. Raises LeaseLost where the snapshot is not ours any more."""
        if isinstance(row, Entry):
            self._entries.append(row)
        else:
            self._segments.append(row)
        if len(self._entries) + len(self._segments) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write what is there."""
        entries, self._entries = self._entries, []
        segments, self._segments = self._segments, []
        await index.add(
            self._pool, self._lease, snapshot_id=self._snapshot_id, entries=entries, segments=segments
        )
