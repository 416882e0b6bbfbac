"""The members of an archive that is put together while it is read."""

from __future__ import annotations

from dataclasses import dataclass

from shared.snapshots.models import PlacedEntry


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory; its name ends in ``/``."""

    name: str
    mtime: int


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A small file that is made here, and held in memory: at most 50 MiB, as tree/project.json is."""

    name: str
    mtime: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in object storage."""

    placed: PlacedEntry


ArchiveMember = Directory | GeneratedFile | StoredFile
