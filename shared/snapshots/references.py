"""The branches and tags of a project, read from its bundle in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing

from shared.git.bundle_header import InvalidBundle
from shared.git.bundle_references import ReferenceReader, References
from shared.segments.inflater import SegmentInflater
from shared.snapshots.models import PlacedEntry
from shared.storage.base import ObjectStore

_INLINE = 64 * 1024


async def read_references(store: ObjectStore, bundle: PlacedEntry) -> References:
    """Read the header of the bundle and nothing after it, so that the checksum of the run is not verified.

    Raises InvalidBundle, TooManyReferences, CorruptSegment and StorageError.
    """
    entry = bundle.entry
    inflater = SegmentInflater(raw_length=entry.raw_size, crc32=entry.crc32)
    reader = ReferenceReader(entry.name)
    stored = store.read(bundle.key, start=entry.position, length=entry.stored_size)
    async with aclosing(stored) as chunks:
        async for chunk in chunks:
            if found := await _feed(reader, inflater, chunk):
                return found
    raise InvalidBundle(entry.name, "its header is cut off")


async def _feed(reader: ReferenceReader, inflater: SegmentInflater, chunk: bytes) -> References | None:
    if len(chunk) <= _INLINE:
        return _first(reader, inflater.feed(chunk))
    return await asyncio.to_thread(_first, reader, inflater.feed(chunk))


def _first(reader: ReferenceReader, pieces: Iterable[bytes]) -> References | None:
    """Feed piece after piece until the header has ended."""
    return next(filter(None, map(reader.feed, pieces)), None)
