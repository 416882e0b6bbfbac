"""Parts of a download: Range and If-Range (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class RangeUnsatisfiable(ValueError):
    """No byte of the range is there."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` on, ``length`` of them."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Tell which part of ``size`` bytes it is."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def is_continuation(headers: Mapping[str, str]) -> bool:
    """Tell whether a request goes on with a download that was begun: its range starts after byte 0."""
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    return bool(match and match[1] and int(match[1]) > 0)


def read_range(headers: Mapping[str, str], *, size: int, etag: str, last_modified: str) -> ByteRange | None:
    """Give the one range that was asked for, None for the whole.

    Whole is also what a range gets that is malformed, one of several, or of an older state (If-Range).
    Raises RangeUnsatisfiable.
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
