"""Rows of the index on their way to Postgres, in batches of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.snapshots.models import BodyRun, Entry, Segment

_BATCH = 1000


class WriteRows(Protocol):
    """Writes rows of one open snapshot. Raises where the caller may not write into it any more."""

    async def __call__(
        self, *, entries: Sequence[Entry], segments: Sequence[Segment], runs: Sequence[BodyRun]
    ) -> None:
        """Write the rows, all or none."""


class Rows:
    """Collects up to 1000 entries, segments and runs, then writes them; ``entries`` counts all that came."""

    def __init__(self, write: WriteRows) -> None:
        self._write = write
        self._entries: list[Entry] = []
        self._segments: list[Segment] = []
        self._runs: list[BodyRun] = []
        self.entries = 0

    async def add(self, row: Entry | Segment | BodyRun) -> None:
        """Take a row. Raises what ``write`` raises."""
        if isinstance(row, Entry):
            self._entries.append(row)
            self.entries += 1
        elif isinstance(row, Segment):
            self._segments.append(row)
        else:
            self._runs.append(row)
        if len(self._entries) + len(self._segments) + len(self._runs) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write the rows that wait."""
        entries, self._entries = self._entries, []
        segments, self._segments = self._segments, []
        runs, self._runs = self._runs, []
        await self._write(entries=entries, segments=segments, runs=runs)
