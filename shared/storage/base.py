"""Object storage: the port.

Keys are ``/``-separated relative names of printable ASCII (``check_key`` has the rules). An object is written
once, whole, and never changed; it is invisible until its writer has committed it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, Self

from shared.storage.composition import Piece
from shared.storage.direct import DirectWrites
from shared.storage.errors import KeyInvalid, RangeOutside

_KEY = re.compile(r"(?=[ -\[\]-~]{1,900}\Z)[^./][^/]{0,254}(?:/[^./][^/]{0,254})*")


def check_key(key: str) -> str:
    """Give ``key`` back, or raise KeyInvalid.

    At most 900 characters, each name at most 255, none empty or beginning with a dot: what every
    filesystem and S3 (1024 bytes, with its prefix) can hold, and what cannot leave its root. No
    backslash, which SeaweedFS takes for a slash. A key never goes on below another one (``a`` and
    ``a/b``): a filesystem cannot hold both.
    """
    if not _KEY.fullmatch(key):
        raise KeyInvalid(key)
    return key


def bytes_in_range(key: str, *, start: int, length: int | None, size: int) -> int:
    """Give how many bytes ``read`` has to give of an object of ``size`` bytes. Raises RangeOutside."""
    wanted = max(size - start, 0) if length is None else length
    if start < 0 or wanted < 0 or (length is not None and start + length > size):
        raise RangeOutside(key, start=start, length=wanted, size=size)
    return wanted


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A committed object as the store describes it; ``size`` is in bytes.

    ``committed_at`` is by the store's clock; ``list`` alone tells it.
    """

    key: str
    size: int
    committed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """The size of an object that was composed, in bytes, and how many of them went through this process."""

    size: int
    sent: int


class ObjectWriter(Protocol):
    """Writes one object; invisible until ``commit``, aborted when left without it.

    Use it as ``async with``, by one task at a time: leaving the block uncommitted (also by an exception or a
    cancellation) aborts, and nothing of the object stays behind.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data`` (any length; copied before this returns).

        May wait for earlier bytes to be stored: that is the back-pressure. Raises StorageError,
        also for bytes that earlier calls took; after that only ``abort`` makes sense.
        """

    @property
    def crc32s(self) -> bytes:
        """The CRC-32 of each MiB that was written, 4 bytes each (see ``checksums``)."""

    async def commit(self) -> int:
        """Make the object visible, atomically, and give its size in bytes. Called once.

        Once it has returned, the object is durable. Where it raises StorageError or is cancelled, the object
        is there whole, or not at all: a lost answer leaves the outcome open.
        """

    async def abort(self) -> None:
        """Delete everything that was written. May be repeated.

        Does nothing after ``commit``, raises nothing.
        """


class ObjectStore(Protocol):
    """A flat set of immutable objects.

    Every method may raise StorageError, and KeyInvalid (see ``check_key``) where it takes a key.
    """

    def create(self, key: str) -> ObjectWriter:
        """Give a writer for ``key``. A committed object of that key is replaced by the commit."""

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """Give bytes ``start`` to ``start + length`` (to the end without ``length``).

        They come in chunks of at most 1 MiB, none of them empty. At the first step raises
        ObjectMissing where there is no such object, and RangeOutside where it ends before
        ``start + length``; without ``length`` a start at or past the end gives nothing. Later
        StorageError where the bytes stop coming. An object replaced meanwhile is never mixed with
        the new one. Close it (``aclosing``) when left early.
        """

    async def compose(self, key: str, pieces: AsyncIterator[Piece], *, size: int) -> Composed:
        """Write the object ``key`` from bytes and from ranges of other objects, and commit it.

        ``size`` is how many bytes the pieces have together. The store copies ranges itself, as far as it can:
        files wholly, S3 but for short ranges, and up to 5 MiB of each that has other bytes before it. Nobody
        checks the bytes that are copied. The object is as durable as by a writer. Where this, or what gives
        the pieces, raises or is cancelled, nothing stays behind, unless an answer to the commit was lost.
        Raises ObjectMissing, other StorageError for a range that ends early, and TooManyParts (S3 alone).
        """

    async def stat(self, key: str) -> ObjectInfo:
        """Give size and key of an object. Raises ObjectMissing."""

    async def presign(
        self, key: str, *, method: str, valid: timedelta, headers: Mapping[str, str]
    ) -> str | None:
        """Give an address by which anybody may ask for the object; None where the store has none.

        It can be asked with ``method``, GET or HEAD, for the time ``valid``, for ranges as well, and answers
        with the ``headers`` Content-Type and Content-Disposition. Whether the object is there is not asked.
        """

    @property
    def direct(self) -> DirectWrites | None:
        """What has others write objects by addresses; None where the store has none."""

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; a missing one is no error. May be repeated."""

    def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Give the committed objects whose key starts with ``prefix``, in ascending order of keys.

        Some servers sort level by level instead (SeaweedFS), which puts ``a/c`` before ``a-b``: the order is
        certain where names have no character below ``/``, such as a hyphen or dot. The list is no snapshot:
        objects that are committed or deleted meanwhile may or may not be in it.
        """

    async def abort_uploads(self, *, older_than: timedelta) -> int:
        """Abort what crashed writers left uncommitted, and give how many uploads that were.

        Takes every upload that began (S3) or was last written to (filesystem) at least ``older_than`` ago,
        even one whose writer is alive: choose it longer than any upload lasts. A writer whose upload was
        aborted fails at its commit. May be repeated.
        """

    async def abort_uploads_of(self, key: str) -> int:
        """Abort what writers of one object left uncommitted, however old; give how many uploads that were.

        A writer that is alive loses its upload, too: call it once the object has none. May be repeated.
        """

    async def check(self) -> None:
        """Raise StorageError where the store cannot be used now (readiness)."""
