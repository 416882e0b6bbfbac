"""Exports relation by relation: as in GitLab, one for each project and user, the one requested last.

Nothing is prepared: the export is a snapshot, which stays unchanged for as long as it can be downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database.pool import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationExport:
    """An export that can be downloaded; ``snapshot_id`` is None where the project had no content."""

    project_id: int
    snapshot_id: int | None
    batched: bool
    created_at: datetime


async def keep_newest(
    db: Connection, *, project_id: int, user_id: int, batched: bool, retention: timedelta
) -> None:
    """Export the current content of the project, in place of the user's earlier export.

    Call it within a transaction that has locked the project's row, so that the snapshot is not collected
    meanwhile.
    """
    await db.execute(
        """INSERT INTO relation_exports AS e (project_id, user_id, snapshot_id, batched, expires_at)
           SELECT id, $2, snapshot_id, $3, now() + $4 FROM projects WHERE id = $1
           ON CONFLICT (project_id, user_id) DO UPDATE SET
               snapshot_id = excluded.snapshot_id, batched = excluded.batched,
               created_at = now(), expires_at = excluded.expires_at""",
        project_id, user_id, batched, retention,
    )  # fmt: skip


async def find(db: Database, *, project_id: int, user_id: int) -> RelationExport | None:
    """Find the user's export of the project that has not expired."""
    row = await db.fetchrow(
        """SELECT project_id, snapshot_id, batched, created_at FROM relation_exports
           WHERE project_id = $1 AND user_id = $2 AND expires_at > now()""",
        project_id, user_id,
    )  # fmt: skip
    return RelationExport(**row) if row else None
