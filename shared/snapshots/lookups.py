"""Looks up entries and segments of a snapshot, and reads them a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from shared.database.pool import Database
from shared.gitlab.layout import FileKind, folder_of
from shared.snapshots.columns import PLACED, placed_entry, segment_of
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import PlacedEntry, Segment

_PAGE = 1000
_RELATIONS = folder_of(FileKind.RELATION)


async def read_entries(db: Database, snapshot_id: int, *, folder: str = "") -> AsyncIterator[PlacedEntry]:
    """Give all entries in ascending order of the bytes of their names, read a page at a time.

    With ``folder``, which ends in ``/``, only those in that folder. Raises SnapshotGone where the snapshot
    was collected meanwhile, rather than end early.
    """
    after, end = folder, behind(folder) if folder else None
    while True:
        rows = await db.fetch(
            f"""{PLACED} WHERE e.snapshot_id = $1 AND e.name > $2 AND ($3::text IS NULL OR e.name < $3)
                ORDER BY e.name LIMIT $4""",
            snapshot_id, after, end, _PAGE,
        )  # fmt: skip
        for row in rows:
            yield placed_entry(row)
        if len(rows) < _PAGE:
            break
        after = rows[-1]["name"]
    if not await db.fetchval("SELECT true FROM snapshots WHERE id = $1", snapshot_id):
        raise SnapshotGone(snapshot_id)


async def find_entry(db: Database, snapshot_id: int, name: str) -> PlacedEntry | None:
    """Find one entry by its name."""
    row = await db.fetchrow(f"{PLACED} WHERE e.snapshot_id = $1 AND e.name = $2", snapshot_id, name)
    return placed_entry(row) if row else None


async def find_with_relations(db: Database, snapshot_id: int, names: Sequence[str]) -> list[PlacedEntry]:
    """Find entries by their names, none a relation's, and all relations: as many as GitLab has names for."""
    rows = await db.fetch(
        f"""{PLACED} WHERE e.snapshot_id = $1 AND e.name = ANY ($2) UNION ALL
            {PLACED} WHERE e.snapshot_id = $1 AND e.name > $3 AND e.name < $4 AND e.kind = 'relation'""",
        snapshot_id, names, _RELATIONS, behind(_RELATIONS),
    )  # fmt: skip
    return [placed_entry(row) for row in rows]


async def find_segment(db: Database, snapshot_id: int, name: str, *, line: int) -> Segment | None:
    """Find the segment that holds ``line`` (0-based) of the relation stored under ``name``."""
    row = await db.fetchrow(
        """SELECT * FROM segments WHERE snapshot_id = $1 AND name = $2 AND first_line <= $3
           AND $3 < first_line + lines ORDER BY first_line DESC LIMIT 1""",
        snapshot_id, name, line,
    )  # fmt: skip
    return segment_of(row) if row else None


async def read_segments(db: Database, snapshot_id: int, name: str) -> AsyncGenerator[Segment, None]:
    """Give all segments of the relation stored under ``name``, in order, read a page at a time."""
    first_line = position = -1
    while True:
        rows = await db.fetch(
            """SELECT * FROM segments WHERE snapshot_id = $1 AND name = $2
               AND (first_line, position) > ($3, $4) ORDER BY first_line, position LIMIT $5""",
            snapshot_id, name, first_line, position, _PAGE,
        )  # fmt: skip
        for row in rows:
            yield segment_of(row)
        if len(rows) < _PAGE:
            return
        first_line, position = rows[-1]["first_line"], rows[-1]["position"]


def behind(folder: str) -> str:
    """Give what is behind all names in a folder, whose own ends in ``/``: "0" comes next after that."""
    return f"{folder[:-1]}0"
