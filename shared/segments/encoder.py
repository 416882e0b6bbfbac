"""Encodes bytes as segments: deflate, or stored blocks where deflate does not pay (RFC 1951)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from isal import isal_zlib

LOOK = 256 * 1024
"""Bytes of a blob that are examined before its encoding is chosen; at most these are held."""

_LEVEL = 1
_RAW_DEFLATE = -15
_BLOCK_MAX = 0xFFFF
_BLOCK_HEADER = Struct("<BHH")


class Extent(NamedTuple):
    """The lengths of an encoded run, before and after encoding, and the CRC-32 of the raw bytes."""

    raw_length: int
    stored_length: int
    crc32: int

    def then(self, other: Extent) -> Extent:
        """Give the extent of this run followed directly by ``other``."""
        return Extent(
            self.raw_length + other.raw_length,
            self.stored_length + other.stored_length,
            isal_zlib.crc32_combine(self.crc32, other.crc32, other.raw_length),
        )


NOTHING = Extent(0, 0, 0)


class _Counter:
    """Counts what a run has so far."""

    __slots__ = ("_crc32", "_stored", "raw")

    def __init__(self) -> None:
        self.raw = self._stored = self._crc32 = 0

    def add(self, raw: bytes | memoryview, stored: bytes) -> None:
        self.raw += len(raw)
        self._stored += len(stored)
        self._crc32 = isal_zlib.crc32(raw, self._crc32)

    def end(self) -> Extent:
        """Give the extent of the run, and begin the next one."""
        extent = Extent(self.raw, self._stored, self._crc32)
        self.raw = self._stored = self._crc32 = 0
        return extent


class SegmentEncoder:
    """Deflates one segment after another. A full flush clears all history, so that each inflates alone."""

    def __init__(self) -> None:
        self._deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)
        self._counter = _Counter()

    def write(self, data: bytes | memoryview) -> bytes:
        """Take any number of raw bytes; give the stored bytes that are ready, often none."""
        stored: bytes = self._deflate.compress(data)
        self._counter.add(data, stored)
        return stored

    def end(self) -> tuple[bytes, Extent]:
        """End the segment: give its remaining stored bytes, and its extent. The next one may begin.

        A segment without raw bytes has no stored bytes either.
        """
        if not self._counter.raw:
            return b"", NOTHING
        stored: bytes = self._deflate.flush(isal_zlib.Z_FULL_FLUSH)
        self._counter.add(b"", stored)
        return stored, self._counter.end()

    def encode(self, data: bytes | memoryview) -> tuple[bytes, Extent]:
        """Give raw bytes as one whole segment, and its extent. No other may have begun."""
        stored = self.write(data)
        rest, extent = self.end()
        return stored + rest, extent


class BlobEncoder:
    """Encodes one blob after another, each by deflate where its first ``LOOK`` bytes show that it pays.

    It pays where those bytes shrink to 90 % or less. Otherwise the whole blob becomes stored blocks, which
    cost 5 bytes in 65535: most blobs are compressed already (git packs, images).
    """

    def __init__(self) -> None:
        self._segments = SegmentEncoder()
        self._look = bytearray()
        self._encode: Callable[[bytes | memoryview], bytes] | None = None
        self._counter = _Counter()

    def write(self, data: bytes | memoryview) -> bytes:
        """Take any number of raw bytes; give the stored bytes that are ready."""
        if self._encode:
            return self._count(data, self._encode(data))
        view = memoryview(data)
        missing = LOOK - len(self._look)
        self._look += view[:missing]
        if len(self._look) < LOOK:
            return b""
        return b"".join((self._decide(), self.write(view[missing:])))

    def end(self) -> tuple[bytes, Extent]:
        """End the blob: give its remaining stored bytes, and its extent. The next one may begin."""
        stored = self._decide() if self._look else b""
        rest, _ = self._segments.end()
        self._count(b"", rest)
        self._encode = None
        return stored + rest, self._counter.end()

    def _decide(self) -> bytes:
        look, self._look = bytes(self._look), bytearray()
        deflated, _ = self._segments.encode(look)
        if len(deflated) * 10 <= len(look) * 9:
            self._encode = self._segments.write
            return self._count(look, deflated)
        self._encode = stored_blocks
        return self._count(look, stored_blocks(look))

    def _count(self, raw: bytes | memoryview, stored: bytes) -> bytes:
        self._counter.add(raw, stored)
        return stored


class RawCounter:
    """An encoder for a run whose stored bytes are there already: it gives none, and counts raw ones."""

    def __init__(self) -> None:
        self._counter = _Counter()

    def write(self, data: bytes | memoryview) -> bytes:
        """Take any number of raw bytes."""
        self._counter.add(data, b"")
        return b""

    def end(self) -> tuple[bytes, Extent]:
        """End the run: nothing, and its extent."""
        return b"", self._counter.end()


def stored_blocks(data: bytes | memoryview) -> bytes:
    """Give ``data`` in non-final stored blocks: a 5-byte header before each run of up to 65535 bytes."""
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    for start in range(0, len(view), _BLOCK_MAX):
        block = view[start : start + _BLOCK_MAX]
        pieces += (_BLOCK_HEADER.pack(0, len(block), len(block) ^ 0xFFFF), block)
    return b"".join(pieces)
