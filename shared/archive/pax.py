"""PAX extended headers (POSIX, pax interchange format): records of "length keyword=value"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.archive.errors import BadPaxHeader, SparseFile

_LENGTH_DIGITS = 20
_MOST_RECORDS = 1000
"""Records of one header; real ones have a dozen, and a small archive must not take long to read."""
_SIZE = re.compile(rb"([0-9]{1,18})")
_TIME = re.compile(rb"(-?[0-9]{1,18})(?:\.[0-9]*)?")
_SPARSE = b"GNU.sparse."
_READ = frozenset({b"path", b"size", b"mtime"})
_OF_ONE_ENTRY = frozenset({b"path", b"linkpath", b"size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PaxHeader:
    """What the header of one entry overrides; None keeps the entry's own value."""

    path: bytes | None
    size: int | None
    mtime: int | None


def parse_pax(data: bytes, name: bytes) -> PaxHeader:
    """Parse the PAX header before the entry ``name``. Raises BadPaxHeader and SparseFile."""
    values = {}
    for keyword, value in _records(data, name):
        if keyword.startswith(_SPARSE):
            raise SparseFile(name)
        if keyword in _READ:
            values[keyword] = value
    return PaxHeader(
        path=values.get(b"path"),
        size=_matched(_SIZE, values.get(b"size"), name=name),
        mtime=_matched(_TIME, values.get(b"mtime"), name=name),
    )


def check_global_pax(data: bytes, name: bytes) -> None:
    """Refuse a global header that would rename or resize every entry after it. Raises as ``parse_pax``."""
    for keyword, _ in _records(data, name):
        if keyword in _OF_ONE_ENTRY:
            raise BadPaxHeader(name, f"{keyword.decode()} for all entries")
        if keyword.startswith(_SPARSE):
            raise SparseFile(name)


def _records(data: bytes, name: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = count = 0
    while start < len(data):
        count += 1
        if count > _MOST_RECORDS:
            raise BadPaxHeader(name, f"more than {_MOST_RECORDS} records")
        length, space, _ = data[start : start + _LENGTH_DIGITS].partition(b" ")
        if not space or not length.isdigit():
            raise BadPaxHeader(name, "a record without a length")
        end = start + int(length)
        record = data[start + len(length) + 1 : end]
        keyword, equals, value = record[:-1].partition(b"=")
        if end > len(data) or not record.endswith(b"\n") or not equals or not keyword:
            raise BadPaxHeader(name, "a record of a wrong length")
        yield keyword, value
        start = end


def _matched(pattern: re.Pattern[bytes], value: bytes | None, *, name: bytes) -> int | None:
    if value is None:
        return None
    match = pattern.fullmatch(value)
    if match is None:
        raise BadPaxHeader(name, "a malformed number")
    return int(match[1])
