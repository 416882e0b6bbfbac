"""The tar archives in which GitLab transfers the files of a relation, under names of their own.

Their files come in the order in which they are stored; readers of archives need no other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec

from shared.assembly.members import ArchiveMember, Directory, GeneratedFile, StoredFile
from shared.database.pool import Database
from shared.gitlab import layout
from shared.gitlab.layout import FileKind
from shared.snapshots import lookups
from shared.snapshots.models import EntryKind, PlacedEntry
from shared.snapshots.stored_order import read_stored_order

_AVATAR = layout.folder_of(FileKind.AVATAR)
_FOLDERS = {
    "uploads": (layout.folder_of(FileKind.UPLOAD), _AVATAR),
    "lfs_objects": (layout.folder_of(FileKind.LFS_OBJECT),),
}
_FILES = {
    "lfs_objects": (layout.LFS_INDEX, "lfs_objects.json"),
    "repository": (layout.REPOSITORY, "repository.bundle"),
    "design": (layout.DESIGN, "design.bundle"),
}
_KEPT = (_AVATAR,)
"""Folders whose name is kept in the names of the archive."""

_OF_PROJECT = (0,)


async def relation_members(
    db: Database, snapshot_id: int, relation: str, *, mtime: int
) -> AsyncIterator[ArchiveMember]:
    """Give the members of a relation's archive; generated files get ``mtime``. Raises SnapshotGone."""
    object_ids: list[str] = []
    for folder in _FOLDERS.get(relation, ()):
        async for placed in read_stored_order(db, snapshot_id, folder):
            member = _renamed(placed, placed.entry.name.removeprefix("" if folder in _KEPT else folder))
            yield member
            if relation == "lfs_objects" and isinstance(member, StoredFile):
                object_ids.append(member.placed.entry.name)
    if relation in _FILES:
        name, new_name = _FILES[relation]
        if file := await lookups.find_entry(db, snapshot_id, name):
            yield _renamed(file, new_name)
        elif relation == "lfs_objects":
            yield _lfs_index(new_name, object_ids, mtime=mtime)


def _renamed(placed: PlacedEntry, name: str) -> ArchiveMember:
    if placed.entry.kind is EntryKind.DIRECTORY:
        return Directory(name, placed.entry.mtime)
    return StoredFile(PlacedEntry(replace(placed.entry, name=name), placed.key))


def _lfs_index(name: str, object_ids: list[str], *, mtime: int) -> GeneratedFile:
    """Make an index that assigns every object to the project's repository: GitLab's meaning of no index."""
    return GeneratedFile(name, mtime, msgspec.json.encode(dict.fromkeys(sorted(object_ids), _OF_PROJECT)))


async def count_files(db: Database, snapshot_id: int, relation: str) -> int:
    """Count the files of a relation."""
    folders, file = _FOLDERS.get(relation, ()), _FILES.get(relation)
    counted: int = await db.fetchval(
        """SELECT count(*) FROM entries
           WHERE snapshot_id = $1 AND kind = 'blob' AND (name ^@ ANY($2::text[]) OR name = $3)""",
        snapshot_id, folders, file[0] if file and not folders else None,
    )  # fmt: skip
    return counted
