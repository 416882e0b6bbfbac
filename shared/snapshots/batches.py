"""Batches of a relation: each is one segment, with the bytes that are stored."""

from __future__ import annotations

from dataclasses import replace

from shared.database.pool import Database
from shared.snapshots.models import PlacedEntry


async def lines_of_batches(db: Database, snapshot_id: int, name: str) -> list[int]:
    """Give the number of records of each batch; an empty or absent relation has one batch of none."""
    rows = await db.fetch(
        """SELECT lines FROM segments WHERE snapshot_id = $1 AND name = $2 ORDER BY first_line, position""",
        snapshot_id, name,
    )  # fmt: skip
    return [row["lines"] for row in rows] or [0]


async def find_batch(
    db: Database, snapshot_id: int, relation: PlacedEntry, *, number: int
) -> PlacedEntry | None:
    """Give a batch, counted from 1, as an entry that holds nothing else of the relation."""
    row = await db.fetchrow(
        """SELECT lines, position, stored_size, raw_size, crc32 FROM segments
           WHERE snapshot_id = $1 AND name = $2 ORDER BY first_line, position OFFSET $3 LIMIT 1""",
        snapshot_id, relation.entry.name, number - 1,
    )  # fmt: skip
    return PlacedEntry(replace(relation.entry, sha256=None, **row), relation.key) if row else None
