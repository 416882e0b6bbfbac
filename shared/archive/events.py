"""What a reader tells of an archive, in the archive's own order.

An entry is ``EntryStarted``, any number of ``EntryData``, ``EntryEnded``; after the last one comes one
``ArchiveEnded``. Nothing that was told is confirmed before that: checksums stand at the end of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class TarEntryKind(Enum):
    """What an entry may be; every other kind is refused."""

    FILE = "file"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class EntryStarted:
    """An entry begins.

    ``name`` is relative, without ``.``, ``..`` or empty components and without a slash at its end.
    ``size`` is the bytes of data that follow, ``mtime`` seconds since 1970, 0 or more.
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
    """All ``size`` bytes of the entry were told."""


@dataclass(frozen=True, slots=True)
class ArchiveEnded:
    """The archive is whole and its checksums hold.

    ``compressed`` and ``decompressed`` are bytes of the file and of the tar stream in it; ``entries``
    counts dropped ones and the root directory too.
    """

    compressed: int
    decompressed: int
    entries: int


Event: TypeAlias = EntryStarted | EntryData | EntryEnded | ArchiveEnded
