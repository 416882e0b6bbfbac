"""Sources of archives: an upload in object storage, or a remote server. No copy is made."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol, TypeAlias

from shared.database.pool import Pool
from shared.errors import ArchiveError, CrossdockError, Fault
from shared.jobs.models import ArchiveOutcome, ImportOrder, Job, Outcome, RemoteSource
from shared.ledger import objects
from shared.outbound.remote_imports import RemoteImportPolicy, check_size
from shared.remote.download import RemoteDownload
from shared.restore.archive_events import Readable
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings
from shared.storage.base import ObjectStore
from shared.uploads.direct import find_sha256
from shared.uploads.models import Piece
from shared.uploads.store import find_pieces


class MissingArchive(CrossdockError):
    """The uploaded archive does not exist any more (GitLab's text)."""

    code = "archive_missing"
    fault = Fault.CLIENT

    def __init__(self, project_id: int, user_id: int | None) -> None:
        super().__init__(f"Missing import file for Project ID {project_id} and user ID {user_id}.")


class OpenArchive(Readable, Protocol):
    """The bytes of an archive, with its size."""

    @property
    def size(self) -> int | None:
        """The size in bytes, None if unknown."""
        ...

    @property
    def outcome(self) -> Outcome | None:
        """Size and digest for the job's row, after the last byte was read. None if the upload has them."""
        ...


class ArchiveDigestWrong(ArchiveError):
    """The archive does not have the SHA-256 that was given with its upload: upload it anew."""

    code = "archive_digest_wrong"

    def __init__(self) -> None:
        super().__init__("the archive does not have the SHA-256 that was given with its upload")


class StoredArchive:
    """An OpenArchive that reads an upload from the store."""

    outcome = None

    def __init__(self, store: ObjectStore, upload: objects.StoredFile) -> None:
        self._store = store
        self._upload = upload

    @property
    def size(self) -> int | None:
        """See OpenArchive."""
        return self._upload.size

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """See Readable."""
        # With its length: an object that the store has cut is a fault of the store, and not of the archive.
        return self._store.read(self._upload.key, length=self._upload.size)


class PiecedArchive:
    """An OpenArchive that reads the pieces of an upload from the store, one behind the other."""

    outcome = None

    def __init__(self, store: ObjectStore, pieces: Sequence[Piece]) -> None:
        self._store = store
        self._pieces = pieces

    @property
    def size(self) -> int | None:
        """See OpenArchive."""
        return sum(each.size for each in self._pieces)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See Readable."""
        for piece in self._pieces:
            async with aclosing(self._store.read(piece.key, length=piece.size)) as chunks:
                async for chunk in chunks:
                    yield chunk


class RemoteArchive:
    """An OpenArchive that downloads from a remote server, up to the size limit of remote imports."""

    outcome = None

    def __init__(self, download: RemoteDownload, settings: ApplicationSettings) -> None:
        self._download = download
        self._settings = settings

    @property
    def size(self) -> int | None:
        """See OpenArchive."""
        return self._download.length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See Readable. Reads nothing if the announced size is too large."""
        check_size(self.size or 0, self._settings)
        received = 0
        while chunk := await self._download.chunk():
            received += len(chunk)
            check_size(received, self._settings)
            yield chunk


class DigestedArchive:
    """An OpenArchive that computes size and digest while it reads another source.

    With ``expected``, the end of it raises ArchiveDigestWrong where that is another digest.
    """

    def __init__(self, source: OpenArchive, *, expected: bytes | None = None) -> None:
        self._source = source
        self._expected = expected
        self._digest = hashlib.sha256()
        self._read = 0

    @property
    def size(self) -> int | None:
        """See OpenArchive."""
        return self._source.size

    @property
    def outcome(self) -> Outcome:
        """See OpenArchive."""
        return Outcome(archive=ArchiveOutcome(size=self._read, sha256=self._digest.hexdigest()))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See Readable."""
        async with aclosing(self._source.chunks()) as chunks:
            async for chunk in chunks:
                self._digest.update(chunk)
                self._read += len(chunk)
                yield chunk
        if self._expected not in (None, self._digest.digest()):
            raise ArchiveDigestWrong


ArchiveContext: TypeAlias = AbstractAsyncContextManager[OpenArchive]


class ArchiveOpener:
    """Opens the archive of a job. A remote URL is checked again, by the current settings."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, remote: RemoteImportPolicy, defaults: ApplicationSettings
    ) -> None:
        self._pool = pool
        self._store = store
        self._remote = remote
        self._defaults = defaults

    def open(self, job: Job) -> ArchiveContext:
        """Open the archive for a block. Raises MissingArchive, BlockedUrl and RemoteError."""
        source = job.order.source if isinstance(job.order, ImportOrder) else None
        return self._open_upload(job) if source is None else self._open_remote(source)

    @asynccontextmanager
    async def _open_upload(self, job: Job) -> AsyncGenerator[OpenArchive, None]:
        if job.upload_id is not None:
            pieces = await find_pieces(self._pool, job.upload_id)
            expected = await find_sha256(self._pool, job.upload_id)
            yield DigestedArchive(PiecedArchive(self._store, pieces), expected=expected)
            return
        upload = job.object_id and await objects.find_stored(self._pool, job.object_id)
        if not upload:
            raise MissingArchive(job.project_id, job.user_id)
        archive = StoredArchive(self._store, upload)
        yield archive if upload.has_digest else DigestedArchive(archive)

    @asynccontextmanager
    async def _open_remote(self, source: RemoteSource) -> AsyncGenerator[OpenArchive, None]:
        settings = await application_settings(self._pool, self._defaults)
        async with self._remote.client(settings).get(source.url) as download:
            yield DigestedArchive(RemoteArchive(download, settings))
