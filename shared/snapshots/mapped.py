"""Snapshots of which exports with a map of people are made: one for each snapshot, of the map used last.

They are kept for as long as their base, and as long as an archive is made of them.
"""

from __future__ import annotations

from shared.database.pool import Connection, Database
from shared.snapshots.derived import commit_derived
from shared.snapshots.models import Body


async def find_mapped(db: Database, base: int, digest: bytes) -> int | None:
    """Find the snapshot that was made of ``base`` for the map with this digest."""
    found: int | None = await db.fetchval(
        "SELECT snapshot_id FROM mapped_snapshots WHERE base_id = $1 AND digest = $2", base, digest
    )
    return found


async def commit_mapped(
    db: Connection, *, base: int, digest: bytes, snapshot_id: int, body: Body | None, content_sha256: bytes
) -> None:
    """Commit a snapshot that was made of ``base``, in place of one for another map. Raises SnapshotGone."""
    await commit_derived(db, base=base, snapshot_id=snapshot_id, body=body, content_sha256=content_sha256)
    await db.execute(
        """INSERT INTO mapped_snapshots (base_id, digest, snapshot_id) VALUES ($1, $2, $3)
           ON CONFLICT (base_id) DO UPDATE
           SET digest = excluded.digest, snapshot_id = excluded.snapshot_id""",
        base, digest, snapshot_id,
    )  # fmt: skip
