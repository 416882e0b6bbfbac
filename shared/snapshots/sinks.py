"""The sinks of a snapshot: each takes the bytes of one entry, and hashes, encodes, stores and counts them.

A sink ends by ``commit``, which writes the row of the entry, or by ``abort``, which writes none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

from shared.database.pool import Pool
from shared.ledger import objects
from shared.segments.encoder import NOTHING, BlobEncoder, Extent, RawCounter, SegmentEncoder
from shared.shielding import work_through
from shared.snapshots.body import BodyWriter, Header, NoBody, Place
from shared.snapshots.models import Entry, EntryKind, Segment
from shared.snapshots.pack import Pack
from shared.snapshots.quarantine import QuarantinedLine
from shared.snapshots.rows import Rows
from shared.storage.base import ObjectStore

SEGMENT_SIZE = 1024 * 1024
"""Raw bytes of whole lines in a segment of a relation; a longer line is a segment of its own."""

BodyLayout = BodyWriter | NoBody
"""Where an entry has its place in archives."""


class LineSink(Protocol):
    """Takes a relation, line by line."""

    async def write(self, lines: Sequence[bytes], *, records: bool = True) -> None:
        """Take whole lines; only ``records`` are counted."""

    async def refuse(self, lines: Sequence[QuarantinedLine]) -> None:
        """Put lines into the quarantine."""

    async def commit(self) -> None:
        """End the relation, and write its entry."""


class RelationSink:
    """Stores the lines of one relation in segments. It holds at most 1 MiB of lines, or one longer line."""

    def __init__(self, name: str, mtime: int, *, pack: Pack, rows: Rows, body: BodyLayout) -> None:
        self._name = name
        self._mtime = mtime
        self._pack = pack
        self._rows = rows
        self._body = body
        self._encoder = SegmentEncoder()
        self._digest = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._waiting_records = 0
        self._lines = 0
        self._whole = NOTHING
        self._position: int | None = None  # unknown before the first segment

    async def write(self, lines: Sequence[bytes], *, records: bool = True) -> None:
        """Take lines, each with its newline where it has one; only ``records`` are counted."""
        for line in lines:
            if self._waiting_size + len(line) > SEGMENT_SIZE:
                await self._end_segment()
            self._waiting.append(line)
            self._waiting_size += len(line)
            self._waiting_records += records

    async def refuse(self, lines: Sequence[QuarantinedLine]) -> None:
        """See LineSink."""
        await self._rows.quarantine(lines)

    async def commit(self) -> None:
        """Write the entry; without it the relation has none."""
        await self._end_segment()
        object_id = self._pack.object_id if self._whole.raw_length else None
        place = Place(object_id, self._position or 0, self._whole)
        await self._rows.add(
            Entry(
                name=self._name, kind=EntryKind.RELATION, mtime=self._mtime,
                object_id=place.object_id, position=place.position, stored_size=self._whole.stored_length,
                raw_size=self._whole.raw_length, crc32=self._whole.crc32,
                sha256=self._digest.digest(), lines=self._lines,
            )
        )  # fmt: skip
        stored, padding = self._body.padding(self._whole.raw_length)
        await self._pack.append(stored)
        place = replace(place, extent=self._whole.then(padding))
        await self._body.add(self._name, self._mtime, place, padding=padding)

    async def _end_segment(self) -> None:
        if not self._waiting:
            return
        lines, self._waiting, self._waiting_size = self._waiting, [], 0
        records, self._waiting_records = self._waiting_records, 0
        if self._position is None:
            await self._pack.begin()
            self._position = self._pack.size
        position = self._pack.size
        extent = await self._encode(b"".join(lines))
        await self._rows.add(
            Segment(
                name=self._name, first_line=self._lines, lines=records, position=position,
                stored_size=extent.stored_length, raw_size=extent.raw_length, crc32=extent.crc32,
            )
        )  # fmt: skip
        self._lines += records
        self._whole = self._whole.then(extent)

    async def _encode(self, raw: bytes) -> Extent:
        view = memoryview(raw)
        for start in range(0, len(view), SEGMENT_SIZE):
            part = view[start : start + SEGMENT_SIZE]
            await self._pack.append(await work_through(part, self._write))
        rest, extent = self._encoder.end()
        await self._pack.append(rest)
        return extent

    def _write(self, part: bytes | memoryview) -> bytes:
        self._digest.update(part)
        return self._encoder.write(part)


class BlobSink(Protocol):
    """Takes the bytes of one blob, by two steps in turn."""

    def encode(self, data: bytes) -> bytes:
        """Take the next bytes, and give the stored bytes that are ready. May run on a thread."""

    async def place(self, stored: bytes) -> None:
        """Store what the last ``encode`` gave."""

    async def commit(self, sha256: bytes) -> None:
        """Write the entry; ``sha256`` is the digest of all bytes, which the caller has computed."""

    async def abort(self) -> None:
        """Write no entry; the bytes are not kept."""


class PackedBlob:
    """A small blob of ``size`` raw bytes: a run of the pack, between its tar header and its padding.

    ``encoder`` is for one blob after another: to make one costs 10 us. ``keep`` is called with the stored
    bytes.
    """

    def __init__(  # what is known of a blob before its bytes
        self, name: str, mtime: int, *, size: int, pack: Pack, rows: Rows, body: BodyLayout,
        encoder: BlobEncoder, keep: Callable[[bytes], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._name = name
        self._mtime = mtime
        self._size = size
        self._pack = pack
        self._rows = rows
        self._body = body
        self._keep = keep
        self._header: Header | None = None
        self._begin = 0
        self._encoder = encoder

    def encode(self, data: bytes) -> bytes:
        """See BlobSink."""
        return self._encoder.write(data)

    async def place(self, stored: bytes) -> None:
        """See BlobSink."""
        if stored:
            await self._write_header()
            await self._pack.append(stored)
            self._keep(stored)

    async def _write_header(self) -> Header:
        if self._header is None:
            await self._pack.begin()
            self._begin = self._pack.size
            self._header = self._body.header(self._name, self._mtime, size=self._size)
            await self._pack.append(self._header.stored)
        return self._header

    async def commit(self, sha256: bytes) -> None:
        """Write the entry."""
        rest, extent = self._encoder.end()
        await self.place(rest)
        header = await self._write_header()
        stored, padding = self._body.padding(extent.raw_length)
        await self._pack.append(stored)
        object_id = self._pack.object_id if extent.raw_length else None
        await self._rows.add(
            Entry(
                name=self._name, kind=EntryKind.BLOB, mtime=self._mtime, object_id=object_id,
                position=self._begin + header.extent.stored_length if extent.raw_length else 0,
                stored_size=extent.stored_length, raw_size=extent.raw_length, crc32=extent.crc32,
                sha256=sha256,
            )
        )  # fmt: skip
        whole = header.extent.then(extent).then(padding)
        await self._body.extend(Place(self._pack.object_id, self._begin, whole))

    async def abort(self) -> None:
        """Write no entry; what is in the pack stays there, and no entry and no run names it."""
        self._encoder.end()  # it begins the next blob
        if self._header:
            self._body.take_back(self._header)


class LargeBlob:
    """A blob in an object of its own; blobs of the same SHA-256, of their raw bytes, share one object."""

    def __init__(  # what is known of a blob before its bytes
        self, name: str, mtime: int, *, pool: Pool, store: ObjectStore, rows: Rows, body: BodyLayout
    ) -> None:
        self._name = name
        self._mtime = mtime
        self._pool = pool
        self._store = store
        self._rows = rows
        self._body = body
        self._encoder = BlobEncoder()
        self._resources = AsyncExitStack()

    async def open(self) -> None:
        """Register the object, and begin its upload."""
        self._named = await objects.register(self._pool, kind="blob")
        await self._resources.enter_async_context(objects.keep_touched(self._pool, self._named.id))
        self._writer = await self._resources.enter_async_context(self._store.create(self._named.key))

    def encode(self, data: bytes) -> bytes:
        """See BlobSink."""
        return self._encoder.write(data)

    async def place(self, stored: bytes) -> None:
        """See BlobSink."""
        if stored:
            await self._writer.write(stored)

    async def commit(self, sha256: bytes) -> None:
        """Commit the object, or take the stored one that has the same digest; then write the entry."""
        rest, extent = self._encoder.end()
        await self.place(rest)
        blob = await objects.find_blob(self._pool, sha256)
        if blob is None:
            size = await self._writer.commit()
            blob = await objects.record_blob(
                self._pool, self._named, size=size, sha256=sha256, crc32s=self._writer.crc32s
            )
        else:
            await self.abort()
        await _refer(self._rows, blob, name=self._name, mtime=self._mtime, extent=extent, sha256=sha256)
        await self._body.add(self._name, self._mtime, _place_of(blob, extent))
        await self._resources.aclose()

    async def abort(self) -> None:
        """Write no entry; abort the upload, and collect its object."""
        await self.abort_upload()
        await objects.collect(self._pool, self._store, self._named, is_aborted=True)

    async def abort_upload(self) -> None:
        """Abort the upload where it is not committed; the collector removes its row. May be repeated."""
        await self._resources.aclose()


class KnownBlob:
    """A blob whose digest is that of a stored one: its bytes are only counted, for whoever verifies them."""

    def __init__(self, name: str, mtime: int, *, pool: Pool, rows: Rows, body: BodyLayout) -> None:
        self._name = name
        self._mtime = mtime
        self._pool = pool
        self._rows = rows
        self._body = body
        self._counter = RawCounter()

    def encode(self, data: bytes) -> bytes:
        """Count the next bytes."""
        return self._counter.write(data)

    async def place(self, stored: bytes) -> None:
        """Store nothing."""

    async def commit(self, sha256: bytes) -> None:
        """Write the entry. Raises BlobVanished where the stored blob was collected meanwhile."""
        blob = await objects.find_blob(self._pool, sha256)
        if blob is None:
            raise objects.BlobVanished(self._name)
        _, extent = self._counter.end()
        await _refer(self._rows, blob, name=self._name, mtime=self._mtime, extent=extent, sha256=sha256)
        await self._body.add(self._name, self._mtime, _place_of(blob, extent))

    async def abort(self) -> None:
        """Write no entry."""


async def _refer(
    rows: Rows, blob: objects.StoredBlob, *, name: str, mtime: int, extent: Extent, sha256: bytes
) -> None:
    """Write the row of an entry that is a stored blob."""
    await rows.add(
        Entry(
            name=name, kind=EntryKind.BLOB, mtime=mtime, object_id=blob.object_id, stored_size=blob.size,
            raw_size=extent.raw_length, crc32=extent.crc32, sha256=sha256,
        )
    )  # fmt: skip
    # At once, not with the batch: only a row of entries refers to the blob. A blob that was found is
    # touched for the grace time alone, and the batch may take longer than that.
    await rows.flush()


def _place_of(blob: objects.StoredBlob, extent: Extent) -> Place:
    """Give the place of a stored blob, which another version may have encoded to another length."""
    return Place(blob.object_id, 0, extent._replace(stored_length=blob.size))
