"""Assembles segments into one ordinary gzip member (RFC 1952), without inflating them."""

from __future__ import annotations

from struct import Struct

from isal import isal_zlib

from shared.segments.encoder import NOTHING, Extent, SegmentEncoder, stored_blocks

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no flags, no time stamp, system unknown: the same bytes every time."""

_FINAL_BLOCK = b"\x03\x00"
"""An empty block of fixed codes with the final bit set, then padding to the byte."""

_TRAILER = Struct("<II")


class GzipAssembler:
    """Accounts for one gzip file while its caller writes it front to back.

    Call ``header`` once, then ``own``, ``plain`` and ``add`` in the order of the bytes, then ``finish`` once.
    Each gives the bytes to write now, except ``add``, whose bytes the caller has (or copies in storage). The
    same calls always give the same bytes.
    """

    def __init__(self) -> None:
        self._encoder = SegmentEncoder()
        self._whole = NOTHING

    @property
    def raw_length(self) -> int:
        """Bytes that the file inflates to, so far."""
        return self._whole.raw_length

    @property
    def stored_length(self) -> int:
        """Bytes of the file itself so far, the gzip header and trailer among them."""
        return self._whole.stored_length

    @property
    def crc32(self) -> int:
        """The CRC-32 of those raw bytes."""
        return self._whole.crc32

    def header(self) -> bytes:
        """Begin the file."""
        return self._put(_HEADER)

    def own(self, data: bytes) -> bytes:
        """Encode bytes that are in no stored segment (tar headers, padding)."""
        stored, extent = self._encoder.encode(data)
        self.add(extent)
        return stored

    def plain(self, data: bytes | memoryview) -> bytes:
        """Give bytes that are in no stored segment in blocks that are not deflated.

        They are the same whatever deflates elsewhere: for files that several processes give parts of.
        """
        stored = stored_blocks(data)
        self.add(Extent(len(data), len(stored), isal_zlib.crc32(data)))
        return stored

    def add(self, extent: Extent) -> None:
        """Account for a whole stored run that the caller writes here."""
        self._whole = self._whole.then(extent)

    def finish(self) -> bytes:
        """End the file: ISIZE is the raw length modulo 2**32."""
        return self._put(_FINAL_BLOCK + _TRAILER.pack(self._whole.crc32, self._whole.raw_length % 2**32))

    def _put(self, data: bytes) -> bytes:
        self.add(Extent(0, len(data), 0))
        return data
