"""Inflates gzip (RFC 1952) in steps.

Header and trailer are parsed here, and ISA-L gets the raw deflate data only: its own gzip reader misreads
headers with several optional fields that arrive in pieces.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from isal import isal_zlib

from shared.archive.errors import CorruptGzip, GarbageAfterStream, NotGzip
from shared.archive.signatures import describe

STEP = 256 * 1024
"""Bytes inflated at a time, at most: what a bomb can cost before the limit is checked.

Twice as many left holes in the heap that nothing else fits into: 10 to 18 MiB more at the peak of an import.
"""

_SLICE = 256 * 1024
"""Bytes given to the inflater at a time. It copies what it did not use, so this bounds each copy."""

_MAGIC = b"\x1f\x8b\x08"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0
_FIXED = 10
_TRAILER = 8
_MARGIN = b"\0\t\n\r "
"""What may follow the last member: tapes leave zeros, gateways of mail and FTP line ends."""
_MAX_HEADER = 128 * 1024
_RAW_DEFLATE = -15


def header_length(head: bytes) -> int | None:
    """Give the length of the member header with which ``head`` begins; None while it is incomplete.

    Raises ValueError with the reason where it is not a header.
    """
    if len(head) < _FIXED:
        return None
    flags = head[3]
    if flags & _RESERVED:
        raise ValueError("reserved flags are set")
    end = _FIXED
    if flags & _FEXTRA:
        end += 2 + int.from_bytes(head[end : end + 2], "little")
    for text in (_FNAME, _FCOMMENT):
        if flags & text:
            terminator = head.find(0, end)
            if terminator < 0:
                return None
            end = terminator + 1
    if flags & _FHCRC:
        end += 2
    if len(head) < end:
        return None
    if flags & _FHCRC and int.from_bytes(head[end - 2 : end], "little") != _crc16(head[: end - 2]):
        raise ValueError("wrong header checksum")
    return end


def _crc16(head: bytes) -> int:
    return isal_zlib.crc32(head) & 0xFFFF


class GzipReader:
    """Takes compressed bytes, in pieces of any size, and gives tar bytes, in steps of 1 to ``STEP`` bytes.

    Members may follow one another; any number of zeros and white space may follow the last one. None of that
    is held.
    """

    def __init__(self) -> None:
        self.compressed = 0
        """Bytes fed."""
        self.decompressed = 0
        """Bytes yielded."""
        self._members = 0
        self._header = b""
        self._trailer = b""
        self._inflater: isal_zlib.Decompress | None = None
        self._crc = 0
        self._size = 0
        self._in_margin = False

    @property
    def complete(self) -> bool:
        """Whether the stream may end here: after a member whose checksum was right."""
        return self._members > 0 and self._inflater is None and not self._header

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Inflate, lazily; read it to the end before the next ``feed``. Raises StreamError."""
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            rest = view[start : start + _SLICE]
            self.compressed += len(rest)
            while rest:
                if self._in_margin:
                    rest = self._skip_margin(rest)
                elif self._inflater is None:
                    rest = self._read_header(rest)
                elif self._inflater.eof:
                    rest = self._read_trailer(rest)
                else:
                    rest = yield from self._inflate(rest, self._inflater)

    def _skip_margin(self, data: memoryview) -> memoryview:
        if bytes(data).strip(_MARGIN):
            raise GarbageAfterStream
        return data[:0]

    def _read_header(self, data: memoryview) -> memoryview:
        known = len(self._header)
        if not known and self._members and data[0] in _MARGIN:
            self._in_margin = True
            return data
        self._header += data
        if not _MAGIC.startswith(self._header[: len(_MAGIC)]):
            # What it is shows in the first piece: of a stream that comes in small ones it may stay unknown.
            raise GarbageAfterStream if self._members else NotGzip(describe(self._header))
        try:
            length = header_length(self._header)
        except ValueError as error:
            raise self._corrupt(str(error)) from None
        if length is None:
            if len(self._header) > _MAX_HEADER:
                raise self._corrupt("endless header")
            return data[:0]
        self._header = b""
        self._inflater = isal_zlib.decompressobj(_RAW_DEFLATE)
        self._crc = self._size = 0
        return data[length - known :]

    def _inflate(
        self, data: memoryview, inflater: isal_zlib.Decompress
    ) -> Generator[bytes, None, memoryview]:
        """Inflate until the data or the member ends; give the bytes after the member."""
        source: memoryview | bytes = data
        while True:
            try:
                step = inflater.decompress(source, STEP)
            except isal_zlib.error as error:  # type: ignore[misc]  # its stub says an instance
                raise self._corrupt(str(error)) from None
            if step:
                self._crc = isal_zlib.crc32(step, self._crc)
                self._size += len(step)
                self.decompressed += len(step)
                yield step
            if inflater.eof:
                return memoryview(inflater.unused_data)
            source = inflater.unconsumed_tail
            # A full step may have left more inside the inflater although it took all of its input.
            if not source and len(step) < STEP:
                return data[:0]

    def _read_trailer(self, data: memoryview) -> memoryview:
        known = len(self._trailer)
        self._trailer += data[: _TRAILER - known]
        if len(self._trailer) == _TRAILER:
            if int.from_bytes(self._trailer[:4], "little") != self._crc:
                raise self._corrupt("wrong checksum")
            if int.from_bytes(self._trailer[4:], "little") != self._size & 0xFFFFFFFF:
                raise self._corrupt("wrong length")
            self._trailer, self._inflater = b"", None
            self._members += 1
        return data[_TRAILER - known :]

    def _corrupt(self, what: str) -> CorruptGzip:
        return CorruptGzip(what, offset=self.decompressed)
