"""Why an archive is refused.

Three families: the stream is broken, an entry is not acceptable, a limit is exceeded. Reading the same
archive again gives the same answer, so no retry helps.
"""

from __future__ import annotations

from typing import ClassVar

from shared.errors import ArchiveError

_SHOWN = 200
"""Characters of a name that a message shows."""


def quote_name(name: bytes | str) -> str:
    """Give the name in quotes, with everything escaped that could break a log line or a terminal."""
    text = name.decode(errors="backslashreplace") if isinstance(name, bytes) else name
    kept = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    safe = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in kept)
    return f"'{''.join(safe)}'"


class StreamError(ArchiveError):
    """The bytes are not a complete gzip stream that contains a complete tar archive."""


class EmptyArchive(StreamError):
    """The archive has no bytes."""

    def __init__(self) -> None:
        super().__init__("the archive is empty")


class NotGzip(StreamError):
    """The file does not begin as gzip does (RFC 1952); ``found`` says what it is, if that is known."""

    def __init__(self, found: str | None = None) -> None:
        super().__init__(f"not a gzip file{(found and f', but {found}') or ''}")


class NotTar(StreamError):
    """The decompressed data does not begin with a tar header; ``found`` is as in NotGzip."""

    def __init__(self, found: str | None = None) -> None:
        super().__init__(f"not a tar archive{(found and f', but {found}') or ''}")


class CorruptGzip(StreamError):
    """The compressed data is inconsistent; ``offset`` is in bytes of the tar stream."""

    def __init__(self, what: str, *, offset: int) -> None:
        super().__init__(f"corrupt gzip data after {offset} decompressed bytes: {what}")
        self.offset = offset


class Truncated(StreamError):
    """The archive stops before its end; ``entry`` is the last name that was read, if any."""

    def __init__(self, entry: str | None) -> None:
        place = "before its first entry" if entry is None else f"in or after {quote_name(entry)}"
        super().__init__(f"the archive is cut short {place}")
        self.entry = entry


class GarbageAfterStream(StreamError):
    """The end of a gzip member is followed by neither zeros, white space nor another member."""

    def __init__(self) -> None:
        super().__init__("something other than zeros and white space follows the gzip stream")


class GarbageAfterArchive(StreamError):
    """The zero block that ends a tar archive is followed by something other than zeros."""

    def __init__(self, entry: str | None) -> None:
        place = "" if entry is None else f", after {quote_name(entry)}"
        super().__init__(f"something other than zeros follows the end of the tar archive{place}")
        self.entry = entry


class BadChecksum(StreamError):
    """A block that should be a header is not one; ``offset`` is in bytes of the tar stream."""

    def __init__(self, entry: str | None, *, offset: int) -> None:
        place = "" if entry is None else f", after {quote_name(entry)}"
        super().__init__(f"no valid tar header at byte {offset}{place}")
        self.entry = entry
        self.offset = offset


class EntryRefused(ArchiveError):
    """One entry makes the whole archive unacceptable; the message has its name and the reason."""

    code = "archive_entry_refused"
    reason: ClassVar[str]

    def __init__(self, name: bytes | str, detail: str = "") -> None:
        super().__init__(f"{quote_name(name)}: {self.reason}{detail and f': {detail}'}")
        self.name = name


class SymbolicLink(EntryRefused):
    """Type ``2``."""

    reason = "symbolic links are refused"


class HardLink(EntryRefused):
    """Type ``1``."""

    reason = "hard links are refused"


class NamedPipe(EntryRefused):
    """Type ``6``, a FIFO."""

    reason = "FIFOs are refused"


class Device(EntryRefused):
    """Type ``3`` or ``4``, a character or block device."""

    reason = "devices are refused"


class BadSparseMap(EntryRefused):
    """The map of a sparse file is malformed, has too many stretches, or is not of its data."""

    reason = "malformed map of a sparse file"


class MultiVolume(EntryRefused):
    """GNU type ``M``: the entry began in another archive."""

    reason = "continuations of another volume are refused"


class UnknownType(EntryRefused):
    """The type is known neither to POSIX nor to this reader."""

    reason = "unknown entry type"


class EmptyName(EntryRefused):
    """The name is empty, and the entry is not the root directory."""

    reason = "the name is empty"


class AbsoluteName(EntryRefused):
    """The name begins with a slash, and is none of an archive without it."""

    reason = "absolute names are refused"


class ParentInName(EntryRefused):
    """A component of the name is ``..``."""

    reason = "names with '..' are refused"


class UnusableName(EntryRefused):
    """The name harms nobody, and cannot be kept: it costs its entry, not the archive."""


class ControlCharacterInName(UnusableName):
    """The name has NUL, a line feed or another control character, which break listings and logs."""

    reason = "names with control characters are refused"


class NameNotUtf8(UnusableName):
    """The name is not UTF-8, so that it cannot be written as JSON or stored as text."""

    reason = "the name is not UTF-8"


class DuplicateName(EntryRefused):
    """Two files have the same name, where the first one cannot be taken back."""

    reason = "the name occurs twice"


class FileAndDirectory(EntryRefused):
    """The name is used for a file and a directory, or a file has entries below it."""

    reason = "the name is a file and a directory"


class DirectoryWithData(EntryRefused):
    """A directory has data: readers disagree about whether to skip it."""

    reason = "a directory has a size"


class BadNumber(EntryRefused):
    """A number in the header is malformed, or is not possible as a size."""

    reason = "malformed header"


class BadPaxHeader(EntryRefused):
    """A PAX extended header does not follow POSIX."""

    reason = "malformed PAX header"


class RepeatedExtension(EntryRefused):
    """An entry has two long names, or two PAX headers: readers disagree about which one counts."""

    reason = "an extended header is repeated"


class LimitExceeded(ArchiveError):
    """The archive exceeds a limit of ``limit``."""

    code = "archive_limit_exceeded"

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class ArchiveTooLarge(LimitExceeded):
    """The tar stream is larger than the limit in bytes, or one entry says that it is."""

    def __init__(self, entry: str | None, *, limit: int) -> None:
        place = "" if entry is None else f", reached in or after {quote_name(entry)}"
        super().__init__(f"the decompressed archive is over the limit of {limit} bytes{place}", limit=limit)
        self.entry = entry


class TooManyEntries(LimitExceeded):
    """The archive has more entries, or more distinct names, than the limit."""

    def __init__(self, name: str, *, limit: int) -> None:
        super().__init__(f"{quote_name(name)} is over the limit of {limit} entries", limit=limit)
        self.name = name


class NameTooLong(LimitExceeded):
    """The name is longer than the limit in bytes."""

    def __init__(self, name: bytes, *, limit: int) -> None:
        super().__init__(f"{quote_name(name)}: the name is over the limit of {limit} bytes", limit=limit)
        self.name = name


class HeaderTooLarge(LimitExceeded):
    """A PAX header or GNU long name is larger than the limit in bytes."""

    def __init__(self, name: bytes, *, limit: int) -> None:
        super().__init__(
            f"{quote_name(name)}: an extended header is over the limit of {limit} bytes", limit=limit
        )
        self.name = name


class ArchiveCostsTooMuch(ArchiveError):
    """The archive is more work than its bytes pay for: too many lines, entries or bytes for its size."""

    code = "archive_costs_too_much"

    def __init__(self, what: str, amount: int, *, cost: int, received: int, limit: int) -> None:
        super().__init__(
            f"the archive costs too much work for its size, reached by {amount} {what}: all so far count as "
            f"{cost} bytes, over the limit of {limit}, of which {received} were sent"
        )
        self.what = what
        self.limit = limit
