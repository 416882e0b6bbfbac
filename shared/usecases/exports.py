"""Exports of projects: requests, status and download."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial

from shared.accounts.models import AccessLevel, User
from shared.accounts.rate_limits import RateLimits
from shared.assembly.blocks import BlockReader
from shared.database.pool import Connection, Pool
from shared.database.transactions import transaction
from shared.errors import ObjectMissing
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import FinishedArchive
from shared.exports.downloads import FileDownload, Presign
from shared.exports.redirects import ArchiveRedirects
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, JobKind, JobState, UploadTarget
from shared.ledger import objects
from shared.outbound.policy import SCHEMES
from shared.projects import store
from shared.projects.models import Project
from shared.projects.size import project_size
from shared.projects.store import ReachedProject
from shared.remote.errors import BlockedUrl
from shared.remote.part_addresses import PartAddresses
from shared.remote.urls import parse
from shared.settings.application import ApplicationSettings
from shared.settings.environment import MIB
from shared.settings.store import CHANGED, settings_of
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.reading import keep_for_reading
from shared.statuses.exports import FoundExport, find_export
from shared.storage.base import ObjectStore
from shared.usecases.access import require_reached, require_user
from shared.usecases.errors import (
    ArchiveNotFound,
    ExportsDisabled,
    ExportUnderway,
    FieldsInvalid,
    FileLost,
    NotFound,
    ProjectTooLarge,
)
from shared.usecases.imports import ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.settings import InstanceSettings

_UNDERWAY = (JobKind.EXPORT, JobKind.UPLOAD)
"""To GitLab's API an export has not ended before its upload has."""


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """A project, and the status of the user's export of it in GitLab's words."""

    project: Project
    status: str


@dataclass(frozen=True, slots=True)
class ExportableProject:
    """A project that the user may export, and the settings that apply until the end of the request."""

    project: Project
    user: User
    settings: ApplicationSettings


class Wanted(Enum):
    """What a client wants of a file: all of it, a part, or only to know its size and digest."""

    WHOLE = "whole"
    PART = "part"
    DESCRIPTION = "description"


