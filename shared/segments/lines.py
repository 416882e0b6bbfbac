"""Random access by line number: which segment has it, and which line of the segment it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from io import BytesIO


def locate(first_lines: Sequence[int], line: int) -> int:
    """Index of the segment with ``line``, given the first line of each, ascending (both from 0).

    A line past the end is in the last segment; the caller knows how many there are.
    """
    return bisect_right(first_lines, line) - 1


def lines(raw: bytes) -> list[bytes]:
    r"""Lines byte for byte, each with its ``\n`` (the last one maybe without); ``\r`` ends none."""
    return BytesIO(raw).readlines()
