"""Makes tar headers and padding, as ``tar -czf A -C DIR .`` of GNU tar writes them for GitLab.

Names begin with ``./``, directories have mode 0700 and files 0644, all belong to git. The same arguments give
the same bytes. Names are passed as the reader gives them: relative, normalised. Times are seconds since 1970,
0 to MTIME_MAX.
"""

from __future__ import annotations

from zlib import adler32

from shared.archive.tar_header import BLOCK, ZERO_BLOCK

_RECORD = 20 * BLOCK
_NAME = 100
_SIZE = 12
_OCTAL_SIZE_END = 8**11
_BASE_256 = 0x80

# Mode, owner and group; all are octal and end with NUL.
_FILE = b"0000644\x000001750\x000001750\0"
_DIRECTORY = b"0000700\x000001750\x000001750\0"
_LONG_NAME = b"0000644\x000000000\x000000000\0"


def _tail(kind: bytes, owner: bytes) -> tuple[bytes, int]:
    """Give everything after the checksum, and its share of the sum, with the field itself as spaces."""
    magic = kind + bytes(100) + b"ustar  \0"
    tail = magic + owner.ljust(32, b"\0") + owner.ljust(32, b"\0") + bytes(183)
    return tail, sum(tail) + sum(b" " * 8)


_FILE_TAIL = _tail(b"0", b"git")
_DIRECTORY_TAIL = _tail(b"5", b"git")
_LONG_NAME_TAIL = _tail(b"L", b"root")


def root_header(mtime: int) -> bytes:
    """Make the entry ``./``, with which GitLab's archives begin."""
    return _header(b"./", _DIRECTORY + _numbers(0, mtime), _DIRECTORY_TAIL)


def directory_header(name: str, mtime: int) -> bytes:
    """Make the entry of a directory: one block, or three and more where its name is long."""
    return _named(f"./{name}/".encode(), _DIRECTORY + _numbers(0, mtime), _DIRECTORY_TAIL)


def file_header(name: str, *, size: int, mtime: int) -> bytes:
    """Make what precedes ``size`` bytes of data: one block, or three and more where the name is long."""
    return _named(f"./{name}".encode(), _FILE + _numbers(size, mtime), _FILE_TAIL)


def padding(size: int) -> bytes:
    """Make what follows ``size`` bytes of data."""
    return ZERO_BLOCK[: -size % BLOCK]


def end_of_archive(written: int) -> bytes:
    """Make two zero blocks after ``written`` bytes, and more up to a whole record of 10,240."""
    return bytes(2 * BLOCK + -(written + 2 * BLOCK) % _RECORD)


def _numbers(size: int, mtime: int) -> bytes:
    if size < _OCTAL_SIZE_END:
        return b"%011o\0%011o\0" % (size, mtime)
    return bytes([_BASE_256]) + size.to_bytes(_SIZE - 1, "big") + b"%011o\0" % mtime


def _named(path: bytes, middle: bytes, tail: tuple[bytes, int]) -> bytes:
    header = _header(path[:_NAME], middle, tail)
    if len(path) <= _NAME:
        return header
    long_name = path + b"\0"
    numbers = _numbers(len(long_name), 0)
    announced = _header(b"././@LongLink", _LONG_NAME + numbers, _LONG_NAME_TAIL)
    return announced + long_name + padding(len(long_name)) + header


def _header(name: bytes, middle: bytes, tail: tuple[bytes, int]) -> bytes:
    """Join a header: name, mode to mtime, checksum, the rest."""
    head = name.ljust(_NAME, b"\0") + middle
    after, after_sum = tail
    # The low half of an Adler-32 that starts at 0 is the sum of so few bytes (see tar_header.checksum).
    total = (adler32(head, 0) & 0xFFFF) + after_sum
    return b"%b%06o\0 %b" % (head, total, after)
