"""Checksums of stored bytes: a CRC-32 of each MiB of an object, taken while it is written."""

from __future__ import annotations

from isal import isal_zlib

BLOCK = 1024 * 1024
"""Bytes of an object that have one checksum; the last block is shorter."""

WIDTH = 4
"""Bytes of a checksum, big-endian."""


def checksum(block: bytes | bytearray | memoryview) -> bytes:
    """Give the checksum of a whole block."""
    return isal_zlib.crc32(block).to_bytes(WIDTH, "big")


class BlockChecksums:
    """Takes the bytes of an object in pieces of any size, in order."""

    def __init__(self) -> None:
        self._ended = bytearray()
        self._crc32 = 0
        self._length = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        view = memoryview(data).cast("B")
        while view:
            piece = view[: BLOCK - self._length]
            self._crc32 = isal_zlib.crc32(piece, self._crc32)
            self._length += len(piece)
            view = view[len(piece) :]
            if self._length == BLOCK:
                self._end_block()

    def digest(self) -> bytes:
        """Give the checksums of all blocks so far, one after another."""
        last = self._crc32.to_bytes(WIDTH, "big") if self._length else b""
        return bytes(self._ended) + last

    def _end_block(self) -> None:
        self._ended += self._crc32.to_bytes(WIDTH, "big")
        self._crc32 = self._length = 0
