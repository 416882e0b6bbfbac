"""The size of a project."""

from __future__ import annotations

from shared.database.pool import Database


async def project_size(db: Database, project_id: int) -> int:
    """Give the raw bytes of everything in the project's current snapshot."""
    size: int = await db.fetchval(
        """SELECT coalesce(sum(e.raw_size), 0)::bigint FROM projects p
           JOIN entries e ON e.snapshot_id = p.snapshot_id WHERE p.id = $1""",
        project_id,
    )
    return size
