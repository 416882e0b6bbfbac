"""Holds the bytes of an archive that is kept against its record and its manifest, as they pass."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.cli.errors import JobFailed
from services.cli.manifest_comparison import ArchiveComparison
from shared.age.errors import EncryptedDamaged
from shared.age.keys import Identities
from shared.archive.gzip_reader import GzipReader
from shared.archive.limits import Limits
from shared.archive.reader import ArchiveReader
from shared.catalogue.archives import ArchiveRecord
from shared.catalogue.objects import read_object
from shared.errors import ArchiveError
from shared.manifest.reader import ManifestReader
from shared.restore.archive_events import NAME_RULES
from shared.shielding import on_thread
from shared.storage.base import ObjectStore

_NAMED = 3
"""Files that a message names of those that differ."""


class ArchiveDamaged(JobFailed):
    """The bytes of an archive are not those that were backed up: the place has changed or lost some."""

    code = "archive_damaged"


class ArchiveReplaced(JobFailed):
    """What is kept is a whole archive, but another one than was backed up."""

    code = "archive_replaced"


class ArchiveInspection:
    """Takes one archive in pieces. Memory: 256 KiB, and the names of the manifest, if there is one."""

    def __init__(self, record: ArchiveRecord, manifest: ManifestReader | None, *, limits: Limits) -> None:
        self._record = record
        self._digest = hashlib.sha256()
        self._gzip = GzipReader()
        self._reader = ArchiveReader(limits, rules=NAME_RULES)
        self._comparison = None if manifest is None else ArchiveComparison(manifest, signed=False)
        self._fault: ArchiveError | None = None

    async def take(self, data: bytes) -> None:
        """Take the next bytes, on a thread. What is wrong with them is told at the end."""
        await on_thread(self._take, data)

    def _take(self, data: bytes) -> None:
        self._digest.update(data)
        if self._fault is None:
            try:
                self._read(data)
            except ArchiveError as error:
                self._fault = error

    def _read(self, data: bytes) -> None:
        if self._comparison is None:
            for _ in self._gzip.feed(data):
                pass
            return
        for event in self._reader.feed(data):
            self._comparison.take(event)

    def end(self) -> None:
        """Raise ArchiveDamaged, or ArchiveReplaced, unless what was taken is what was backed up."""
        self._close()
        found = self._digest.hexdigest()
        if found != self._record.sha256:
            changed = f"its SHA-256 is {found} instead of {self._record.sha256}"
            if self._fault is None:
                raise ArchiveReplaced(f"it is a whole archive, but not the one that was backed up: {changed}")
            raise ArchiveDamaged(f"it is damaged: {changed}, and it cannot be read: {self._fault}")
        if self._fault is not None:
            raise ArchiveDamaged(f"it is what was backed up, but cannot be read: {self._fault}")
        if difference := self._difference():
            raise ArchiveReplaced(f"it is not the archive of its manifest: {difference}")

    def _close(self) -> None:
        if self._fault is not None:
            return
        if self._comparison is None:
            self._fault = None if self._gzip.complete else ArchiveError("it ends early")
            return
        try:
            for event in self._reader.close():
                self._comparison.take(event)
        except ArchiveError as error:
            self._fault = error

    def _difference(self) -> str | None:
        result = self._comparison and self._comparison.result
        if not result or result.is_equal:
            return None
        kinds = {"missing": result.missing, "not in it": result.extra, "other bytes": result.differing}
        return "; ".join(
            f"{files.count} {kind} ({', '.join(files.names[:_NAMED])})"
            for kind, files in kinds.items()
            if files.count
        )


async def read_archive(
    store: ObjectStore, record: ArchiveRecord, identities: Identities
) -> AsyncGenerator[bytes, None]:
    """Give an archive, decrypted where it is encrypted. Raises ArchiveDamaged, NotDecrypted, StorageError."""
    try:
        async with aclosing(read_object(store, record.file, identities)) as pieces:
            async for piece in pieces:
                yield piece
    except EncryptedDamaged as error:
        raise ArchiveDamaged(f"it is damaged: {error}") from None
