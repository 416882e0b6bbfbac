"""The events that a reader gives for an archive, in the archive's own order.

An entry is ``EntryStarted``, any number of ``EntryData``, ``EntryEnded``; the last one is followed by one
``ArchiveEnded``. Until that comes, nothing is confirmed: checksums are at the end of a stream. What is not of
the archive's content is told between entries: ``EntryWithdrawn``, ``EntryDropped``, ``EntryLeftOut``. What is
no archive may end an entry by ``EntryAbandoned``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from shared.archive.errors import UnusableName


class TarEntryKind(Enum):
    """The kinds of entries that are accepted; all others are refused."""

    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class EntryStarted:
    """An entry begins.

    ``name`` is relative, without ``.``, ``..`` or empty components and without a slash at its end.
    ``size`` is the bytes of data that follow, ``mtime`` seconds since 1970, 0 or more. A source that is no
    archive may tell less of a file that goes into an object of its own.
    """

    name: str
    kind: TarEntryKind
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class EntryData:
    """The next bytes of the entry: 1 byte to 256 KiB."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EntryEnded:
    """All ``size`` bytes of the entry were given."""


@dataclass(frozen=True, slots=True)
class EntryAbandoned:
    """The rest of the entry cannot be had, so that it is left out; the source has told why."""


@dataclass(frozen=True, slots=True)
class EntryWithdrawn:
    """The file of that name, which was told before, is not of the content.

    Another one of its name follows, which counts as it does where GNU tar extracts both; or, if it
    ``is_litter``, macOS has added it, which only a later entry shows.
    """

    name: str
    is_litter: bool


@dataclass(frozen=True, slots=True)
class EntryDropped:
    """A file that macOS has added was skipped."""

    name: str


@dataclass(frozen=True, slots=True)
class EntryLeftOut:
    """An entry was skipped for its name; ``number`` counts all entries of the archive, from 1."""

    number: int
    error: UnusableName


@dataclass(frozen=True, slots=True)
class ArchiveEnded:
    """The archive is complete and its checksums are right.

    ``compressed`` and ``decompressed`` are the bytes of the file and of the tar stream in it; ``entries``
    includes skipped ones and the root directory.
    """

    compressed: int
    decompressed: int
    entries: int


TarEvent: TypeAlias = EntryStarted | EntryData | EntryEnded | EntryWithdrawn | EntryDropped | EntryLeftOut
ArchiveEvent: TypeAlias = TarEvent | EntryAbandoned | ArchiveEnded
