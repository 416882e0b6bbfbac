"""Splits a stream into lines, byte for byte, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OverlongLine:
    """Replaces a line over the limit, whose bytes are not kept. ``length`` is without the newline."""

    length: int


@dataclass(frozen=True, slots=True)
class BlankLines:
    """Replaces ``count`` lines, one after another, of white space alone. Their bytes are not kept."""

    count: int


Line: TypeAlias = bytes | OverlongLine | BlankLines


class LineSplitter:
    r"""Splits chunks of any size at each ``\n`` and nothing else.

    ``limit`` is the bytes of a line without its newline. It holds the chunk, and one unfinished line of at
    most ``limit`` bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begun = BytesIO()
        self._length = 0

    @property
    def waiting(self) -> int:
        """Bytes of the line that has begun."""
        return self._length

    def feed(self, chunk: bytes) -> Iterator[Line]:
        r"""Give the lines that ``chunk`` ends, each with its ``\n``; read them all before feeding more.

        Blank lines come as one for all that follow one another in the chunk.
        """
        blank = 0
        for piece in BytesIO(chunk):
            if not piece.endswith(b"\n"):
                self._begin(piece)
                continue
            line = self._end(piece)
            if isinstance(line, bytes) and line.isspace():
                blank += 1
                continue
            if blank:
                yield BlankLines(blank)
                blank = 0
            yield line
        if blank:
            yield BlankLines(blank)

    def close(self) -> Iterator[Line]:
        """Give the last line, where the stream did not end with a newline."""
        if self._length:
            line = self._finish(b"", newline=0)
            yield BlankLines(1) if isinstance(line, bytes) and line.isspace() else line

    def _end(self, piece: bytes) -> bytes | OverlongLine:
        if self._length or len(piece) > self._limit + 1:
            return self._finish(piece, newline=1)
        return piece

    def _begin(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length <= self._limit:
            self._begun.write(piece)
        else:
            self._begun = BytesIO()

    def _finish(self, piece: bytes, *, newline: int) -> bytes | OverlongLine:
        length = self._length + len(piece) - newline
        begun, self._begun, self._length = self._begun, BytesIO(), 0
        if length > self._limit:
            return OverlongLine(length)
        begun.write(piece)
        # The buffer hands out its own bytes: a line of 50 MiB is not copied again.
        return begun.getvalue()
