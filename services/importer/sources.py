"""Where the bytes of an archive come from: an object of ours, or a server elsewhere. No copy is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

from shared.database.pool import Pool
from shared.errors import CrossdockError, Fault
from shared.instance.models import ApplicationSettings
from shared.instance.remote_imports import RemoteImports, check_size
from shared.instance.store import application_settings
from shared.jobs.models import ImportOrder, Job, RemoteSource
from shared.remote.download import Download
from shared.snapshots import objects
from shared.storage.base import ObjectStore


class MissingArchive(CrossdockError):
    """The uploaded archive is not there any more (GitLab's text)."""

    code = "archive_missing"
    fault = Fault.CLIENT

    def __init__(self, project_id: int, user_id: int | None) -> None:
        super().__init__(f"Missing import file for Project ID {project_id} and user ID {user_id}.")


class ArchiveSource(Protocol):
    """An archive that is there to be read, once."""

    @property
    def size(self) -> int | None:
        """Bytes, None where nobody knows."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, 256 KiB at the most at a time. Raises StorageError, RemoteError, RemoteTooLarge."""
        ...


class StoredArchive:
    """ArchiveSource: an upload in the store."""

    def __init__(self, store: ObjectStore, upload: objects.Upload) -> None:
        self._store = store
        self._upload = upload

    @property
    def size(self) -> int | None:
        """See ArchiveSource."""
        return self._upload.size

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """See ArchiveSource."""
        return self._store.read(self._upload.key)


class RemoteArchive:
    """ArchiveSource: a download, which goes on after a break by itself, and is bounded."""

    def __init__(self, download: Download, settings: ApplicationSettings) -> None:
        self._download = download
        self._settings = settings

    @property
    def size(self) -> int | None:
        """See ArchiveSource."""
        return self._download.length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See ArchiveSource; no byte is read where the size is known to be too large."""
        check_size(self.size or 0, self._settings)
        received = 0
        while chunk := await self._download.chunk():
            received += len(chunk)
            check_size(received, self._settings)
            yield chunk


Opened: TypeAlias = AbstractAsyncContextManager[ArchiveSource]


class ArchiveSources:
    """Opens the archive of a job; the address elsewhere is checked again by what holds then."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, remote: RemoteImports, defaults: ApplicationSettings
    ) -> None:
        self._pool = pool
        self._store = store
        self._remote = remote
        self._defaults = defaults

    def open(self, job: Job) -> Opened:
        """Open it for a block. Raises MissingArchive, BlockedUrl and RemoteError."""
        source = job.order.source if isinstance(job.order, ImportOrder) else None
        return self._stored(job) if source is None else self._fetched(source)

    @asynccontextmanager
    async def _stored(self, job: Job) -> AsyncGenerator[ArchiveSource, None]:
        upload = job.object_id and await objects.find_upload(self._pool, job.object_id)
        if not upload:
            raise MissingArchive(job.project_id, job.user_id)
        yield StoredArchive(self._store, upload)

    @asynccontextmanager
    async def _fetched(self, source: RemoteSource) -> AsyncGenerator[ArchiveSource, None]:
        settings = await application_settings(self._pool, self._defaults)
        async with self._remote.client(settings).get(source.url) as download:
            yield RemoteArchive(download, settings)
