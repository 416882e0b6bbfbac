"""What users asked to export relation by relation: GitLab keeps one such export for each project and user.

Nothing is prepared: the snapshot is the export, and stays as it is for as long as that can be fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database.pool import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationExport:
    """An export that can be fetched; without a snapshot, of a project without content."""

    project_id: int
    snapshot_id: int | None
    batched: bool
    created_at: datetime


async def keep_newest(
    db: Connection, *, project_id: int, user_id: int, batched: bool, retention: timedelta
) -> None:
    """Export what the project has now, in the place of the user's earlier export.

    Within a transaction that holds the project's row, so that the snapshot is not dropped meanwhile.
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
    """Find the user's export of the project, where there is one that has not expired."""
    row = await db.fetchrow(
        """SELECT project_id, snapshot_id, batched, created_at FROM relation_exports
           WHERE project_id = $1 AND user_id = $2 AND expires_at > now()""",
        project_id, user_id,
    )  # fmt: skip
    return RelationExport(**row) if row else None
