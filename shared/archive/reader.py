"""The archive reader: gzip, then tar, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.archive.budget import Budget, Work
from shared.archive.errors import ArchiveTooLarge, EmptyArchive, Truncated
from shared.archive.events import ArchiveEnded, ArchiveEvent
from shared.archive.gzip_reader import GzipReader
from shared.archive.limits import Limits
from shared.archive.names import NameRules
from shared.archive.tar_reader import TarReader


@dataclass(frozen=True, slots=True)
class Inflated:
    """The next 1 byte to 256 KiB of the tar stream.

    ``compressed`` are the bytes of the file that were given for the stream up to the end of ``data``,
    ``decompressed`` those of the stream itself.
    """

    data: bytes
    compressed: int
    decompressed: int


class ArchiveReader:
    """Takes a ``.tar.gz``, in pieces of any size, and gives events.

    ``feed`` does both of its stages; ``inflate`` and ``read`` are one each, so that the first may go ahead of
    the other on a thread: they share nothing but the pieces. Limits and prices are the second's.

    It holds 256 KiB of data and the headers of one entry. Every error is an ArchiveError and ends the
    reading. Links, devices, anything else that could reach outside the archive, and anything that two readers
    would read differently, are refused, each by an error of its own; files that macOS adds to archives are
    skipped. ``budget`` is what the archive pays for, for those who do more with its events.
    ``rules`` say what names mean.
    """

    def __init__(
        self, limits: Limits | None = None, budget: Budget | None = None, *, rules: NameRules | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._budget = budget or Budget(self._limits.prices)
        self._gzip = GzipReader()
        self._tar = TarReader(self._limits, self._budget, rules)

    def feed(self, data: bytes) -> Iterator[ArchiveEvent]:
        """Read on, lazily: it inflates as far as events are requested.

        Read to the end before the next ``feed``.
        """
        for piece in self.inflate(data):
            yield from self.read(piece)

    def inflate(self, data: bytes) -> Iterator[Inflated]:
        """Inflate, lazily; nothing more after the piece that exceeds the limit, where ``read`` ends."""
        steps = self._gzip.feed(data)
        while not self._is_over(self._gzip.decompressed) and (step := next(steps, None)) is not None:
            yield Inflated(step, self._gzip.compressed, self._gzip.decompressed)

    def read(self, piece: Inflated) -> Iterator[ArchiveEvent]:
        """Read on, lazily, in the order in which the pieces were inflated."""
        limit, data = self._limits.decompressed, piece.data
        read = piece.decompressed + self._tar.expanded
        if self._is_over(read):
            data = data[: limit - read]
        self._budget.earn(piece.compressed - self._budget.received)
        self._budget.spend(Work.BYTES, len(data))
        yield from self._tar.feed(data)
        if len(data) < len(piece.data):
            raise ArchiveTooLarge(self._tar.entry, limit=limit)

    def _is_over(self, decompressed: int) -> bool:
        return 0 < self._limits.decompressed < decompressed

    def close(self) -> Iterator[ArchiveEvent]:
        """End the input. Gives ArchiveEnded, or raises where the archive is not complete."""
        if not self._gzip.compressed:
            raise EmptyArchive
        if not self._gzip.complete:
            raise Truncated(self._tar.entry)
        self._tar.close()
        yield ArchiveEnded(self._gzip.compressed, self._gzip.decompressed, self._tar.entries)
