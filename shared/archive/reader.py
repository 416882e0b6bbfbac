"""The archive reader: gzip, then tar, within limits."""

from __future__ import annotations

from collections.abc import Iterator

from shared.archive.errors import ArchiveTooLarge, EmptyArchive, Truncated
from shared.archive.events import ArchiveEnded, Event
from shared.archive.gzip_reader import GzipReader
from shared.archive.limits import Limits
from shared.archive.tar_reader import TarReader


class ArchiveReader:
    """A ``.tar.gz`` in, at any cut; events out. It holds 256 KiB of data and the headers of one entry.

    Every error is an ArchiveError and ends the reading. Links, devices and whatever else could reach
    outside the archive, or that two readers would read differently, are refused by name; what macOS leaves
    in archives is dropped.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._gzip = GzipReader()
        self._tar = TarReader(self._limits)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Read on, lazily: no more is inflated than is asked for. Take all of it before the next feed."""
        limit = self._limits.decompressed
        for step in self._gzip.feed(data):
            if 0 < limit < self._gzip.decompressed:
                raise ArchiveTooLarge(self._tar.entry, limit=limit)
            yield from self._tar.feed(step)

    def close(self) -> Iterator[Event]:
        """Tell that the input is over. Yields ArchiveEnded, or raises when the archive is not whole."""
        if not self._gzip.compressed:
            raise EmptyArchive
        if not self._gzip.complete:
            raise Truncated(self._tar.entry)
        self._tar.close()
        yield ArchiveEnded(self._gzip.compressed, self._gzip.decompressed, self._tar.entries)
