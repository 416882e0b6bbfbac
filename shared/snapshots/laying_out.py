"""Lays out the body of a snapshot that has none: of an older version, or written by requests."""

from __future__ import annotations

from datetime import timedelta

from shared.database.pool import Connection, Pool, Row
from shared.segments.encoder import Extent
from shared.snapshots import runs
from shared.snapshots.body import LAYOUT, BodyWriter, Place
from shared.snapshots.contents import OF_HEAD
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.models import Body, BodyRun, EntryKind

_PAGE = 1000
_STRETCH = "packed_files"
"""The kind of a row that is a stretch of files in a pack, and no entry."""

_IN_ORDER = f"""
SELECT name, kind, mtime, object_id, position, stored_size, raw_size, crc32 FROM entries
WHERE snapshot_id = $1
UNION ALL
SELECT '', '{_STRETCH}', 0, object_id, position, size, raw_size, crc32 FROM packed_files p
WHERE snapshot_id = $1 AND files = (
    SELECT count(*) FROM (
        SELECT snapshot_id FROM entries WHERE object_id = p.object_id
        AND position >= p.position AND position < p.position + p.size OFFSET 0) e
    WHERE e.snapshot_id = $1)
ORDER BY object_id NULLS FIRST, position, name
"""  # noqa: S608  # fixed texts
"""All entries in the order in which they are stored, and before those of a stretch that is whole the stretch.

These are counted by the index of objects: of a new snapshot Postgres does not know how many entries it has.
"""

_PATIENCE = timedelta(minutes=10)
"""How long another one may take for the same snapshot; a million entries take half a minute."""


async def body_of(pool: Pool, pinned: Pinned) -> Body:
    """Give the body of a snapshot, and lay it out first where that was not done by this version's layout.

    No byte is read or moved. An archive that was planned by another layout goes. Raises SnapshotGone.
    """
    if pinned.body is not None and pinned.body.layout == LAYOUT:
        return pinned.body
    async with pool.acquire() as db, db.transaction():
        return await _lay_out(db, pinned.snapshot_id)


async def _lay_out(db: Connection, snapshot_id: int) -> Body:
    # Locked, so that of two exports the second one finds what the first one has made.
    if not await db.fetchval(
        "SELECT true FROM snapshots WHERE id = $1 FOR NO KEY UPDATE",
        snapshot_id, timeout=_PATIENCE.total_seconds(),
    ):  # fmt: skip
        raise SnapshotGone(snapshot_id)
    body = await runs.find_body(db, snapshot_id)
    if body is None or body.layout != LAYOUT:
        await db.execute("DELETE FROM archives WHERE snapshot_id = $1", snapshot_id)
        await db.execute("DELETE FROM runs WHERE snapshot_id = $1", snapshot_id)
        body = await _Pages(db, snapshot_id).lay_out()
        await runs.keep_body(db, snapshot_id, body)
    return body


class _Pages:
    """Reads the entries in the order in which they are stored, and writes the runs, a page at a time."""

    def __init__(self, db: Connection, snapshot_id: int) -> None:
        self._db = db
        self._snapshot_id = snapshot_id
        self._runs: list[BodyRun] = []
        self._body = BodyWriter(self._take)
        self._stretch = (0, 0)  # the object of the last one, and where it ends in that

    async def lay_out(self) -> Body:
        entries, patience = 0, _PATIENCE.total_seconds()
        async for row in self._db.cursor(_IN_ORDER, self._snapshot_id, prefetch=_PAGE, timeout=patience):
            entries += row["kind"] != _STRETCH
            if row["name"] not in OF_HEAD:
                await self._add(row)
        body = await self._body.finish(entries=entries, document=None)
        await self._flush()
        return body

    async def _add(self, row: Row) -> None:
        name, mtime = row["name"], row["mtime"]
        extent = Extent(row["raw_size"], row["stored_size"], row["crc32"])
        place = Place(row["object_id"] if extent.raw_length else None, row["position"], extent)
        if row["kind"] == _STRETCH:
            self._stretch = row["object_id"], row["position"] + row["stored_size"]
            await self._body.extend(place)
            return
        if self._is_in_stretch(place):
            return
        match EntryKind(row["kind"]):
            case EntryKind.DIRECTORY:
                await self._body.directory(name.rstrip("/"), mtime)
            case EntryKind.RELATION:
                await self._body.add(name, mtime, place)
            case EntryKind.BLOB:
                await self._body.append(name, mtime, place)

    def _is_in_stretch(self, place: Place) -> bool:
        object_id, end = self._stretch
        return place.object_id == object_id and place.position < end

    async def _take(self, run: BodyRun) -> None:
        self._runs.append(run)
        if len(self._runs) >= _PAGE:
            await self._flush()

    async def _flush(self) -> None:
        full, self._runs = self._runs, []
        await runs.copy_runs(self._db, self._snapshot_id, full)
