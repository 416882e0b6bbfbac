"""Plans an archive: makes what precedes and follows the body of a snapshot, and all sums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.archive import writer as tar
from shared.manifest.format import ManifestFile
from shared.segments.assembler import GzipAssembler
from shared.segments.encoder import Extent
from shared.snapshots.body import LAYOUT
from shared.snapshots.models import Body

_PIECE = 1024 * 1024
_ETAG = 32
"""Hex digits of an entity tag."""


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file of the head: raw ``data``, or bytes as they are stored where ``extent`` says what they are.

    ``sha256`` is of the raw bytes of those.
    """

    name: str
    mtime: int
    data: bytes
    extent: Extent | None = None
    sha256: bytes | None = None

    @property
    def size(self) -> int:
        """Its raw bytes."""
        return self.extent.raw_length if self.extent else len(self.data)

    def describe(self) -> ManifestFile:
        """Describe it for the manifest of the archive."""
        digest = self.sha256 or hashlib.sha256(self.data).digest()
        return ManifestFile(name=self.name, sha256=digest.hex(), size=self.size)


@dataclass(frozen=True, slots=True)
class Ends:
    """All of an archive but its body; ``size`` and ``crc32`` are of the whole, the CRC of the raw bytes."""

    head: bytes
    tail: bytes
    size: int
    crc32: int


def plan_ends(files: Sequence[HeadFile], body: Body | None, *, root_mtime: int) -> Ends:
    """Make the head, with the root and the files, and the tail. The same arguments give the same bytes."""
    gzip = GzipAssembler()
    head = b"".join(_head(gzip, files, root_mtime))
    if body is not None:
        gzip.add(Extent(body.raw_size, body.size, body.crc32))
    tail = gzip.own(tar.end_of_archive(gzip.raw_length)) + gzip.finish()
    return Ends(head, tail, gzip.stored_length, gzip.crc32)


def _head(gzip: GzipAssembler, files: Sequence[HeadFile], root_mtime: int) -> Iterator[bytes]:
    yield gzip.header()
    own = tar.root_header(root_mtime)
    for file in files:
        yield gzip.own(own + tar.file_header(file.name, size=file.size, mtime=file.mtime))
        if file.extent is None:
            for start in range(0, len(file.data), _PIECE):
                yield gzip.own(file.data[start : start + _PIECE])
        else:
            yield file.data
            gzip.add(file.extent)
        own = tar.padding(file.size)
    yield gzip.own(own)


def etag_of(ends: Ends, body: Body | None, snapshot_id: int | None) -> str:
    """Give the entity tag. It depends on all that decides about the bytes, and on the layout's version."""
    numbers = (LAYOUT, snapshot_id or 0, body.size if body else 0, body.crc32 if body else 0, ends.crc32)
    digest = hashlib.sha256(" ".join(map(str, numbers)).encode())
    for part in (ends.head, ends.tail):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:_ETAG]
