"""Reads the members that an archive had, some of whom may be users here."""

from __future__ import annotations

from contextlib import aclosing

from shared.database.pool import Database
from shared.people.archive_members import ArchiveMember, read_member
from shared.records.reader import find_relation, records
from shared.storage.base import ObjectStore

MOST = 10_000
"""Members that are read of a project; further ones are not looked at."""


async def read_members(db: Database, store: ObjectStore, snapshot_id: int) -> list[ArchiveMember]:
    """Give the members of a snapshot: at most 10,000, of some 300 bytes each. One segment is held.

    Raises SnapshotGone, CorruptSegment and StorageError.
    """
    relation = await find_relation(db, snapshot_id, "project_members")
    if relation is None:
        return []
    async with aclosing(records(db, store, relation, first=0, count=MOST)) as lines:
        return [member async for line in lines if (member := read_member(line)) is not None]
