"""Range requests: ``Range`` and ``If-Range`` (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class RangeUnsatisfiable(ValueError):
    """The file has no byte of the range."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``length`` bytes from the offset ``start``."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the value of ``Content-Range`` for a file of ``size`` bytes."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def wants_range(headers: Mapping[str, str]) -> bool:
    """Return whether a request is for a range, in a form that ``read_range`` reads."""
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    return bool(match and any(match.groups()))


def read_range(headers: Mapping[str, str], *, size: int, etag: str, last_modified: str) -> ByteRange | None:
    """Return the requested range; None for the whole file.

    A malformed range, several ranges, and a range of an older version (``If-Range``) get the whole file as
    well. Raises RangeUnsatisfiable.
    """
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    if match is None or headers.get("If-Range", etag).strip() not in (etag, last_modified):
        return None
    first, last = match.groups()
    if first:
        return _from_start(int(first), int(last) if last else size - 1, size)
    return _from_end(int(last), size) if last else None


def _from_start(first: int, last: int, size: int) -> ByteRange | None:
    if first >= size:
        raise RangeUnsatisfiable
    if last < first:
        return None
    return ByteRange(first, min(last, size - 1) - first + 1)


def _from_end(length: int, size: int) -> ByteRange:
    length = min(length, size)
    if not length:
        raise RangeUnsatisfiable
    return ByteRange(size - length, length)
