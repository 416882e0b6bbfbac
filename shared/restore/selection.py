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
from shared.gitlab.relation_selection import RelationSelection, missed_references, selectable_of
from shared.jobs.progress import Progress, SelectionProgress

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
        self._is_open = True
        self._kept: set[str] = set()
        self.progress = SelectionProgress()

    def takes(self, event: ArchiveEvent) -> bool:
        """Tell whether an event passes."""
        match event:
            case EntryStarted():
                self._is_open = self._begin(event)
                return self._is_open
            case EntryData():
                return self._is_open
            case EntryEnded() | EntryAbandoned():
                was_open, self._is_open = self._is_open, True
                return was_open
            case EntryWithdrawn(name):
                return self._selection.leaves_out(name) is None
            case _:
                return True

    def _begin(self, entry: EntryStarted) -> bool:
        is_file = entry.kind is TarEntryKind.FILE
        name = entry.name if is_file else f"{entry.name}/"
        left_out = self._selection.leaves_out(name)
        if left_out is None:
            if entry.size and (relation := selectable_of(name)) and len(self._kept) < _MOST:
                self._kept.add(relation)
            return True
        if is_file:
            count = self.progress.of(left_out)
            count.files += 1
            count.bytes += entry.size
        return False

    def end(self) -> None:
        """Tell what is missed by what was taken."""
        self.progress.missed = list(missed_references(self._kept, self.progress.left_out))
