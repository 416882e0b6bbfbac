"""The layout of a file that is assembled: bytes made here, and between them the places of stored runs.

A file is one gzip member. Its checksum and length come from the index, so that its size is known, and a part
of it can be read, without reading any stored bytes before that part. Bytes made here are not deflated: what
one process has told of a file holds for every other that gives a part of it, whatever library it has.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from shared.archive import writer as tar
from shared.assembly.members import ArchiveMember, Directory, GeneratedFile, StoredFile
from shared.segments.assembler import GzipAssembler
from shared.segments.encoder import Extent
from shared.snapshots.models import Entry, PlacedEntry
from shared.storage.composition import ObjectRange, Piece, cut, length_of

LayoutItem = Piece
"""Bytes made here, at most about 1 MiB, or the place of a stored run."""

LAYOUT = 2
"""The version of the layout; another one gives other bytes for the same content."""

_PIECE = 1024 * 1024
_LONGEST_OWN = 64 * 1024
"""Headers of directories and of empty files that wait at most for the next file."""


class ArchiveLayout:
    """Lays out one tar archive, in the order of its members."""

    def __init__(self, *, root_mtime: int) -> None:
        self._gzip = GzipAssembler()
        self._own = bytearray(tar.root_header(root_mtime))  # what goes into one segment
        self._written = len(self._own)

    async def items(self, members: AsyncIterator[ArchiveMember]) -> AsyncGenerator[LayoutItem, None]:
        """Give the items of the archive."""
        yield self._gzip.header()
        async for member in members:
            for part in self._parts(member):
                yield part if isinstance(part, ObjectRange) else self._gzip.plain(part)
        self._own += tar.end_of_archive(self._written)
        yield self._gzip.plain(self._taken())
        yield self._gzip.finish()

    def _parts(self, member: ArchiveMember) -> Iterator[memoryview | bytes | ObjectRange]:
        match member:
            case Directory(name, mtime):
                self._add(tar.directory_header(name.rstrip("/"), mtime))
            case GeneratedFile(name, mtime, data):
                self._add(tar.file_header(name, size=len(data), mtime=mtime))
                yield self._taken()
                yield from _slices(data)
                self._end(len(data))
            case StoredFile(placed):
                self._add(
                    tar.file_header(placed.entry.name, size=placed.entry.raw_size, mtime=placed.entry.mtime)
                )
                if placed.entry.raw_size:
                    yield self._taken()
                    yield run_of(placed)
                    self._gzip.add(extent_of(placed.entry))
                    self._end(placed.entry.raw_size)
        if len(self._own) > _LONGEST_OWN:
            yield self._taken()

    def _add(self, data: bytes) -> None:
        self._own += data
        self._written += len(data)

    def _end(self, size: int) -> None:
        """Account for ``size`` bytes of data, and pad them to a block."""
        self._written += size
        self._add(tar.padding(size))

    def _taken(self) -> bytes:
        own, self._own = bytes(self._own), bytearray()
        return own


async def stored_file(placed: PlacedEntry | None) -> AsyncGenerator[LayoutItem, None]:
    """Lay out one stored file, gzipped; an empty file where ``placed`` is None."""
    gzip = GzipAssembler()
    yield gzip.header()
    if placed and placed.entry.raw_size:
        yield run_of(placed)
        gzip.add(extent_of(placed.entry))
    yield gzip.finish()


async def document_file(data: bytes) -> AsyncGenerator[LayoutItem, None]:
    """Lay out one file from ``data``, gzipped."""
    gzip = GzipAssembler()
    yield gzip.header()
    for piece in _slices(data):
        yield gzip.plain(piece)
    yield gzip.finish()


def run_of(placed: PlacedEntry) -> ObjectRange:
    """Give the place of an entry's stored bytes."""
    return ObjectRange(placed.key, placed.entry.position, placed.entry.stored_size)


def extent_of(entry: Entry) -> Extent:
    """Give the lengths and the checksum of an entry's stored bytes."""
    return Extent(entry.raw_size, entry.stored_size, entry.crc32)


def cut_part(
    items: AsyncIterator[LayoutItem], *, start: int, length: int
) -> AsyncGenerator[LayoutItem, None]:
    """Cut ``length`` bytes from ``start`` on out of a file; stored runs outside of them are not read."""
    return cut_placed(_placed(items), start=start, length=length)


async def _placed(items: AsyncIterator[LayoutItem]) -> AsyncGenerator[tuple[int, LayoutItem], None]:
    at = 0
    async for item in items:
        yield at, item
        at += length_of(item)


async def cut_placed(
    items: AsyncIterator[tuple[int, LayoutItem]], *, start: int, length: int
) -> AsyncGenerator[LayoutItem, None]:
    """Cut ``length`` bytes from ``start`` on out of a file whose items come with their offsets.

    Items that are wholly before ``start`` may be missing.
    """
    end = start + length
    async for at, item in items:
        first, last = max(start - at, 0), min(end - at, length_of(item))
        if first < last:
            yield cut(item, first, last)
        if at + length_of(item) >= end:
            return


def _slices(data: bytes) -> Iterator[memoryview]:
    return (memoryview(data)[start : start + _PIECE] for start in range(0, len(data), _PIECE))
