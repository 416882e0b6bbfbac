"""The members of an archive, sorted by the bytes of their names: a directory precedes its content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from shared.snapshots.models import EntryKind, PlacedEntry


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


async def merge_members(
    entries: AsyncIterator[PlacedEntry], documents: Mapping[str, GeneratedFile]
) -> AsyncIterator[ArchiveMember]:
    """Merge the entries of a snapshot with ``documents``, which replace the entries of the same names."""
    waiting = sorted(documents, key=str.encode, reverse=True)
    async for placed in entries:
        name = placed.entry.name
        while waiting and waiting[-1].encode() < name.encode():
            yield documents[waiting.pop()]
        if waiting and waiting[-1] == name:
            yield documents[waiting.pop()]
        else:
            yield _member(placed)
    while waiting:
        yield documents[waiting.pop()]


def _member(placed: PlacedEntry) -> ArchiveMember:
    if placed.entry.kind is EntryKind.DIRECTORY:
        return Directory(placed.entry.name, placed.entry.mtime)
    return StoredFile(placed)


async def add_parents(members: AsyncIterator[ArchiveMember]) -> AsyncIterator[ArchiveMember]:
    """Add the directories that are missing where an archive came without entries for directories.

    Everything in a directory comes together in this order, so that only the current path is remembered.
    """
    path: list[str] = []
    async for member in members:
        name = member.placed.entry.name if isinstance(member, StoredFile) else member.name
        mtime = member.placed.entry.mtime if isinstance(member, StoredFile) else member.mtime
        parents = name.rstrip("/").split("/")[:-1]
        shared = _common(path, parents)
        for depth in range(shared, len(parents)):
            yield Directory("/".join(parents[: depth + 1]) + "/", mtime)
        path = name.rstrip("/").split("/") if isinstance(member, Directory) else parents
        yield member


def _common(left: list[str], right: list[str]) -> int:
    for depth, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return depth
    return min(len(left), len(right))
