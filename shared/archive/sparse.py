"""Maps of sparse files: GNU tar's old format, and its formats 0.0, 0.1 and 1.0 in PAX headers.

A map has stretches, each an offset in the file and a length. Their bytes follow one another in the archive;
what is between them, and behind the last one, is zeros (GNU tar manual, "Storing Sparse Files").
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from shared.archive.errors import BadSparseMap
from shared.archive.tar_header import BLOCK, parse_number

Numbers = Sequence[int]
"""Offsets and lengths in turn."""

_NUMBER = re.compile(rb"[0-9]{1,19}")
_LONGEST_LINE = 20
_END = 2**63

_PAIR, _FIELD = 24, 12
_IN_HEADER, _HEADER_MORE, _REAL_SIZE = slice(386, 482), 482, slice(483, 495)
_IN_EXTENSION, _EXTENSION_MORE = slice(0, 504), 504


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse:
    """What a header says of a sparse file: its ``size`` with all zeros, and its map.

    ``numbers`` is None where the map precedes the data. ``name`` is the file's own, where the entry has
    another one.
    """

    size: int
    numbers: Numbers | None
    name: bytes | None = None


def check_map(numbers: Numbers, *, size: int, stored: int, name: bytes) -> Numbers:
    """Give the numbers in 8 bytes each. They ascend within ``size`` and have ``stored`` bytes in all.

    Raises BadSparseMap.
    """
    position = total = 0
    for offset, length in zip(numbers[::2], numbers[1::2], strict=False):
        if offset < position or offset + length > size:
            raise BadSparseMap(name, "stretches that overlap or leave the file")
        position = offset + length
        total += length
    if len(numbers) % 2 or total != stored:
        raise BadSparseMap(name, f"{total} bytes for {stored}")
    return array("Q", numbers)


class PaxSparse:
    """Collects the ``GNU.sparse.*`` records of one PAX header, of which there are at most 1000."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._pairs: list[tuple[bytes, bytes]] = []

    def add(self, keyword: bytes, value: bytes) -> None:
        """Take a record; the keyword is without its prefix."""
        if keyword in (b"offset", b"numbytes"):
            self._pairs.append((keyword, value))
        else:
            self._values[keyword] = value

    def declared(self, name: bytes, most: int) -> Sparse | None:
        """Give what was declared, with a map of at most ``most`` stretches. Raises BadSparseMap."""
        if not self._values and not self._pairs:
            return None
        values = self._values
        real_name, size = values.get(b"name"), values.get(b"realsize", values.get(b"size"))
        if size is None:
            raise BadSparseMap(name, "no size")
        if b"major" in values:
            if (values[b"major"], values.get(b"minor")) != (b"1", b"0"):
                raise BadSparseMap(name, "an unknown version")
            return Sparse(size=_number(size, name), numbers=None, name=real_name)
        numbers = self._numbers(name, most)
        return Sparse(size=_number(size, name), numbers=numbers, name=real_name)

    def _numbers(self, name: bytes, most: int) -> Numbers:
        text = self._values.get(b"map")
        if text is None:
            keywords = [keyword for keyword, _ in self._pairs]
            if keywords != [b"offset", b"numbytes"] * (len(keywords) // 2):
                raise BadSparseMap(name, "an offset without a length")
            return [_number(value, name) for _, value in self._pairs]
        if text.count(b",") >= 2 * most:
            raise BadSparseMap(name, f"more than {most} stretches")
        return [_number(value, name) for value in text.split(b",")] if text else []


class OldSparse:
    """Collects the map of GNU tar's old format: 4 stretches in the header, 21 in each block after that."""

    def __init__(self, block: bytes, name: bytes, most: int) -> None:
        self._name = name
        self._most = most
        self._numbers = array("Q")
        self._size = _field(block[_REAL_SIZE], name)
        self._take(block[_IN_HEADER])
        self.goes_on = bool(block[_HEADER_MORE])
        """Whether another block extends the map."""

    def extend(self, block: bytes) -> None:
        """Take a block that extends the map. Raises BadSparseMap."""
        self._take(block[_IN_EXTENSION])
        self.goes_on = bool(block[_EXTENSION_MORE])

    def _take(self, pairs: bytes) -> None:
        for start in range(0, len(pairs), _PAIR):
            offset, length = pairs[start : start + _FIELD], pairs[start + _FIELD : start + _PAIR]
            if not length[0]:
                break
            self._numbers.extend((_field(offset, self._name), _field(length, self._name)))
        if len(self._numbers) > 2 * self._most:
            raise BadSparseMap(self._name, f"more than {self._most} stretches")

    @property
    def declared(self) -> Sparse:
        """What was declared, once nothing extends it any more."""
        return Sparse(size=self._size, numbers=self._numbers)


class DataMap:
    """Takes the map of format 1.0, which precedes the data: lines with a count, then offsets and lengths.

    It fills whole blocks, and has at most ``most`` stretches, for each of which 40 bytes are held.
    """

    def __init__(self, name: bytes, most: int) -> None:
        self._name = name
        self._most = most
        self._text = bytearray()
        self._lines = 0  # unknown before the first line
        self._seen = 0
        self.numbers: Numbers | None = None
        """The numbers, once they are complete."""

    @property
    def length(self) -> int:
        """Bytes of the blocks that were taken."""
        return len(self._text)

    def take(self, data: bytes) -> int:
        """Take the next bytes, up to the end of the map; give how many these are. Raises BadSparseMap."""
        start = 0
        while self.numbers is None and start < len(data):
            piece = data[start : start + BLOCK - len(self._text) % BLOCK]
            start += len(piece)
            self._text += piece
            self._seen += piece.count(b"\n")
            if len(self._text) % BLOCK == 0:
                self._end_block()
        return start

    def _end_block(self) -> None:
        if not self._lines:
            count, newline, _ = self._text.partition(b"\n")
            stretches = _number(bytes(count[:_LONGEST_LINE]), self._name)
            if not newline or stretches > self._most:
                raise BadSparseMap(self._name, f"more than {self._most} stretches")
            self._lines = 1 + 2 * stretches
        if self._seen >= self._lines:
            lines = self._text.split(b"\n", self._lines)
            self.numbers = [_number(bytes(line), self._name) for line in lines[1 : self._lines]]
        elif len(self._text) > _LONGEST_LINE * self._lines + BLOCK:
            raise BadSparseMap(self._name, "a line that is too long")


def _number(text: bytes, name: bytes) -> int:
    value = int(text) if _NUMBER.fullmatch(text) else _END
    if value >= _END:
        raise BadSparseMap(name, "a malformed number")
    return value


def _field(field: bytes, name: bytes) -> int:
    try:
        value = parse_number(field)
    except ValueError:
        value = -1
    if not 0 <= value < _END:
        raise BadSparseMap(name, "a malformed number")
    return value
