"""Reads archives of groups, within limits: first what groups there are, then their relations.

An archive is read twice, as its files may have any order: a group is made before its relations are kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.archive.budget import Budget
from shared.archive.events import (
    ArchiveEvent,
    EntryData,
    EntryEnded,
    EntryLeftOut,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.archive.limits import MIB, Limits
from shared.gitlab.group_layout import INDEX, VERSION_FILES, document_of, relation_of
from shared.gitlab.lines import BlankLines, Line, LineSplitter, OverlongLine
from shared.gitlab.record_check import RefusedLine, check_line
from shared.group_archives.errors import GroupArchiveTooLarge, NoGroupArchive
from shared.group_archives.left_out import LeftOut
from shared.jobs.progress import Progress
from shared.restore.archive_events import Readable, archive_events
from shared.restore.event_loop import EventLoopYielder

LARGEST = 10 * MIB
"""Bytes of the request that brings an archive of groups."""

LIMITS = Limits(decompressed=64 * MIB, entries=50_000, line=MIB, depth=100)

LARGEST_DOCUMENTS = 4 * MIB
"""Bytes of the attributes of all groups, which are held in memory; GitLab writes about 2 KiB of a group."""

LARGEST_INDEX = MIB
MOST_LINES = 100_000


@dataclass(slots=True)
class Outline:
    """The index of an archive, None where there is none, and the attributes of its groups, by their ids."""

    index: bytes | None = None
    documents: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RelationLine:
    """A line of a relation of the group that has that id in the archive, without its end."""

    group_id: int
    relation: str
    line: bytes


@dataclass(frozen=True, slots=True)
class RelationWithdrawn:
    """Another file of the same name follows, and counts instead: the lines that came are not kept."""

    group_id: int
    relation: str


RelationEvent: TypeAlias = RelationLine | RelationWithdrawn


def _events(source: Readable) -> AsyncGenerator[ArchiveEvent, None]:
    yielder = EventLoopYielder()
    return archive_events(source, LIMITS, budget=Budget(LIMITS.prices), progress=Progress(), yielder=yielder)


async def read_outline(source: Readable, left_out: LeftOut) -> Outline:
    """Read index and attributes; files that no import of groups knows are left out.

    Raises ArchiveError, NoGroupArchive where there is no index, and GroupArchiveTooLarge.
    """
    reader = _OutlineReader(left_out)
    async with aclosing(_events(source)) as events:
        async for event in events:
            reader.take(event)
    if reader.outline.index is None:
        raise NoGroupArchive
    return reader.outline


class _OutlineReader:
    """Collects index and attributes: at most 1 MiB and 4 MiB."""

    def __init__(self, left_out: LeftOut) -> None:
        self.outline = Outline()
        self._left_out = left_out
        self._name = ""
        self._held: bytearray | None = None

    def take(self, event: ArchiveEvent) -> None:
        """Take the next event. Raises GroupArchiveTooLarge."""
        match event:
            case EntryStarted(kind=TarEntryKind.FILE):
                self._begin(event.name, event.size)
            case EntryData() if self._held is not None:
                self._held += event.data
            case EntryEnded() if self._held is not None:
                self._end(bytes(self._held))
            case EntryWithdrawn():
                self._withdraw(event.name)
            case EntryLeftOut():
                self._left_out.add(f"entry {event.number}", str(event.error))

    def _begin(self, name: str, size: int) -> None:
        self._name, self._held = name, None
        if name == INDEX:
            self._require(size, LARGEST_INDEX, "bytes of the index")
        elif document_of(name) is not None:
            held = sum(map(len, self.outline.documents.values()))
            self._require(held + size, LARGEST_DOCUMENTS, "bytes of attributes")
        else:
            if relation_of(name) is None and name not in VERSION_FILES:
                self._left_out.add(name, "no import of groups keeps this file")
            return
        self._held = bytearray()

    def _require(self, size: int, limit: int, what: str) -> None:
        if size > limit:
            raise GroupArchiveTooLarge(limit, what)

    def _end(self, data: bytes) -> None:
        self._held = None
        number = document_of(self._name)
        if number is None:
            self.outline.index = data
        else:
            self.outline.documents[number] = data

    def _withdraw(self, name: str) -> None:
        number = document_of(name)
        if number is not None:
            self.outline.documents.pop(number, None)
        elif name == INDEX:
            self.outline.index = None


async def relation_events(source: Readable, left_out: LeftOut) -> AsyncGenerator[RelationEvent, None]:
    """Give the lines of all relations in the order of the archive; those GitLab would refuse are left out.

    Memory: a line of at most 1 MiB. Raises ArchiveError, and GroupArchiveTooLarge over 100,000 lines.
    """
    reader = _RelationReader(left_out)
    async with aclosing(_events(source)) as events:
        async for event in events:
            for each in reader.take(event):
                yield each


class _RelationReader:
    """Splits relations into lines, and checks these."""

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out
        self._of: tuple[int, str] | None = None
        self._splitter = LineSplitter(LIMITS.line)
        self._number = 0
        self._kept = 0

    def take(self, event: ArchiveEvent) -> Iterable[RelationEvent]:
        """Take the next event. Raises GroupArchiveTooLarge."""
        match event:
            case EntryStarted(kind=TarEntryKind.FILE):
                self._of, self._number = relation_of(event.name), 0
                self._splitter = LineSplitter(LIMITS.line)
            case EntryData() if self._of:
                return self._lines(self._of, self._splitter.feed(event.data))
            case EntryEnded() if self._of:
                return self._lines(self._of, self._splitter.close())
            case EntryWithdrawn() if withdrawn := relation_of(event.name):
                return [RelationWithdrawn(*withdrawn)]
        return ()

    def _lines(self, of: tuple[int, str], lines: Iterable[Line]) -> Iterable[RelationEvent]:
        for line in lines:
            self._number += line.count if isinstance(line, BlankLines) else 1
            if isinstance(line, BlankLines):
                continue
            if reason := _refuse(line, relation=of[1]):
                self._left_out.add(f"line {self._number} of {of[1]} of group {of[0]}", reason)
                continue
            self._kept += 1
            if self._kept > MOST_LINES:
                raise GroupArchiveTooLarge(MOST_LINES, "records")
            assert isinstance(line, bytes)  # noqa: S101  # others are refused
            yield RelationLine(*of, line.removesuffix(b"\n"))


def _refuse(line: bytes | OverlongLine, *, relation: str) -> str | None:
    if isinstance(line, OverlongLine):
        return f"over the limit of {LIMITS.line} bytes"
    verdict = check_line(line, relation=relation, depth=LIMITS.depth)
    return verdict.message if isinstance(verdict, RefusedLine) else None
