"""Snapshots whose index of LFS objects names all of them, where that of their base does not.

They are kept for as long as their base, and as long as an archive is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.database.pool import Connection, Database
from shared.gitlab.layout import LFS_INDEX, FileKind, folder_of
from shared.snapshots.derived import commit_derived
from shared.snapshots.lookups import behind
from shared.snapshots.models import Body

_OBJECTS = folder_of(FileKind.LFS_OBJECT)


@dataclass(frozen=True, slots=True)
class Naming:
    """What is known of the index of a snapshot: whether to look at it, or which snapshot has a whole one."""

    is_unknown: bool
    snapshot_id: int | None


async def find_naming(db: Database, base: int) -> Naming:
    """Find what is known. A snapshot without LFS objects, or without an index, need not be looked at."""
    row = await db.fetchrow(
        """SELECT n.base_id IS NULL AND i.name IS NOT NULL AND EXISTS (
               SELECT FROM entries WHERE snapshot_id = $1 AND name > $3 AND name < $4 AND kind = 'blob'
           ) AS is_unknown, n.snapshot_id
           FROM (SELECT $1::bigint AS id) b LEFT JOIN named_snapshots n ON n.base_id = b.id
           LEFT JOIN entries i ON i.snapshot_id = b.id AND i.name = $2""",
        base, LFS_INDEX, _OBJECTS, behind(_OBJECTS),
    )  # fmt: skip
    assert row is not None  # noqa: S101  # there is always one
    return Naming(**row)


async def note_whole(db: Database, base: int) -> None:
    """Take note that the index of a snapshot names all LFS objects. May be repeated."""
    await db.execute(
        """INSERT INTO named_snapshots (base_id) SELECT id FROM snapshots WHERE id = $1
           ON CONFLICT DO NOTHING""",
        base,
    )


async def commit_named(
    db: Connection, *, base: int, snapshot_id: int, body: Body, content_sha256: bytes
) -> None:
    """Commit a snapshot that has a whole index in place of that of ``base``. Raises SnapshotGone."""
    await commit_derived(db, base=base, snapshot_id=snapshot_id, body=body, content_sha256=content_sha256)
    await db.execute(
        """INSERT INTO named_snapshots (base_id, snapshot_id) VALUES ($1, $2)
           ON CONFLICT (base_id) DO UPDATE SET snapshot_id = excluded.snapshot_id""",
        base, snapshot_id,
    )  # fmt: skip
