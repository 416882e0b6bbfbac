"""Exports of projects: whether one may be asked for, how it stands, and its file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.accounts.models import User
from shared.accounts.rate_limits import RateLimits
from shared.database.pool import Connection, Pool, one_moment
from shared.errors import ObjectMissing
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.exports.downloads import FileDownload
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, JobKind, JobState, UploadTarget
from shared.ledger import objects
from shared.outbound.policy import SCHEMES
from shared.projects import store
from shared.projects.models import Project
from shared.projects.size import project_size
from shared.remote.errors import BlockedUrl
from shared.remote.urls import parse
from shared.settings.application import ApplicationSettings
from shared.settings.environment import MIB
from shared.storage.base import ObjectStore
from shared.usecases.access import administered_project, require_user
from shared.usecases.errors import (
    ArchiveNotFound,
    ExportsDisabled,
    FieldsInvalid,
    FileLost,
    NotFound,
    ProjectTooLarge,
)
from shared.usecases.imports import Scheduled
from shared.usecases.job_queue import JobQueue
from shared.usecases.origin import JobOrigin
from shared.usecases.settings import InstanceSettings


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """A project, and GitLab's word for how the user's export of it stands."""

    project: Project
    status: str


@dataclass(frozen=True, slots=True)
class Requested:
    """An export that was asked for; not ``is_new`` where the user has the same one on its way."""

    scheduled: Scheduled
    is_new: bool


class Exports:
    """Exports. HTTP, the queue and retries call the same methods."""

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        queue: JobQueue,
        *,
        settings: InstanceSettings,
        limits: RateLimits,
    ) -> None:
        self._pool = pool
        self._store = store
        self._queue = queue
        self._settings = settings
        self._limits = limits

    async def require_enabled(self) -> ApplicationSettings:
        """Give the settings that hold. Raises ExportsDisabled."""
        settings = await self._settings.current()
        if not settings.project_export_enabled:
            raise ExportsDisabled
        return settings

    async def exportable(self, actor: User | None, reference: str) -> Project:
        """Give the project to a user who may export it.

        Raises ExportsDisabled, NotFound, MovedProject and Denied, in this order, which is GitLab's.
        """
        await self.require_enabled()
        return await administered_project(self._pool, actor, reference)

    async def check(self, actor: User, project: Project, order: ExportOrder) -> None:
        """Say whether the export may be made, and count it. What is refused costs the earlier archive.

        Raises ExportsDisabled, RateLimited, FieldsInvalid and ProjectTooLarge, in this order.
        """
        settings = await self.require_enabled()
        await self._limits.count("project_export", actor.id, limit=settings.project_export_limit)
        await self._refuse_target(actor, project, order.upload)
        limit = settings.max_export_size
        if limit and await project_size(self._pool, project.id) > limit * MIB:
            await archives.remove_archives(self._pool, project_id=project.id, user_id=actor.id)
            raise ProjectTooLarge

    async def schedule(
        self, actor: User, project: Project, order: ExportOrder, *, origin: JobOrigin
    ) -> Scheduled:
        """Check an export, queue it and wake a worker. Raises what ``check`` and ``insert`` raise."""
        await self.check(actor, project, order)
        async with self._pool.acquire() as db:
            requested = await self.insert(db, actor, project, order, origin=origin)
        if requested.is_new:
            await self._queue.announce(requested.scheduled.job)
        return requested.scheduled

    async def insert(
        self, db: Connection, actor: User, project: Project, order: ExportOrder, *, origin: JobOrigin
    ) -> Requested:
        """Queue an export that was checked, and remove the user's earlier archive; announce it after that.

        One that was asked for with another description or upload is another. Raises NotFound.
        """
        async with db.transaction():
            if not await store.lock(db, project.id):
                raise NotFound("Project")
            await archives.remove_archives(db, project_id=project.id, user_id=actor.id)
            underway = await jobs.list_unfinished(db, project.id, JobKind.EXPORT, user_id=actor.id)
            same = next((job for job in underway if job.order == order), None)
            job = same or await self._queue.enqueue(db, order, project=project, user=actor, origin=origin)
        return Requested(Scheduled(project, job), is_new=same is None)

    async def status(self, actor: User | None, reference: str) -> ExportStatus:
        """Tell how the user's own export stands. Raises what ``exportable`` raises."""
        project = await self.exportable(actor, reference)
        return ExportStatus(project, await self._status(require_user(actor), project))

    async def _status(self, user: User, project: Project) -> str:
        """Give the first that holds of GitLab's list."""
        async with one_moment(self._pool) as db:  # else a job that ends in between makes it a regeneration
            newest = await jobs.find_newest(db, project.id, JobKind.EXPORT, user_id=user.id)
            underway = await jobs.list_unfinished(db, project.id, JobKind.EXPORT, user_id=user.id)
            archive = await archives.find(db, project_id=project.id, user_id=user.id)
        if underway and archive:
            return "regeneration_in_progress"
        if underway:
            return "queued" if any(job.state is JobState.QUEUED for job in underway) else "started"
        if archive:
            return "finished"
        return "failed" if newest is not None and newest.state is JobState.FAILED else "none"

    @asynccontextmanager
    async def download(
        self, actor: User | None, reference: str, *, begins: bool
    ) -> AsyncIterator[FileDownload]:
        """Give the user's finished archive to read within the block; what ``begins`` is counted.

        Raises what ``exportable`` raises, then RateLimited, ArchiveNotFound and FileLost.
        """
        project = await self.exportable(actor, reference)
        user = require_user(actor)
        if begins:
            limit = (await self._settings.current()).project_download_export_limit
            await self._limits.count("project_download_export", user.id, project.namespace.id, limit=limit)
        archive = await archives.find(self._pool, project_id=project.id, user_id=user.id)
        if archive is None:
            raise ArchiveNotFound
        await require_stored(self._store, archive.key, message="The project export file is not available yet")
        async with objects.keep_touched(
            self._pool, archive.object_id
        ):  # a new export may take its place meanwhile
            yield _download(self._store, archive)

    async def _refuse_target(self, actor: User, project: Project, target: UploadTarget | None) -> None:
        """Raise FieldsInvalid for a bad address.

        No name is resolved, and local addresses pass: what may be asked is judged when the upload begins.
        """
        if target is None:
            return
        try:
            parse(target.url, SCHEMES)
        except BlockedUrl as error:
            await archives.remove_archives(self._pool, project_id=project.id, user_id=actor.id)
            raise FieldsInvalid({"url": [f"is blocked: {error.reason}"]}, cause=error) from None


async def require_stored(store: ObjectStore, key: str, *, message: str) -> None:
    """Raise FileLost where the store lost the object, while the answer is still open."""
    try:
        await store.stat(key)
    except ObjectMissing:
        raise FileLost(message) from None


def _download(store: ObjectStore, archive: FinishedArchive) -> FileDownload:
    """Give a finished export as it lies in the store."""
    return FileDownload(
        file_name=archive.file_name,
        size=archive.size,
        etag=f'"{archive.sha256.hex()}"',
        modified_at=archive.created_at,
        read=lambda start, length: store.read(archive.key, start=start, length=length),
        sha256=archive.sha256,
    )
