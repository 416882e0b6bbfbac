"""Inflates a stored run, and verifies that it is what was stored."""

from __future__ import annotations

from collections.abc import Iterator

from isal import isal_zlib

from shared.errors import Fault, StorageError

PIECE = 256 * 1024
"""Raw bytes that the streaming form gives at a time, at most."""

_RAW_DEFLATE = -15
_FINAL_BLOCK = b"\x03\x00"


class CorruptSegment(StorageError):
    """The stored bytes are not those that were written; reading again gives the same."""

    code = "segment_corrupt"
    fault = Fault.REMOTE
    retryable = False

    def __init__(self, reason: str) -> None:
        super().__init__(f"corrupt segment: {reason}")
        self.reason = reason


def inflate(data: bytes | memoryview, *, raw_length: int, crc32: int) -> bytes:
    """Inflate one whole segment, in memory bounded by ``raw_length``. Raises CorruptSegment."""
    inflater = SegmentInflater(raw_length=raw_length, crc32=crc32, piece=raw_length + 1)
    pieces = list(inflater.feed(data))
    inflater.close()
    return b"".join(pieces)


class SegmentInflater:
    """The streaming form, for large blobs: feed the stored bytes in order, in pieces of any size, then close.

    Bytes that it gives are not verified before ``close``; it never gives more than ``raw_length``.
    """

    def __init__(self, *, raw_length: int, crc32: int, piece: int = PIECE) -> None:
        self._inflate = isal_zlib.decompressobj(_RAW_DEFLATE)
        self._piece = piece
        self._missing = raw_length
        self._expected_crc32 = crc32
        self._crc32 = 0
        self._fed = False

    def feed(self, stored: bytes | memoryview) -> Iterator[bytes]:
        """Give raw bytes, at most ``piece`` at a time; read it to the end before feeding more.

        Raises CorruptSegment as soon as the data cannot be right.
        """
        if not stored:
            return
        self._fed = True
        full = True
        while full:
            raw = self._step(stored)
            stored = self._inflate.unconsumed_tail
            full = len(raw) == self._piece
            if raw:
                yield raw
        if self._inflate.eof:
            raise CorruptSegment("it has a final block")

    def close(self) -> None:
        """Verify the length, the checksum, and that the run ends where a further block can begin."""
        if self._fed:
            self._end()
        if self._missing:
            raise CorruptSegment(f"{self._missing} raw bytes are missing")
        if self._crc32 != self._expected_crc32:
            raise CorruptSegment(f"CRC-32 is {self._crc32:08x}, not {self._expected_crc32:08x}")

    def _end(self) -> None:
        # Only a run that is whole, not final, and ends on a byte boundary makes a final block end it.
        if self._step(_FINAL_BLOCK) or not self._inflate.eof:
            raise CorruptSegment("it is cut off")

    def _step(self, stored: bytes | memoryview) -> bytes:
        try:
            raw: bytes = self._inflate.decompress(stored, self._piece)
        except isal_zlib.IsalError as error:  # type: ignore[misc]  # isal's stub calls it an instance
            raise CorruptSegment(str(error)) from error
        self._missing -= len(raw)
        if self._missing < 0:
            raise CorruptSegment("more raw bytes than were stored")
        self._crc32 = isal_zlib.crc32(raw, self._crc32)
        return raw
