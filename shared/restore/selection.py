"""Leaves relations out of an import by choice: nothing is done with their files but to pass over them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.archive.events import (
    ArchiveEvent,
    EntryAbandoned,
    EntryData,
    EntryEnded,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.gitlab.relation_selection import SELECTABLE, RelationSelection, missed_references, selectable_of
from shared.jobs.progress import LeftOut, Progress, SelectionProgress

_MOST = 1000
"""Relations that are remembered: an archive may make up a name for each of its files."""


async def select_events(
    events: AsyncGenerator[ArchiveEvent, None], selection: RelationSelection, progress: Progress
) -> AsyncGenerator[ArchiveEvent, None]:
    """Give the events of what is taken. The rest is counted in ``progress``: it is neither parsed nor stored.

    What is taken and refers to the rest is told behind the last event. Raises what ``events`` raises.
    """
    passing = _Passing(selection)
    progress.selection = passing.progress
    async with aclosing(events):
        async for event in events:
            if passing.takes(event):
                yield event
    passing.end()


class _Passing:
    """Which entries pass, and what was left out. Memory: the names of relations."""

    def __init__(self, selection: RelationSelection) -> None:
        self._selection = selection
        self._left_out: LeftOut | None = None  # the open entry's relation, where that is left out
        self._taken: str | None = None  # the same, where it is taken
        self._kept: set[str] = set()
        excluded = [name for name in SELECTABLE if not selection.keeps(name)]
        self.progress = SelectionProgress(excluded=excluded)

    def takes(self, event: ArchiveEvent) -> bool:
        """Tell whether an event passes."""
        match event:
            case EntryStarted():
                self._begin(event)
                return self._left_out is None
            case EntryData(data):
                self._count(data)
                return self._left_out is None
            case EntryEnded() | EntryAbandoned():
                taken, self._left_out = self._left_out is None, None
                return taken
            case EntryWithdrawn(name):
                return self._selection.leaves_out(name) is None
            case _:
                return True

    def _begin(self, entry: EntryStarted) -> None:
        is_file = entry.kind is TarEntryKind.FILE
        name = entry.name if is_file else f"{entry.name}/"
        relation = self._selection.leaves_out(name)
        self._taken = selectable_of(name) if relation is None else None
        self._left_out = None
        if relation is not None:
            self._left_out = self.progress.of(relation) if is_file else LeftOut()
            self._left_out.files += is_file

    def _count(self, data: bytes) -> None:
        """Count the bytes of what is left out; what is taken is there with its first one."""
        if self._left_out is not None:
            self._left_out.bytes += len(data)
        elif self._taken is not None and len(self._kept) < _MOST:
            self._kept.add(self._taken)

    def end(self) -> None:
        """Tell what is missed by what was taken."""
        self.progress.missed = list(missed_references(self._kept, self.progress.left_out))
