"""Reads the entries of a folder in the order in which their bytes are stored, which few requests read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from shared.database.pool import Database, Row
from shared.snapshots.columns import PLACED, placed_entry
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.lookups import behind
from shared.snapshots.models import PlacedEntry

_PAGE = 1000
_SCAN = timedelta(minutes=5)
"""How long the entries of a folder may be looked through; there may be millions."""

_ALONE = f"""{PLACED} WHERE e.snapshot_id = $1 AND e.name > $2 AND e.name < $3
             AND (e.object_id IS NULL OR e.object_id <> ALL($4::bigint[]))
             ORDER BY e.name LIMIT $5"""
_PACKED = """SELECT e.*, o.key FROM (
                 SELECT * FROM entries WHERE object_id = $4 AND position > $5 ORDER BY position OFFSET 0) e
             JOIN objects o ON o.id = e.object_id
             WHERE e.snapshot_id = $1 AND e.name > $2 AND e.name < $3 ORDER BY e.position LIMIT $6"""
"""By the index of objects: of a new snapshot Postgres does not know how many entries it would sort."""


async def read_stored_order(db: Database, snapshot_id: int, folder: str) -> AsyncGenerator[PlacedEntry, None]:
    """Give all entries of a folder, whose name ends in ``/``: those in packs last, in their order there.

    Before them come directories, empty files, and files with an object of their own, by name. They are read
    a page at a time; held are the numbers of the packs, one for each 4 GiB and each import or request. Raises
    SnapshotGone where the snapshot was collected meanwhile, rather than end early.
    """
    end = behind(folder)
    packs = await _packs(db, snapshot_id, folder, end)
    name, rows = folder, []
    while rows := await db.fetch(_ALONE, snapshot_id, name, end, packs, _PAGE, timeout=_SCAN.total_seconds()):
        for row in rows:
            yield placed_entry(row)
        name = rows[-1]["name"]
    for pack in packs:
        position = -1
        while rows := await db.fetch(_PACKED, snapshot_id, folder, end, pack, position, _PAGE):
            for row in rows:
                yield placed_entry(row)
            position = rows[-1]["position"]
    if not await db.fetchval("SELECT true FROM snapshots WHERE id = $1", snapshot_id):
        raise SnapshotGone(snapshot_id)


async def _packs(db: Database, snapshot_id: int, folder: str, end: str) -> list[int]:
    rows: list[Row] = await db.fetch(
        """SELECT id FROM objects WHERE kind = 'pack' AND id IN (
               SELECT object_id FROM entries WHERE snapshot_id = $1 AND name > $2 AND name < $3)
           ORDER BY id""",
        snapshot_id, folder, end, timeout=_SCAN.total_seconds(),
    )  # fmt: skip
    return [row["id"] for row in rows]
