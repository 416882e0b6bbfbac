"""The size of a snapshot's content by kind, in raw bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from shared.database.pool import Database
from shared.gitlab import layout
from shared.gitlab.layout import FileKind

_FOLDERS = (FileKind.LFS_OBJECT, FileKind.SNIPPET, FileKind.UPLOAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Raw bytes by GitLab's kinds."""

    repository_size: int = 0
    wiki_size: int = 0
    lfs_objects_size: int = 0
    snippets_size: int = 0
    uploads_size: int = 0

    @property
    def storage_size(self) -> int:
        """The sum of all kinds."""
        return sum(getattr(self, field.name) for field in fields(self))


async def statistics(db: Database, snapshot_id: int) -> Statistics:
    """Compute the statistics of a snapshot; reads every entry's row."""
    row = await db.fetchrow(
        """SELECT sum(raw_size) FILTER (WHERE name = ANY($2)) AS repository_size,
                  sum(raw_size) FILTER (WHERE name = $3) AS wiki_size,
                  sum(raw_size) FILTER (WHERE starts_with(name, $4)) AS lfs_objects_size,
                  sum(raw_size) FILTER (WHERE starts_with(name, $5)) AS snippets_size,
                  sum(raw_size) FILTER (WHERE starts_with(name, $6)) AS uploads_size
           FROM entries WHERE snapshot_id = $1""",
        snapshot_id, [layout.REPOSITORY, layout.DESIGN], layout.WIKI, *map(layout.folder_of, _FOLDERS),
    )  # fmt: skip
    assert row is not None  # noqa: S101  # an aggregate gives its row
    return Statistics(**{name: int(size or 0) for name, size in row.items()})