class Exports:
    """Schedules exports and opens their files, for HTTP handlers, commands and retries.

    Who reads an archive is redirected to the store by ``redirects``, if there are any.
    """

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        queue: JobQueue,
        *,
        blocks: BlockReader,
        settings: InstanceSettings,
        limits: RateLimits,
        redirects: ArchiveRedirects | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._reader = ArchiveReader(pool, blocks)
        self._queue = queue
        self._settings = settings
        self._limits = limits
        self._redirects = redirects

    async def require_enabled(self) -> ApplicationSettings:
        """Return the current settings. Raises ExportsDisabled."""
        settings = await self._settings.current()
        if not settings.project_export_enabled:
            raise ExportsDisabled
        return settings

    async def find_exportable(
        self, actor: User | None, reference: str, *, settings: ApplicationSettings | None = None
    ) -> ExportableProject:
        """Return the project, if the user may export it.

        ``settings``: those that ``require_enabled`` returned, if the caller had to call it earlier.

        Raises ExportsDisabled, NotFound, MovedProject and Denied, in this order, which is GitLab's.
        """
        found = await store.find_reached(self._pool, actor, reference, f"{CHANGED} AS settings")
        if settings is None and found is not None:
            settings = settings_of(found.row["settings"], self._settings.defaults)
        return await self._permit(actor, reference, found, settings)

    async def _permit(
        self,
        actor: User | None,
        reference: str,
        found: ReachedProject | None,
        settings: ApplicationSettings | None,
    ) -> ExportableProject:
        settings = settings or await self._settings.current()
        if not settings.project_export_enabled:
            raise ExportsDisabled
        visible = await require_reached(self._pool, actor, reference, found)
        return ExportableProject(visible.require(AccessLevel.MAINTAINER), require_user(actor), settings)

    async def check(self, exportable: ExportableProject, order: ExportOrder, *, counts: bool = True) -> None:
        """Check an export, and count it against the rate limit if it counts.

        A refused address or size also removes the user's earlier archive.

        Raises RateLimited, FieldsInvalid and ProjectTooLarge, in this order.
        """
        user, project = exportable.user, exportable.project
        if counts:
            await self.count(exportable)
        await self._refuse_target(user, project, order.upload)
        limit = exportable.settings.max_export_size
        if limit and await project_size(self._pool, project.id) > limit * MIB:
            await archives.remove_archives(self._pool, project_id=project.id, user_id=user.id)
            raise ProjectTooLarge

    async def count(self, exportable: ExportableProject) -> None:
        """Count an export, or an upload that is retried, against the rate limit. Raises RateLimited."""
        limit = exportable.settings.project_export_limit
        await self._limits.count("project_export", exportable.user.id, limit=limit)

    async def schedule(
        self, exportable: ExportableProject, order: ExportOrder, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Check an export, insert its job and announce it. Raises what ``check`` and ``insert`` raise."""
        await self.check(exportable, order)
        async with transaction(self._pool) as db:
            scheduled = await self.insert(db, exportable, order, origin=origin)
        self._queue.announce(scheduled.job)
        return scheduled

    async def insert(
        self, db: Connection, exportable: ExportableProject, order: ExportOrder, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Insert the job of a checked export, and remove the user's earlier archive, in a transaction.

        The caller announces it. Raises NotFound, and ExportUnderway if an export of the user has not ended; a
        refused request leaves the archive that this export may be uploading.
        """
        user, project = exportable.user, exportable.project
        await _refuse_second(db, exportable)
        await archives.remove_archives(db, project_id=project.id, user_id=user.id)
        job = await self._queue.enqueue(db, order, project=project, user=user, origin=origin)
        return ScheduledJob(project, job)

    async def insert_upload(
        self, db: Connection, exportable: ExportableProject, before: Job, *, origin: JobOrigin
    ) -> ScheduledJob | None:
        """Insert a job with the order of the upload ``before`` in a transaction. The caller announces it.

        Returns None if the archive is not stored any more. Raises NotFound and ExportUnderway.
        """
        user, project = exportable.user, exportable.project
        await _refuse_second(db, exportable)
        if before.parent_id is None or await archives.find_by_job(db, before.parent_id) is None:
            return None
        job = await self._queue.enqueue(
            db, before.order, project=project, user=user, origin=origin, parent_id=before.parent_id
        )
        return ScheduledJob(project, job)

    async def status(self, actor: User | None, reference: str) -> ExportStatus:
        """Return the status of the user's own export. Raises what ``find_exportable`` raises."""
        found = await find_export(self._pool, actor, reference, defaults=self._settings.defaults)
        reached, settings = (found.reached, found.settings) if found else (None, None)
        exportable = await self._permit(actor, reference, reached, settings)
        return ExportStatus(exportable.project, _status(found) if found else "none")

    @asynccontextmanager
    async def download(
        self, actor: User | None, reference: str, *, wanted: Wanted
    ) -> AsyncIterator[FileDownload]:
        """Yield the user's finished archive, which can be read within the block.

        A download counts against the rate limit: each of the whole file, and parts of it once in a minute.

        Raises what ``find_exportable`` raises, then RateLimited, ArchiveNotFound and FileLost.
        """
        exportable = await self.find_exportable(actor, reference)
        user, project = exportable.user, exportable.project
        if wanted is not Wanted.DESCRIPTION:
            await self._limits.count_file(
                "project_download_export", user.id, project.id,
                is_part=wanted is Wanted.PART, limit=exportable.settings.project_download_export_limit,
            )  # fmt: skip
        archive = await archives.find(self._pool, project_id=project.id, user_id=user.id)
        if archive is None:
            raise ArchiveNotFound
        if key := await self._reader.first_key(archive):
            await require_stored(self._store, key, message="The project export file is not available yet")
        # A new export may replace the archive during the download, or the project may be deleted.
        async with AsyncExitStack() as stack:
            if wanted is not Wanted.DESCRIPTION:
                await keep_archive(stack, self._pool, archive)
            presign = self._redirects.presign_of(archive) if self._redirects else None
            yield _download(self._reader, archive, presign)

    async def _refuse_target(self, actor: User, project: Project, target: UploadTarget | None) -> None:
        """Raise FieldsInvalid if an address of the upload is invalid.

        This resolves no host name and permits local addresses: the worker checks them when the upload begins.
        """
        for name, url in _addresses(target):
            try:
                parse(url, SCHEMES)
            except BlockedUrl as error:
                await archives.remove_archives(self._pool, project_id=project.id, user_id=actor.id)
                raise FieldsInvalid({name: [f"is blocked: {error.reason}"]}, cause=error) from None


def _addresses(target: UploadTarget | None) -> Iterable[tuple[str, str]]:
    """Give each address of an upload behind the name of its field."""
    if target is None:
        return ()
    return PartAddresses.read(target.url).named() if target.in_parts else (("url", target.url),)


async def keep_archive(stack: AsyncExitStack, pool: Pool, archive: FinishedArchive) -> None:
    """Keep all that the archive is made of, until the stack is closed. Raises ArchiveNotFound."""
    try:
        await stack.enter_async_context(keep_for_reading(pool, archive.snapshot_id))
    except SnapshotGone:
        raise ArchiveNotFound from None
    if archive.object_id is not None:
        await stack.enter_async_context(objects.keep_touched(pool, archive.object_id))


def _status(found: FoundExport) -> str:
    """Return the first status of GitLab's list that applies."""
    if found.underway and found.has_archive:
        return "regeneration_in_progress"
    if found.underway:
        return "queued" if JobState.QUEUED in found.underway else "started"
    if found.has_archive:
        return "finished"
    return "failed" if found.newest is JobState.FAILED else "none"


async def _refuse_second(db: Connection, exportable: ExportableProject) -> None:
    """Raise NotFound, or ExportUnderway if an export or an upload of the user has not ended."""
    project, user = exportable.project, exportable.user
    if not await store.lock(db, project.id):
        raise NotFound("Project")
    if await jobs.list_unfinished(db, project.id, *_UNDERWAY, user_id=user.id):
        raise ExportUnderway


async def require_stored(store: ObjectStore, key: str, *, message: str) -> None:
    """Raise FileLost if the store has lost the object. Call it before the response has begun."""
    try:
        await store.stat(key)
    except ObjectMissing:
        raise FileLost(message) from None


def _download(reader: ArchiveReader, archive: FinishedArchive, presign: Presign | None) -> FileDownload:
    """Return the download of a finished export."""
    return FileDownload(
        file_name=archive.file_name,
        size=archive.size,
        etag=f'"{archive.etag}"',
        modified_at=archive.created_at,
        read=partial(reader.read, archive),
        sha256=archive.sha256,
        presign=presign,
    )
