"""One 512-byte tar header, as POSIX ustar, GNU tar and the v7 tar before them wrote it."""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import adler32

from shared.archive.errors import BadNumber

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)

MTIME_MAX = 0o77777777777
"""The last second that eleven octal digits can express; later times are lowered to it."""

_FIELDS = struct.Struct("100s24x12s12s8sc100x6s82x155s12x")
_CHECKSUM = slice(148, 156)
_POSIX = b"ustar\0"
_SIZE_END = 2**63
_POSITIVE, _NEGATIVE = 0x80, 0xFF


class Header(NamedTuple):
    """The fields that are read. A tuple: one is made for each entry, and costs a third of a dataclass.

    ``size`` is that of the data in the archive.
    """

    name: bytes
    size: int
    mtime: int
    type: bytes


def parse_header(block: bytes) -> Header | None:
    """Parse a block; None where its checksum is wrong. Raises BadNumber."""
    name, size, mtime, stored, kind, magic, prefix = _FIELDS.unpack(block)
    if not _checksum_holds(block, stored):
        return None
    name = name.partition(b"\0")[0]
    # GNU tar, whose magic is "ustar  ", keeps other things where POSIX has the prefix.
    if magic == _POSIX and prefix[0]:
        name = prefix.partition(b"\0")[0] + b"/" + name
    try:
        length, seconds = parse_number(size), parse_number(mtime)
    except ValueError:
        raise BadNumber(name) from None
    if not 0 <= length < _SIZE_END:
        raise BadNumber(name, f"a size of {length}")
    return Header(name, length, seconds, kind)


def checksum(block: bytes) -> int:
    """Give the sum of the bytes; the checksum's own field counts as spaces (POSIX, ustar format)."""
    # The low half of an Adler-32 that starts at 0 is the sum modulo 65521, more than 256 bytes can reach.
    return (
        (adler32(block[:148], 0) & 0xFFFF)
        + 8 * 0x20
        + (adler32(block[156:412], 0) & 0xFFFF)
        + (adler32(block[412:], 0) & 0xFFFF)
    )


def _checksum_holds(block: bytes, stored: bytes) -> bool:
    total = checksum(block)
    try:
        expected = parse_number(stored)
    except ValueError:
        return False
    # Some old tars summed signed characters, in which each byte over 127 counts 256 less.
    return expected == total or expected == total - 256 * sum(byte >> 7 for byte in block)


def parse_number(field: bytes) -> int:
    """Parse a number in octal, or in base 256, which GNU tar uses for large ones; a blank field is 0.

    Raises ValueError.
    """
    digits = field.strip(b" \0")
    # int() alone would take "0o7", "1_0" and "-1" too.
    if digits.isdigit():
        return int(digits, 8)
    if field[0] == _POSITIVE:
        return int.from_bytes(field[1:], "big")
    if field[0] == _NEGATIVE:
        return int.from_bytes(field, "big", signed=True)
    if digits:
        raise ValueError(field)
    return 0
