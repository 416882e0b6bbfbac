"""Rows of the index on their way to Postgres, in batches of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.gitlab.layout import relation_file
from shared.snapshots.models import BodyRun, Entry, Segment
from shared.snapshots.quarantine import LONGEST_LINE, QuarantineBound, QuarantinedLine

_BATCH = 1000
_BATCH_BYTES = LONGEST_LINE
"""Bytes of refused lines that wait, besides those that come last."""


class WriteRows(Protocol):
    """Writes rows of one open snapshot. Raises where the caller may not write into it any more."""

    async def __call__(
        self,
        *,
        entries: Sequence[Entry],
        segments: Sequence[Segment],
        runs: Sequence[BodyRun],
        quarantined: Sequence[QuarantinedLine],
        withdrawn: Sequence[str],
    ) -> None:
        """Write the rows, all or none.

        First the rows of the ``withdrawn`` names are deleted and, where there are such, all runs before.
        """


class Rows:
    """Collects up to 1000 entries, segments, runs and refused lines, and 2 MiB of these, then writes them.

    ``entries`` counts all that came.
    """

    def __init__(self, write: WriteRows) -> None:
        self._write = write
        self._entries: list[Entry] = []
        self._segments: list[Segment] = []
        self._runs: list[BodyRun] = []
        self._quarantined: list[QuarantinedLine] = []
        self._quarantined_bytes = 0
        self._quarantine = QuarantineBound()
        self._withdrawn: list[str] = []
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
        await self._flush_if_due()

    async def quarantine(self, lines: Sequence[QuarantinedLine]) -> None:
        """Take refused lines. Raises what ``write`` raises."""
        kept = self._quarantine.keep(lines)
        self._quarantined += kept
        self._quarantined_bytes += sum(len(line.data or b"") for line in kept)
        await self._flush_if_due()

    async def withdraw(self, name: str) -> None:
        """Take back the rows of an entry, and all runs. Raises what ``write`` raises."""
        self._entries = [each for each in self._entries if each.name != name]
        self._segments = [each for each in self._segments if each.name != name]
        self._quarantined = [each for each in self._quarantined if relation_file(each.relation) != name]
        self._runs.clear()
        self._withdrawn.append(name)
        await self._flush_if_due()

    async def _flush_if_due(self) -> None:
        waiting = len(self._entries) + len(self._segments) + len(self._runs) + len(self._withdrawn)
        waiting += len(self._quarantined)
        if waiting >= _BATCH or self._quarantined_bytes >= _BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write the rows that wait."""
        entries, self._entries = self._entries, []
        segments, self._segments = self._segments, []
        runs, self._runs = self._runs, []
        quarantined, self._quarantined, self._quarantined_bytes = self._quarantined, [], 0
        withdrawn, self._withdrawn = self._withdrawn, []
        await self._write(
            entries=entries, segments=segments, runs=runs, quarantined=quarantined, withdrawn=withdrawn
        )
