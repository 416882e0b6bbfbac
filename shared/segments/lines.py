"""Finds a line by its number: the segment that holds it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from io import BytesIO


def locate(first_lines: Sequence[int], line: int) -> int:
    """Give the index of the segment with ``line``, given the ascending first lines of all (all 0-based).

    A line after the end is in the last segment: the caller knows how many lines there are.
    """
    return bisect_right(first_lines, line) - 1


def lines(raw: bytes) -> list[bytes]:
    r"""Split into lines byte for byte, each with its ``\n`` (the last one maybe without).

    ``\r`` ends no line.
    """
    return BytesIO(raw).readlines()
