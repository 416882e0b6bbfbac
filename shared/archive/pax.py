"""PAX extended headers (POSIX, pax interchange format): records of "length keyword=value"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.archive.errors import BadPaxHeader, quote_name
from shared.archive.sparse import PaxSparse, Sparse

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
    sparse: Sparse | None = None


def parse_pax(data: bytes, name: bytes, *, stretches: int) -> PaxHeader:
    """Parse the PAX header before the entry ``name``, with so many ``stretches`` of a sparse file at most.

    Raises BadPaxHeader and BadSparseMap.
    """
    values, collected = {}, PaxSparse()
    for keyword, value in _records(data, name):
        if keyword.startswith(_SPARSE):
            collected.add(keyword.removeprefix(_SPARSE), value)
        elif keyword in _READ:
            values[keyword] = value
    sparse = collected.declared(name, stretches)
    return PaxHeader(
        path=values.get(b"path") if sparse is None or sparse.name is None else sparse.name,
        size=_matched(_SIZE, values.get(b"size"), name=name),
        mtime=_matched(_TIME, values.get(b"mtime"), name=name),
        sparse=sparse,
    )


def check_global_pax(data: bytes, name: bytes) -> None:
    """Refuse a global header that would rename or resize every entry after it. Raises BadPaxHeader."""
    for keyword, _ in _records(data, name):
        if keyword in _OF_ONE_ENTRY or keyword.startswith(_SPARSE):
            raise BadPaxHeader(name, f"{quote_name(keyword)} for all entries")


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
