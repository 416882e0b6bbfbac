"""Writes rows of a map of people as the CSV of GitLab's placeholder reassignment."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from shared.people.people_map import Row
from shared.people.reading import COLUMNS

# A spreadsheet computes what begins so. GitLab guards its files by the same quote.
_FORMULA = re.compile(r"[=+\-@;]")
# Names are those of any archive: they may drive a terminal, or begin a row of their own.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def header() -> bytes:
    """Give the first line."""
    return _line(COLUMNS.values())


def line(row: Row) -> bytes:
    """Give the line of a row. Line breaks and control characters in its values become blanks."""
    return _line(_cell(getattr(row, member)) for member in COLUMNS)


def _cell(value: str) -> str:
    text = _CONTROL.sub(" ", value)
    return f"'{text}" if _FORMULA.match(text) else text


def _line(values: Iterable[str]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerow(values)
    return file.getvalue().encode(errors="replace")
