"""Stretches of packs that are ready bytes of an archive, in snapshots that several requests write.

Each request has a pack of its own, with headers and padding around its small files as imports have them. What
it wrote may be replaced by later requests, so no run is made of it before the first export: then a stretch is
taken as it lies if all of its files are still entries of the snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from shared.archive import writer as tar
from shared.database.pool import Database
from shared.segments.encoder import NOTHING, Extent, SegmentEncoder
from shared.snapshots.body import Header, NoBody, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFiles:
    """``files`` files, none empty, that lie in a pack one after another, each between header and padding.

    ``size`` is what they have in the pack, ``raw_size`` and ``crc32`` are of what that inflates to.
    """

    object_id: int
    position: int
    size: int
    raw_size: int
    crc32: int
    files: int = 1


_COLUMNS = tuple(field.name for field in fields(PackedFiles))


class PackedFilesWriter(NoBody):
    """Gives headers and padding to the small files of a snapshot, and notes the stretches in ``written``.

    Nothing but files with bytes is in a stretch, so that the entries with a place in it are all that it has.
    A new one begins with each pack, each relation and each large blob.
    """

    def __init__(self) -> None:
        self._encoder = SegmentEncoder()
        self.written: list[PackedFiles] = []

    def header(self, name: str, mtime: int, *, size: int) -> Header:
        """Give the header of a file; that of an empty one is made at the export."""
        if not size:
            return Header(b"", NOTHING, b"")
        return Header(*self._encoder.encode(tar.file_header(name, size=size, mtime=mtime)), b"")

    def padding(self, size: int) -> tuple[bytes, Extent]:
        """Give what follows a file of ``size`` raw bytes."""
        return self._encoder.encode(tar.padding(size))

    async def extend(self, place: Place) -> None:
        """Add a stretch of the pack that has a whole file, with its header and its padding."""
        if place.object_id is None or not place.extent.raw_length:
            return
        if self.written and _joins(self.written[-1], place):
            self.written[-1] = _join(self.written[-1], place)
        else:
            extent = place.extent
            self.written.append(
                PackedFiles(
                    object_id=place.object_id, position=place.position, size=extent.stored_length,
                    raw_size=extent.raw_length, crc32=extent.crc32,
                )
            )  # fmt: skip


def _joins(before: PackedFiles, place: Place) -> bool:
    return before.object_id == place.object_id and before.position + before.size == place.position


def _join(before: PackedFiles, place: Place) -> PackedFiles:
    whole = Extent(before.raw_size, before.size, before.crc32).then(place.extent)
    return PackedFiles(
        object_id=before.object_id, position=before.position, size=whole.stored_length,
        raw_size=whole.raw_length, crc32=whole.crc32, files=before.files + 1,
    )  # fmt: skip


async def add_packed_files(db: Database, snapshot_id: int, stretches: Sequence[PackedFiles]) -> None:
    """Add stretches to a snapshot that has, or had, all of their files as entries."""
    if stretches:
        await db.execute(
            f"""INSERT INTO packed_files (snapshot_id, {", ".join(_COLUMNS)})
                SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                                         $7::bigint[])""",  # noqa: S608  # fixed texts
            snapshot_id, *([getattr(each, column) for each in stretches] for column in _COLUMNS),
        )  # fmt: skip


async def copy_packed_files(db: Database, *, base: int, snapshot_id: int) -> None:
    """Add the stretches of ``base`` to a snapshot that has, or had, the entries of ``base``."""
    named = ", ".join(_COLUMNS)
    await db.execute(
        f"""INSERT INTO packed_files (snapshot_id, {named})
            SELECT $2, {named} FROM packed_files WHERE snapshot_id = $1""",  # noqa: S608  # fixed texts
        base, snapshot_id,
    )  # fmt: skip
