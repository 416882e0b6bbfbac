"""The index in Postgres, snapshot -> entries -> segments of relations: its columns, and rows as models."""

from __future__ import annotations

from typing import TypeAlias

from shared.database.pool import Row
from shared.snapshots.models import Entry, EntryKind, PlacedEntry, Segment

ENTRY = (
    "name",
    "kind",
    "mtime",
    "object_id",
    "position",
    "stored_size",
    "raw_size",
    "crc32",
    "sha256",
    "lines",
)
SEGMENT = ("name", "first_line", "lines", "position", "stored_size", "raw_size", "crc32")

PLACED = """SELECT e.*, coalesce(o.key, '') AS key
            FROM entries e LEFT JOIN objects o ON o.id = e.object_id"""
"""SQL for the rows of which ``placed_entry`` makes entries."""

Values: TypeAlias = tuple[object, ...]


def row_of_entry(e: Entry) -> Values:
    """Give the values of the columns ``ENTRY``."""
    return (
        e.name, e.kind.value, e.mtime, e.object_id, e.position, e.stored_size, e.raw_size, e.crc32, e.sha256,
        e.lines,
    )  # fmt: skip


def row_of_segment(s: Segment) -> Values:
    """Give the values of the columns ``SEGMENT``."""
    return s.name, s.first_line, s.lines, s.position, s.stored_size, s.raw_size, s.crc32


def segment_of(row: Row) -> Segment:
    """Make a segment of a row of segments."""
    return Segment(**{column: row[column] for column in SEGMENT})


def placed_entry(row: Row) -> PlacedEntry:
    """Make an entry of a row of entries with the key of its object."""
    return PlacedEntry(entry_of(row), row["key"])


def entry_of(row: Row) -> Entry:
    """Make an entry of a row of entries."""
    return Entry(**{**{column: row[column] for column in ENTRY}, "kind": EntryKind(row["kind"])})
