"""Lays out the body of an archive while its entries are stored, in the order in which they come.

The tar headers and the padding of small files lie in the pack, around their bytes, so that a run of the pack
is ready bytes of the archive. What is known only after the bytes (the size of a relation), or is not the same
for all who share an object (the name of a large blob), is the lead of a run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from shared.archive import writer as tar
from shared.archive.tar_header import BLOCK
from shared.segments.encoder import NOTHING, Extent, SegmentEncoder
from shared.snapshots.models import Body, BodyRun

LAYOUT = 1
"""The version of the layout; another one gives other bytes for the same entries."""

AddRun = Callable[[BodyRun], Awaitable[None]]
"""Takes the runs of a body, in order."""

_LONGEST_LEAD = 64 * 1024
"""Raw bytes that wait at most: headers of directories and of empty files."""


@dataclass(frozen=True, slots=True)
class Header:
    """What precedes the bytes of a file in the pack; ``directories`` are raw headers that are part of it."""

    stored: bytes
    extent: Extent
    directories: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of an object, and what it inflates to."""

    object_id: int | None
    position: int
    extent: Extent


_NOWHERE = Place(None, 0, NOTHING)


class BodyWriter:
    """Lays out one body. Memory: 64 KiB, as runs go out as soon as they end."""

    def __init__(self, add: AddRun) -> None:
        self._add = add
        self._encoder = SegmentEncoder()
        self._whole = NOTHING
        self._open = _NOWHERE
        self._waiting = bytearray()

    async def directory(self, name: str, mtime: int) -> None:
        """Add a directory; its header waits for the next file."""
        await self._wait(tar.directory_header(name, mtime))

    def header(self, name: str, mtime: int, *, size: int) -> Header:
        """Give what precedes a file in the pack: the directories that wait, and its header."""
        directories, self._waiting = bytes(self._waiting), bytearray()
        return Header(
            *self._encoder.encode(directories + tar.file_header(name, size=size, mtime=mtime)), directories
        )

    def take_back(self, header: Header) -> None:
        """Let the directories of a header wait again, as its file was left out."""
        self._waiting[:0] = header.directories

    def padding(self, size: int) -> tuple[bytes, Extent]:
        """Give what follows a file of ``size`` raw bytes."""
        return _encoded_zeros(len(tar.padding(size)))

    async def extend(self, place: Place) -> None:
        """Add a stretch of the pack that has whole files, with their headers and their padding."""
        before = self._open
        joins = before.object_id == place.object_id and _end(before) == place.position
        if joins and not self._waiting:
            self._open = Place(before.object_id, before.position, before.extent.then(place.extent))
            return
        await self._add_waiting()
        self._open = place

    async def add(self, name: str, mtime: int, place: Place, *, padding: Extent = NOTHING) -> None:
        """Add a file whose header is no part of the stretch; ``padding`` is what the stretch has after it.

        Without that, a lead of its own has the padding.
        """
        size = place.extent.raw_length
        lead, extent = self._encoder.encode(
            tar.file_header(name, size=size - padding.raw_length, mtime=mtime)
        )
        await self._add_waiting()
        await self._add_run(name, lead, place, extent.then(place.extent))
        if not padding.raw_length and size % BLOCK:
            stored, extent = self.padding(size)
            await self._add_run(name, stored, _NOWHERE, extent)

    async def append(self, name: str, mtime: int, place: Place) -> None:
        """Add a file that nothing will leave out, with a stretch that is nothing but its bytes."""
        size = place.extent.raw_length
        header = tar.file_header(name, size=size, mtime=mtime)
        if not size:
            await self._wait(header)
            return
        await self._end_run()
        before, self._waiting = bytes(self._waiting), bytearray(tar.padding(size))
        lead, extent = self._encoder.encode(before + header)
        await self._add_run(None, lead, place, extent.then(place.extent))

    async def copy(self, run: BodyRun) -> None:
        """Add a run of another body."""
        await self._end_run()
        place = Place(run.object_id, run.position, Extent(0, run.size, 0))
        await self._add_run(run.name, run.lead, place, Extent(run.raw_size, run.length, run.crc32))

    async def finish(self, *, entries: int, document: bytes | None) -> Body:
        """End the body; it is of a snapshot with so many entries."""
        await self._add_waiting()
        await self._end_run()
        whole = self._whole
        return Body(
            layout=LAYOUT, size=whole.stored_length, raw_size=whole.raw_length, crc32=whole.crc32,
            entries=entries, document=document,
        )  # fmt: skip

    async def _wait(self, raw: bytes) -> None:
        """Let raw bytes wait for the next lead or header."""
        self._waiting += raw
        if len(self._waiting) > _LONGEST_LEAD:
            await self._add_waiting()

    async def _add_waiting(self) -> None:
        await self._end_run()
        if self._waiting:
            raw, self._waiting = bytes(self._waiting), bytearray()
            lead, extent = self._encoder.encode(raw)
            await self._add_run(None, lead, _NOWHERE, extent)

    async def _end_run(self) -> None:
        place, self._open = self._open, _NOWHERE
        if place.object_id is not None:
            await self._add_run(None, b"", place, place.extent)

    async def _add_run(self, name: str | None, lead: bytes, place: Place, extent: Extent) -> None:
        run = BodyRun(
            start=self._whole.stored_length, name=name, lead=lead, object_id=place.object_id,
            position=place.position, size=place.extent.stored_length, raw_size=extent.raw_length,
            crc32=extent.crc32,
        )  # fmt: skip
        self._whole = self._whole.then(extent)
        await self._add(run)


class NoBody:
    """Lays out nothing: entries that are in no body, and snapshots that requests write."""

    async def directory(self, name: str, mtime: int) -> None:
        """See BodyWriter."""

    def header(self, name: str, mtime: int, *, size: int) -> Header:  # noqa: ARG002  # see BodyWriter
        """See BodyWriter."""
        return Header(b"", NOTHING, b"")

    def take_back(self, header: Header) -> None:
        """See BodyWriter."""

    def padding(self, size: int) -> tuple[bytes, Extent]:  # noqa: ARG002  # see BodyWriter
        """See BodyWriter."""
        return b"", NOTHING

    async def extend(self, place: Place) -> None:
        """See BodyWriter."""

    async def add(self, name: str, mtime: int, place: Place, *, padding: Extent = NOTHING) -> None:
        """See BodyWriter."""


@cache
def _encoded_zeros(length: int) -> tuple[bytes, Extent]:
    """Encode padding, of which there are 512 lengths."""
    return SegmentEncoder().encode(bytes(length))


def _end(place: Place) -> int:
    return place.position + place.extent.stored_length
