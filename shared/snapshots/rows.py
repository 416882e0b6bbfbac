"""Rows of the index on their way to Postgres, in batches of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.snapshots.models import Entry, Segment

_BATCH = 1000


class WriteRows(Protocol):
    """Writes rows of one open snapshot. Raises where the caller may not write into it any more."""

    async def __call__(self, *, entries: Sequence[Entry], segments: Sequence[Segment]) -> None:
        """Write the rows, all or none."""


class Rows:
    """Collects up to 1000 entries and segments, then writes them."""

    def __init__(self, write: WriteRows) -> None:
        self._write = write
        self._entries: list[Entry] = []
        self._segments: list[Segment] = []

    async def add(self, row: Entry | Segment) -> None:
        """Take a row. Raises what ``write`` raises."""
        if isinstance(row, Entry):
            self._entries.append(row)
        else:
            self._segments.append(row)
        if len(self._entries) + len(self._segments) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write the rows that wait."""
        entries, self._entries = self._entries, []
        segments, self._segments = self._segments, []
        await self._write(entries=entries, segments=segments)
