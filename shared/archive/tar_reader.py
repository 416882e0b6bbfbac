"""Reads tar bytes into events (POSIX ustar and pax, GNU tar, v7).

The format is a sequence of 512-byte headers, each with a body padded to 512 bytes, ended by zero blocks. A
body is the data of a file, or extends the header after it.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.archive.bodies import ENDED, SparseBody, SuspectBody
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
    SymbolicLink,
    TooManyEntries,
    Truncated,
    UnknownType,
    UnusableName,
    quote_name,
)
from shared.archive.events import (
    EntryData,
    EntryLeftOut,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
    TarEvent,
)
from shared.archive.extensions import Extensions
from shared.archive.limits import Limits
from shared.archive.litter import (
    doubles_of,
    is_apple_double,
    is_folder_settings,
    may_be_litter,
    sibling_of,
)
from shared.archive.names import NameRules, NameSet, normalise_name
from shared.archive.signatures import describe
from shared.archive.sparse import OldSparse, Sparse
from shared.archive.tar_header import BLOCK, MTIME_MAX, ZERO_BLOCK, Header, parse_header

_SPARSE, _LISTED_DIRECTORY, _VOLUME_LABEL = b"S", b"D", b"V"

# v7 wrote NUL for a plain file, and POSIX lets a reader treat a contiguous file ("7") as plain.
_KINDS = {
    b"0": TarEntryKind.FILE,
    b"\0": TarEntryKind.FILE,
    b"7": TarEntryKind.FILE,
    _SPARSE: TarEntryKind.FILE,
    b"5": TarEntryKind.DIRECTORY,
    _LISTED_DIRECTORY: TarEntryKind.DIRECTORY,
}
_REFUSED: dict[bytes, type[EntryRefused]] = {
    b"1": HardLink,
    b"2": SymbolicLink,
    b"3": Device,
    b"4": Device,
    b"6": NamedPipe,
    b"M": MultiVolume,
}


class TarReader:
    """Takes the stream in pieces of any size.

    No piece of data that it gives is larger than what was fed, or than 256 KiB in a sparse file.
    """

    def __init__(self, limits: Limits, budget: Budget, rules: NameRules | None = None) -> None:
        self.entries = 0
        """Entries read, including the root directory and skipped ones."""
        self.entry: str | None = None
        """Name of the last entry, for messages."""
        self.expanded = 0
        """Zeros of sparse files, in bytes, which are not in the stream."""
        self._limits = limits
        self._budget = budget
        self._rules = rules or NameRules()
        self._names = NameSet(limits.entries)
        self._doubles: set[int] = set()  # hashes of names of AppleDoubles whose siblings may still come
        self._extensions = Extensions(limits.header, stretches=limits.stretches)
        self._old_sparse: tuple[Header, OldSparse] | None = None  # whose map goes on in the next block
        self._body: SparseBody | SuspectBody | None = None  # None where data is told as it comes
        self._data_left = 0
        self._skip_left = 0  # after the data: padding, and bodies of skipped entries
        self._block = b""  # the beginning of a header that the feed cut
        self._offset = 0  # of the next header
        self._in_zeros = False

    def feed(self, data: bytes) -> Iterator[TarEvent]:
        """Read on, lazily; read it to the end before the next ``feed``. Raises ArchiveError."""
        data, self._block = self._block + data, b""
        position, end = 0, len(data)
        while position < end:
            if self._data_left:
                piece = data[position : position + self._data_left]
                position += len(piece)
                self._data_left -= len(piece)
                if self._body is None:
                    yield EntryData(piece)
                else:
                    yield from self._body.take(piece)
                if not self._data_left:
                    yield from self._end_entry()
            elif self._extensions.left:
                position += self._extend(data[position : position + self._extensions.left])
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
                block = data[position : position + BLOCK]
                position += BLOCK
                yield from self._read_block(block)

    def close(self) -> None:
        """Check that the archive may end here; the zero blocks may be missing, as in GNU tar.

        Raises NotTar where no header has come, and Truncated.
        """
        if not self._offset:
            raise NotTar(describe(self._block))
        unread = self._data_left or self._skip_left or self._block or self._old_sparse
        if unread or self._extensions.left or self._extensions.pending:
            raise Truncated(self.entry)

    def _extend(self, piece: bytes) -> int:
        # A PAX record ends with a newline: there are no more of them.
        self._budget.spend(Work.ENTRIES, piece.count(b"\n"))
        self._extensions.take(piece)
        return len(piece)

    def _read_block(self, block: bytes) -> Iterator[TarEvent]:
        if self._old_sparse is not None:
            begun, old = self._old_sparse
            old.extend(block)
            return self._start_old_sparse(begun, old)
        if block == ZERO_BLOCK:
            self._in_zeros = True
            self._offset += BLOCK
            return iter(())
        self._budget.spend(Work.ENTRIES, 1)
        header = parse_header(block)
        if header is None:
            raise BadChecksum(self.entry, offset=self._offset) if self._offset else NotTar(describe(block))
        return self._read_header(header, block)

    def _read_header(self, header: Header, block: bytes) -> Iterator[TarEvent]:
        if header.type in Extensions.TYPES:
            self._extensions.start(header)
            self._advance(header.size, skip_body=False)
            return iter(())
        if header.type == _VOLUME_LABEL:
            self._advance(header.size, skip_body=True)
            return iter(())
        sparse = None
        if self._extensions.pending:
            header, sparse = self._extensions.apply(header)
        if header.type == _SPARSE:
            return self._start_old_sparse(header, OldSparse(block, header.name, self._limits.stretches))
        return self._start_entry(header, sparse)

    def _start_old_sparse(self, header: Header, old: OldSparse) -> Iterator[TarEvent]:
        if old.goes_on:
            self._old_sparse = header, old
            self._offset += BLOCK
            return iter(())
        self._old_sparse = None
        return self._start_entry(header, old.declared)

    def _advance(self, size: int, *, skip_body: bool) -> None:
        padding = -size % BLOCK
        self._skip_left = size + padding if skip_body else padding
        self._offset += BLOCK + size + padding

    def _start_entry(self, header: Header, sparse: Sparse | None) -> Iterator[TarEvent]:
        """Check the entry, and tell how it begins."""
        kind = _kind(header)
        self.entries += 1
        try:
            name = normalise_name(header.name, self._limits.name, self._rules.roots)
        except UnusableName as error:
            self._check_entry(quote_name(header.name), header, sparse)
            self._advance(header.size, skip_body=True)
            yield EntryLeftOut(self.entries, error)
            return
        self._check_entry(name, header, sparse)
        self._advance(header.size, skip_body=kind is TarEntryKind.DIRECTORY)
        mtime = min(max(header.mtime, 0), MTIME_MAX)
        if kind is TarEntryKind.FILE:
            size = header.size if sparse is None else sparse.size
            yield from self._start_file(EntryStarted(name, kind, size, mtime), header, sparse)
            return
        # GNU tar lists in a directory of an incremental archive what was there; nothing of that is content.
        if header.size and header.type != _LISTED_DIRECTORY:
            raise DirectoryWithData(header.name)
        if name:
            yield from self._start_directory(EntryStarted(name, kind, 0, mtime))

    def _check_entry(self, name: str, header: Header, sparse: Sparse | None) -> None:
        self.entry = name
        if self.entries > self._limits.entries:
            raise TooManyEntries(name, limit=self._limits.entries)
        size = header.size
        if sparse is not None:
            size = self._offset + self.expanded + sparse.size
            self.expanded += max(0, sparse.size - header.size)
        if 0 < self._limits.decompressed < size:
            raise ArchiveTooLarge(name, limit=self._limits.decompressed)

    def _start_file(self, started: EntryStarted, header: Header, sparse: Sparse | None) -> Iterator[TarEvent]:
        if not started.name:
            raise EmptyName(header.name)
        self._data_left = header.size
        if sparse is not None:
            self._body = SparseBody(
                sparse, stored=header.size, name=header.name, most=self._limits.stretches, budget=self._budget
            )
            yield from self._claim_file(started)
        elif may_be_litter(started.name):
            self._body = SuspectBody(started, is_litter=self._is_litter, start=self._claim_file)
        else:
            yield from self._claim_file(started)
        if not self._data_left:
            yield from self._end_entry()

    def _start_directory(self, started: EntryStarted) -> Iterator[TarEvent]:
        self._pay_implied(self._names.claim_directory(started.name))
        if self._doubles:
            yield from self._withdraw_doubles(started.name)
        yield started
        yield ENDED

    def _claim_file(self, started: EntryStarted) -> Iterator[TarEvent]:
        new = self._names.claim_file(started.name)
        self._pay_implied(new)
        if not new:
            self._budget.spend(Work.ENTRIES, 1)
            yield EntryWithdrawn(started.name, is_litter=False)
        if self._doubles:
            yield from self._withdraw_doubles(started.name)
        yield started

    def _pay_implied(self, new: int) -> None:
        # The header has paid for the name itself, but not for the directories that it implies.
        if new > 1:
            self._budget.spend(Work.ENTRIES, new - 1)

    def _is_litter(self, name: str, begin: bytes) -> bool:
        """Judge a file by its name and its first bytes; an AppleDouble before its sibling waits for that.

        One that replaces a file of its name is none, as that file must not stay in its place.
        """
        self._doubles.discard(hash(name))
        is_first = name not in self._names
        if is_folder_settings(name, begin):
            return is_first and not name.startswith(self._rules.users_folders)
        if not is_apple_double(name, begin):
            return False
        sibling = sibling_of(name)
        if is_first and (not sibling or sibling in self._names):
            return True
        self._doubles.add(hash(name))
        return False

    def _withdraw_doubles(self, name: str) -> Iterator[TarEvent]:
        for double in doubles_of(name):
            if hash(double) in self._doubles:
                self._doubles.discard(hash(double))
                yield EntryWithdrawn(double, is_litter=True)

    def _end_entry(self) -> Iterator[TarEvent]:
        body, self._body = self._body, None
        if body is None:
            yield ENDED
        else:
            yield from body.close()

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
