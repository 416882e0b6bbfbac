"""Reads the piece of a diff that a review comment comes with, and names lines of it as GitLab does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1

_HEADER = re.compile(r"@@ -(\d{1,9})(?:,\d{1,9})? \+(\d{1,9})(?:,\d{1,9})? @@")


@dataclass(frozen=True, slots=True)
class HunkLine:
    """A line with where it is: ``sign`` is ``+``, ``-`` or a blank, ``@`` for the header itself.

    ``old`` and ``new`` are the numbers that the line has, or would have, on either side.
    """

    sign: str
    text: str
    old: int
    new: int

    def is_on(self, side: str) -> bool:
        """Tell whether the line is there on ``LEFT``, before the change, or on ``RIGHT``, after it."""
        return self.sign in {" ", "-" if side == "LEFT" else "+"}

    def number(self, side: str) -> int:
        """Give its number on that side."""
        return self.old if side == "LEFT" else self.new


def parse_hunk(hunk: str) -> list[HunkLine]:
    """Give the lines of a hunk, without what is no line of a diff; none where it does not begin as one."""
    first, *rest = hunk.split("\n")
    header = _HEADER.match(first)
    if header is None:
        return []
    old, new = int(header[1]), int(header[2])
    lines = [HunkLine("@", first, old, new)]
    for text in rest:
        sign = text[:1]
        if sign in {"+", "-", " "}:
            lines.append(HunkLine(sign, text[1:], old, new))
            old += sign != "+"
            new += sign != "-"
    return lines


def made_up_hunk(line: int, text: str) -> str:
    """Make the hunk of a comment that came without one, of a line of the file."""
    return f"@@ -{line},1 +{line},1 @@\n {text}"


def line_code(path: str, line: HunkLine) -> str:
    """Give GitLab's name of a line: the SHA-1 of the path, and both numbers."""
    return f"{sha1(path.encode(), usedforsecurity=False).hexdigest()}_{line.old}_{line.new}"


def lines_between(lines: Sequence[HunkLine], side: str, first: int, last: int) -> list[HunkLine]:
    """Give the lines of that side from one number to another, both included."""
    return [line for line in lines if line.is_on(side) and first <= line.number(side) <= last]


FIRST_LINE = HunkLine("@", "", 1, 1)
"""Where a comment on a whole file is."""
