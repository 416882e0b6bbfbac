"""The archive reader: gzip, then tar, within limits."""

from __future__ import annotations

from collections.abc import Iterator

from shared.archive.budget import Budget, Work
from shared.archive.errors import ArchiveTooLarge, EmptyArchive, Truncated
from shared.archive.events import ArchiveEnded, ArchiveEvent
from shared.archive.gzip_reader import GzipReader
from shared.archive.limits import Limits
from shared.archive.tar_reader import TarReader


class ArchiveReader:
    """Takes a ``.tar.gz``, in pieces of any size, and gives events.

    It holds 256 KiB of data and the headers of one entry. Every error is an ArchiveError and ends the
    reading. Links, devices, anything else that could reach outside the archive, and anything that two readers
    would read differently, are refused, each by an error of its own; files that macOS adds to archives are
    skipped. ``budget`` is what the archive pays for, for those who do more with its events.
    """

    def __init__(self, limits: Limits | None = None, budget: Budget | None = None) -> None:
        self._limits = limits or Limits()
        self._budget = budget or Budget(self._limits.prices)
        self._gzip = GzipReader()
        self._tar = TarReader(self._limits, self._budget)

    def feed(self, data: bytes) -> Iterator[ArchiveEvent]:
        """Read on, lazily: it inflates as far as events are requested.

        Read to the end before the next ``feed``.
        """
        limit = self._limits.decompressed
        self._budget.earn(len(data))
        for step in self._gzip.feed(data):
            if 0 < limit < self._gzip.decompressed:
                raise ArchiveTooLarge(self._tar.entry, limit=limit)
            self._budget.spend(Work.BYTES, len(step))
            yield from self._tar.feed(step)

    def close(self) -> Iterator[ArchiveEvent]:
        """End the input. Gives ArchiveEnded, or raises where the archive is not complete."""
        if not self._gzip.compressed:
            raise EmptyArchive
        if not self._gzip.complete:
            raise Truncated(self._tar.entry)
        self._tar.close()
        yield ArchiveEnded(self._gzip.compressed, self._gzip.decompressed, self._tar.entries)
