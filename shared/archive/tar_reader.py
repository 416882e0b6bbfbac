"""Reads tar bytes into events (POSIX ustar and pax, GNU tar, v7).

The format is a sequence of 512-byte headers, each with a body padded to 512 bytes, ended by zero blocks. A
body is the data of a file, or extends the header after it.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.archive.budget import Budget, Work
from shared.archive.errors import (
    ArchiveTooLarge,
    BadChecksum,
    Device,
    DirectoryWithData,
    EmptyName,
    EntryRefused,
    GarbageAfterArchive,
    HardLink,
    MultiVolume,
    NamedPipe,
    NotTar,
    SparseFile,
    SymbolicLink,
    TooManyEntries,
    Truncated,
    UnknownType,
    quote_name,
)
from shared.archive.events import EntryData, EntryEnded, EntryStarted, TarEntryKind
from shared.archive.extensions import Extensions
from shared.archive.limits import Limits
from shared.archive.names import NameSet, is_litter, normalise_name
from shared.archive.signatures import describe
from shared.archive.tar_header import BLOCK, MTIME_MAX, ZERO_BLOCK, Header, parse_header

# v7 wrote NUL for a plain file, and POSIX lets a reader treat a contiguous file ("7") as plain.
_KINDS = {
    b"0": TarEntryKind.FILE,
    b"\0": TarEntryKind.FILE,
    b"7": TarEntryKind.FILE,
    b"5": TarEntryKind.DIRECTORY,
}
_REFUSED: dict[bytes, type[EntryRefused]] = {
    b"1": HardLink,
    b"2": SymbolicLink,
    b"3": Device,
    b"4": Device,
    b"6": NamedPipe,
    b"M": MultiVolume,
    b"S": SparseFile,
}
_VOLUME_LABEL = b"V"
_ENDED = EntryEnded()


class TarReader:
    """Takes the stream in pieces of any size; no piece of data that it gives is larger than what was fed."""

    def __init__(self, limits: Limits, budget: Budget) -> None:
        self.entries = 0
        """Entries read, including the root directory and skipped ones."""
        self.entry: str | None = None
        """Name of the last entry, for messages."""
        self._limits = limits
        self._budget = budget
        self._names = NameSet(limits.entries)
        self._extensions = Extensions(limits.header)
        self._data_left = 0
        self._skip_left = 0  # after the data: padding, and bodies of skipped entries
        self._block = b""  # the beginning of a header that the feed cut
        self._offset = 0  # of the next header
        self._in_zeros = False

    def feed(self, data: bytes) -> Iterator[EntryStarted | EntryData | EntryEnded]:
        """Read on, lazily; read it to the end before the next ``feed``. Raises ArchiveError."""
        data, self._block = self._block + data, b""
        position, end = 0, len(data)
        while position < end:
            if self._data_left:
                piece = data[position : position + self._data_left]
                position += len(piece)
                self._data_left -= len(piece)
                yield EntryData(piece)
                if not self._data_left:
                    yield _ENDED
            elif self._extensions.left:
                piece = data[position : position + self._extensions.left]
                position += len(piece)
                # A PAX record ends with a newline: there are no more of them.
                self._budget.spend(Work.ENTRIES, piece.count(b"\n"))
                self._extensions.take(piece)
            elif self._skip_left:
                skipped = min(self._skip_left, end - position)
                position += skipped
                self._skip_left -= skipped
            elif self._in_zeros:
                self._check_zeros(data[position:])
                return
            elif end - position < BLOCK:
                self._block = data[position:]
                return
            else:
                started = self._read_header(data[position : position + BLOCK])
                position += BLOCK
                if started is not None:
                    yield started
                    if not started.size:
                        yield _ENDED

    def close(self) -> None:
        """Check that the archive may end here; the zero blocks may be missing, as in GNU tar.

        Raises NotTar where no header has come, and Truncated.
        """
        if not self._offset:
            raise NotTar(describe(self._block))
        unread = self._data_left or self._skip_left or self._block
        if unread or self._extensions.left or self._extensions.pending:
            raise Truncated(self.entry)

    def _read_header(self, block: bytes) -> EntryStarted | None:
        if block == ZERO_BLOCK:
            self._in_zeros = True
            self._offset += BLOCK
            return None
        self._budget.spend(Work.ENTRIES, 1)
        header = parse_header(block)
        if header is None:
            raise BadChecksum(self.entry, offset=self._offset) if self._offset else NotTar(describe(block))
        if header.type in Extensions.TYPES:
            self._extensions.start(header)
            self._advance(header.size, skip_body=False)
            return None
        if header.type == _VOLUME_LABEL:
            self._advance(header.size, skip_body=True)
            return None
        if self._extensions.pending:
            header = self._extensions.apply(header)
        started = self._start_entry(header)
        self._advance(header.size, skip_body=started is None)
        return started

    def _advance(self, size: int, *, skip_body: bool) -> None:
        padding = -size % BLOCK
        self._skip_left = size + padding if skip_body else padding
        self._offset += BLOCK + size + padding

    def _start_entry(self, header: Header) -> EntryStarted | None:
        """Check the entry; None where it is skipped."""
        kind = _kind(header)
        name = normalise_name(header.name, self._limits.name)
        self._count_entry(name, header.size)
        if kind is TarEntryKind.DIRECTORY:
            if header.size:
                raise DirectoryWithData(header.name)
            if not name:
                return None
        elif not name:
            raise EmptyName(header.name)
        if is_litter(name):
            return None
        claim = self._names.claim_file if kind is TarEntryKind.FILE else self._names.claim_directory
        # The header has paid for the name itself, but not for the directories that it implies.
        if (implied := claim(name) - 1) > 0:
            self._budget.spend(Work.ENTRIES, implied)
        self._data_left = header.size
        return EntryStarted(name, kind, header.size, min(max(header.mtime, 0), MTIME_MAX))

    def _count_entry(self, name: str, size: int) -> None:
        self.entry = name
        self.entries += 1
        if self.entries > self._limits.entries:
            raise TooManyEntries(name, limit=self._limits.entries)
        if 0 < self._limits.decompressed < size:
            raise ArchiveTooLarge(name, limit=self._limits.decompressed)

    def _check_zeros(self, data: bytes) -> None:
        if data != bytes(len(data)):
            raise GarbageAfterArchive(self.entry)


def _kind(header: Header) -> TarEntryKind:
    """Give the kind of the entry. Raises the EntryRefused of its type."""
    kind = _KINDS.get(header.type)
    if kind is None:
        refusal = _REFUSED.get(header.type)
        raise refusal(header.name) if refusal else UnknownType(header.name, quote_name(header.type))
    # v7 had no type for directories and ended their names with a slash.
    return TarEntryKind.DIRECTORY if header.name.endswith(b"/") else kind
