"""Restores an archive from its events, and checks at the end that it holds a project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from shared.archive.budget import Budget, Work
from shared.archive.events import (
    ArchiveEnded,
    ArchiveEvent,
    EntryAbandoned,
    EntryData,
    EntryDropped,
    EntryEnded,
    EntryLeftOut,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.archive.limits import Limits
from shared.errors import ArchiveError
from shared.gitlab.layout import GROUPS, PROJECT, TREE, VERSION, relation_of
from shared.gitlab.project_json import ProjectAttributes, ProjectDocument
from shared.jobs.progress import Note, Progress, RelationProgress
from shared.restore.entries import unusable_failure, verifier_of
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import FailureLog
from shared.restore.intake import KEEPING, EntryIntake, EntryReceiver, EntryWriter
from shared.restore.inventory import Inventory
from shared.restore.verifiers import Verifier

_LONGEST_COMPONENT = 255
_LONGEST_CHARACTER = 4


class NotAProject(ArchiveError):
    """A file that every project archive has is missing (GitLab's text, and which file)."""

    code = "not_a_project"


class ArchiveContentWriter(EntryWriter, Protocol):
    """Writes the entries of an archive."""

    async def directory(self, name: str, mtime: int) -> None:
        """Add a directory."""

    async def withdraw(self, name: str) -> None:
        """Take back a file that was committed, if there is one of that name."""


class Restorer:
    """The state of one import between events: the entry that is open, and which required files have come.

    ``verifiers`` makes the verifier of a file by its name. Memory beside that of an open entry: 100 bytes for
    each directory, and that of the inventory.
    """

    def __init__(
        self,
        writer: ArchiveContentWriter,
        *,
        limits: Limits,
        budget: Budget,
        failures: FailureLog,
        progress: Progress,
        yielder: EventLoopYielder,
        verifiers: Callable[[str], Verifier] = verifier_of,
    ) -> None:
        self._writer = writer
        self._verifiers = verifiers
        self._intake = EntryIntake(writer, limits=limits, budget=budget, failures=failures, yielder=yielder)
        self._budget = budget
        self._failures = failures
        self._progress = progress
        self._directories: set[int] = set()  # hashes of names
        self._open: EntryReceiver | None = None
        self._project: ProjectDocument | None = None
        self._inventory = Inventory()
        self._version = False
        self._tree = False
        self._groups = False

    async def handle(self, event: ArchiveEvent) -> None:
        """Take the next event."""
        match event:
            case EntryStarted():
                await self._start(event)
            case EntryData(data):
                await self._receive(data)
            case EntryEnded():
                await self._end()
            case EntryAbandoned():
                await self._abandon()
            case EntryWithdrawn():
                await self._withdraw(event)
            case EntryDropped():
                self._progress.notes[Note.MACOS_FILES] += 1
            case EntryLeftOut():
                self._budget.spend(Work.ENTRIES, KEEPING)
                await self._failures.add(unusable_failure(event))
            case ArchiveEnded():
                pass
            case _:
                assert_never(event)

    async def _start(self, entry: EntryStarted) -> None:
        self._tree = self._tree or entry.name == TREE or entry.name.startswith(f"{TREE}/")
        self._groups = self._groups or entry.name.startswith(GROUPS)
        if _has_long_component(entry.name):
            self._progress.notes[Note.LONG_NAMES] += 1
        if entry.kind is TarEntryKind.DIRECTORY:
            await self._directory(entry)
        else:
            self._open = await self._receiver(entry)

    async def _directory(self, entry: EntryStarted) -> None:
        """Write a directory the first time it is named; an archive may name it again (``tar -r``)."""
        known = hash(entry.name)
        if known not in self._directories:
            self._directories.add(known)
            await self._writer.directory(f"{entry.name}/", entry.mtime)

    async def _receive(self, data: bytes) -> None:
        if self._open:
            await self._open.write(data)

    async def _end(self) -> None:
        if self._open:
            before = self._failures.count
            await self._open.close()
            self._open = None
            self._inventory.end(is_left_out=self._failures.count > before)
        self._progress.entries += 1

    async def _abandon(self) -> None:
        if self._open:
            await self._open.abort()
            self._open = None
        self._inventory.abandon()

    async def _withdraw(self, entry: EntryWithdrawn) -> None:
        """Take a file back, with all that was told of it: counts, failures of lines, attributes."""
        self._budget.spend(Work.ENTRIES, KEEPING)
        note = Note.MACOS_FILES if entry.is_litter else Note.REPEATED_NAMES
        self._progress.notes[note] += 1
        if relation := relation_of(entry.name):
            self._progress.withdraw_relation(relation)
            await self._failures.withdraw(relation)
        self._inventory.withdraw(entry.name)
        await self._writer.withdraw(entry.name)

    async def _receiver(self, entry: EntryStarted) -> EntryReceiver:
        self._version = self._version or entry.name == VERSION
        relation, verifier = relation_of(entry.name), self._verifiers(entry.name)
        if isinstance(verifier, ProjectDocument):
            self._project = verifier
        self._inventory.begin(entry.name, verifier)
        inspector = None if relation is None else self._inventory.inspector(relation)
        count = RelationProgress() if relation is None else self._progress.relation(relation)
        return await self._intake.open(
            entry.name, entry.mtime, size=entry.size, verifier=verifier, count=count, inspector=inspector
        )

    @property
    def project(self) -> ProjectAttributes | None:
        """The project's attributes, after the last event; None where they did not come."""
        return None if self._project is None else self._project.attributes

    async def complete(self) -> ProjectAttributes:
        """Give the attributes of a whole project, after the last event, and record what it lacks.

        Raises NotAProject and TooManyFailures.
        """
        if not self._version:
            raise NotAProject(f"No such file or directory ({VERSION} is missing)")
        if not self._tree:
            raise NotAProject(f"invalid import format ({TREE}/ is missing)")
        if self.project is None:
            of_group = ", this is the export of a group: export its projects one by one"
            raise NotAProject(f"Invalid file ({PROJECT} is missing{of_group if self._groups else ''})")
        excluded = self._progress.selection.excluded if self._progress.selection else ()
        comparison = self._inventory.compare(but=excluded)
        self._progress.contents = comparison.counts
        for failure in comparison.failures():
            await self._failures.add(failure)
        return self.project


def _has_long_component(name: str) -> bool:
    """Tell whether a component has over 255 bytes, which no file system of Linux takes."""
    # A fast test first: few names are so long in all.
    return len(name) * _LONGEST_CHARACTER > _LONGEST_COMPONENT and any(
        len(component.encode()) > _LONGEST_COMPONENT for component in name.split("/")
    )
