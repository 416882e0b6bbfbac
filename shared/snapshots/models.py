"""Entries and segments of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EntryKind(Enum):
    """What an entry is: a relation has lines and segments, a blob has bytes."""

    DIRECTORY = "directory"
    RELATION = "relation"
    BLOB = "blob"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name of the archive, and where its bytes are stored.

    ``position`` and ``stored_size`` are the place of the stored run in the object; ``raw_size``, ``crc32``
    and ``sha256`` are of the bytes that the run inflates to; ``mtime`` is in seconds since 1970. ``lines``
    counts the records of a relation, of which ``null`` is none.
    """

    name: str
    kind: EntryKind
    mtime: int
    object_id: int | None = None
    position: int = 0
    stored_size: int = 0
    raw_size: int = 0
    crc32: int = 0
    sha256: bytes | None = None
    lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """About 1 MiB of whole lines of a relation, which inflates alone; lines count from 0 in the relation."""

    name: str
    first_line: int
    lines: int
    position: int
    stored_size: int
    raw_size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """An entry and the key of its object ("" where it has none)."""

    entry: Entry
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRun:
    """Ready bytes of the body of an archive: ``lead``, then ``size`` bytes at ``position`` of the object.

    ``start`` is the offset in the body. ``raw_size`` and ``crc32`` are of what lead and run inflate to.
    ``name`` is the entry that the run is, where it is nothing else.
    """

    start: int
    name: str | None
    lead: bytes
    object_id: int | None
    position: int
    size: int
    raw_size: int
    crc32: int

    @property
    def length(self) -> int:
        """The bytes that it has in the body."""
        return len(self.lead) + self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of an archive as a whole: all of it that does not depend on who exports, and when.

    ``layout`` is the version of the layout; ``raw_size`` and ``crc32`` are of what it inflates to.
    ``entries`` counts all of the snapshot. ``document`` is tree/project.json as it is stored, if it is short.
    """

    layout: int
    size: int
    raw_size: int
    crc32: int
    entries: int
    document: bytes | None
