"""What goes into an archive, in its order: names byte by byte, a directory before what is in it."""

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
class Document:
    """A small file that we make: it is held in memory (at most 50 MiB, as tree/project.json)."""

    name: str
    mtime: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as it lies in object storage."""

    placed: PlacedEntry


Member = Directory | Document | Stored


async def members(
    entries: AsyncIterator[PlacedEntry], documents: Mapping[str, Document]
) -> AsyncIterator[Member]:
    """Merge the snapshot's entries with our ``documents``, which take the place of entries of their names."""
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


def _member(placed: PlacedEntry) -> Member:
    if placed.entry.kind is EntryKind.DIRECTORY:
        return Directory(placed.entry.name, placed.entry.mtime)
    return Stored(placed)


async def with_parents(members: AsyncIterator[Member]) -> AsyncIterator[Member]:
    """Add the directories that an archive without directory entries leaves out.

    All that is in a directory stands together, so the open path is all there is to remember.
    """
    path: list[str] = []
    async for member in members:
        name = member.placed.entry.name if isinstance(member, Stored) else member.name
        mtime = member.placed.entry.mtime if isinstance(member, Stored) else member.mtime
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
