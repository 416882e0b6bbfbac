"""Exports relation by relation: as in GitLab, one for each project and user, the one requested last.

Nothing is prepared: the export is a snapshot, which stays unchanged for as long as it can be downloaded. What
was found out about an archive of its files when it was first asked for is kept with the export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from shared.database.pool import Connection, Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFacts:
    """What is told of an archive before it is read.

    ``size`` is in bytes, ``crc32`` is that of what it inflates to, ``layout`` the version of its layout.
    ``first_key`` is the key of the first stored object that is read for it, or "".
    """

    layout: int
    size: int
    crc32: int
    first_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationExport:
    """An export that can be downloaded; ``snapshot_id`` is None where the project had no content.

    ``archives`` are those that are known, by their relations.
    """

    project_id: int
    user_id: int
    snapshot_id: int | None
    batched: bool
    created_at: datetime
    archives: Mapping[str, ArchiveFacts] = field(default_factory=dict)


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
               created_at = now(), expires_at = excluded.expires_at, archives = excluded.archives""",
        project_id, user_id, batched, retention,
    )  # fmt: skip


async def find(db: Database, *, project_id: int, user_id: int) -> RelationExport | None:
    """Find the user's export of the project that has not expired."""
    row = await db.fetchrow(
        """SELECT project_id, user_id, snapshot_id, batched, created_at, archives FROM relation_exports
           WHERE project_id = $1 AND user_id = $2 AND expires_at > now()""",
        project_id, user_id,
    )  # fmt: skip
    if row is None:
        return None
    known = {relation: ArchiveFacts(**facts) for relation, facts in row["archives"].items()}
    return RelationExport(**{**row, "archives": known})


async def keep_facts(db: Database, export: RelationExport, relation: str, facts: ArchiveFacts) -> None:
    """Keep what is known of an archive, unless a newer export has taken the place of this one."""
    await db.execute(
        """UPDATE relation_exports SET archives = archives || $4
           WHERE project_id = $1 AND user_id = $2 AND created_at = $3""",
        export.project_id, export.user_id, export.created_at, {relation: asdict(facts)},
    )  # fmt: skip
