"""Retries: a new job with the order of one that failed or was canceled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from shared.accounts.models import User
from shared.archive.errors import EntryRefused
from shared.database.pool import Connection, Pool
from shared.database.transactions import transaction
from shared.errors import ArchiveError, Refusal
from shared.gitlab.iids import IidsScattered
from shared.gitlab.json_document import InvalidDocument
from shared.gitlab.version import VersionMismatch
from shared.jobs import store as jobs
from shared.jobs.details import RetryFacts
from shared.jobs.models import (
    IMPORTS,
    BackupOrder,
    ExportOrder,
    ImportOrder,
    Job,
    JobKind,
    JobOrder,
    JobState,
    PeerExportOrder,
    RelationImportOrder,
    UnknownOrder,
    UploadOrder,
)
from shared.ledger import objects
from shared.projects import store
from shared.projects.models import Project
from shared.restore.restorer import NotAProject
from shared.restore.sources import ArchiveDigestWrong
from shared.sealing.errors import SecretUnreadable
from shared.settings.application import GIT, GITHUB, GITLAB_PROJECT
from shared.snapshots import lifecycle
from shared.uploads import store as uploads
from shared.usecases.errors import NotFound, NotRetriable, RelationImportRunning, RetryGone, RetryPointless
from shared.usecases.exports import ExportableProject, Exports
from shared.usecases.imports import Imports
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.relation_imports import RelationImports, is_importing

_RETRIED = frozenset({JobState.FAILED, JobState.CANCELED})
_UPLOADED = (JobKind.IMPORT, JobKind.SMALL_IMPORT, JobKind.RELATION_IMPORT)
_OF_THE_ARCHIVE = frozenset(
    error.code
    for error in (
        ArchiveError,
        ArchiveDigestWrong,
        EntryRefused,
        InvalidDocument,
        IidsScattered,
        NotAProject,
        VersionMismatch,
    )
)
"""Errors that the same bytes give again. Limits are left out: an administrator may raise them."""

_KEPT_HOURS = int(objects.RETRIED_WITHIN.total_seconds() // 3600)
_NOT_FAILED = "only a job that failed or was canceled can be retried"
_UNKNOWN = "only a newer version of the service knows jobs of its kind"
_BACKUP = "it belongs to the run of a schedule: run that again"
_NEWER = "the project has a newer import, and only its newest can be retried"
_CONTENT = "the project has content by now, which an import would replace"
_IMPORTING = "the project is being imported"
_RELATION_RUNNING = "a relation import is already in progress for this project"
_FORGOTTEN = f"its address is a secret, which is kept for {_KEPT_HOURS} hours: ask for it anew"
_GONE = f"its archive is not there any more, as it is kept for {_KEPT_HOURS} hours: upload it anew"
_EXPORT_GONE = f"its archive is not there any more, as it is kept for {_KEPT_HOURS} hours: export anew"


class Retries:
    """Retries jobs, by the same rules and rate limits as first requests."""

    def __init__(
        self,
        pool: Pool,
        queue: JobQueue,
        *,
        exports: Exports,
        imports: Imports,
        relation_imports: RelationImports,
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._exports = exports
        self._imports = imports
        self._relation_imports = relation_imports

    async def retry(
        self, actor: User, job: Job, project: Project, *, origin: JobOrigin, counts: bool = True
    ) -> Job:
        """Insert a new job of the user with the same order, and count it against the rate limit if it counts.

        The caller announces it. Raises NotRetriable if the state of the job or the project does not permit a
        retry, RetryGone if the input of the job was deleted, and the errors of a first request.
        """
        if refusal := refusal_of_job(job):
            raise refusal
        origin = replace(origin, retry_of=job.id)
        match self._open(job):
            case ExportOrder() as order:
                return await self._export(actor, project, order, origin=origin, counts=counts)
            case UploadOrder():
                return await self._upload(actor, job, project, origin=origin, counts=counts)
            case ImportOrder() | RelationImportOrder():
                await self._imports.admit(actor, counts=counts, source=_source_of(job))
                return await self._import(actor, job, project, origin=origin)
            case PeerExportOrder():
                return await self._peer_export(actor, job, project, origin=origin, counts=counts)
            case (BackupOrder() | UnknownOrder()) as order:
                raise TypeError(order)  # ``refusal_of_job`` refuses it
            case order:
                assert_never(order)

    def _open(self, job: Job) -> JobOrder:
        try:
            return self._queue.order_of(job)
        except SecretUnreadable:
            raise RetryGone(_FORGOTTEN) from None

    async def _export(
        self, actor: User, project: Project, order: ExportOrder, *, origin: JobOrigin, counts: bool
    ) -> Job:
        exportable = ExportableProject(project, actor, await self._exports.require_enabled())
        await self._exports.check(exportable, order, counts=counts)
        async with transaction(self._pool) as db:
            return (await self._exports.insert(db, exportable, order, origin=origin)).job

    async def _upload(
        self, actor: User, job: Job, project: Project, *, origin: JobOrigin, counts: bool
    ) -> Job:
        exportable = ExportableProject(project, actor, await self._exports.require_enabled())
        if counts:
            await self._exports.count(exportable)
        async with transaction(self._pool) as db:
            again = await self._exports.insert_upload(db, exportable, job, origin=origin)
        if again is None:
            raise RetryGone(_EXPORT_GONE)
        return again.job

    async def _peer_export(
        self, actor: User, job: Job, project: Project, *, origin: JobOrigin, counts: bool
    ) -> Job:
        exportable = ExportableProject(project, actor, await self._exports.require_enabled())
        if counts:
            await self._exports.count(exportable)
        async with transaction(self._pool) as db:
            return await self._queue.enqueue(db, job.order, project=project, user=actor, origin=origin)

    async def _import(self, actor: User, job: Job, project: Project, *, origin: JobOrigin) -> Job:
        async with transaction(self._pool) as db:
            if not await store.lock(db, project.id):  # a second retry at the same time waits here
                raise NotFound("Job")
            await _require_place(db, job, project)
            if isinstance(job.order, ImportOrder) and job.order.source is not None:
                return await self._queue.enqueue(db, job.order, project=project, user=actor, origin=origin)
            if job.upload_id is not None and await uploads.hold_used(db, job.upload_id):
                return await self._queue.enqueue(
                    db, job.order, project=project, user=actor, origin=origin, upload_id=job.upload_id
                )
            if job.object_id is None or not await objects.touch(db, job.object_id):
                raise RetryGone(_GONE)
            if not isinstance(job.order, RelationImportOrder):
                return await self._queue.enqueue(
                    db, job.order, project=project, user=actor, origin=origin, object_id=job.object_id
                )
            try:
                return await self._relation_imports.insert(
                    db, actor, project, job.order, origin=origin, object_id=job.object_id
                )
            except RelationImportRunning:
                raise NotRetriable(_RELATION_RUNNING) from None


def refusal_of_job(job: Job) -> Refusal | None:
    """Return why a job cannot be retried, whatever has become of its project; None if nothing is known."""
    if job.state not in _RETRIED:
        return NotRetriable(_NOT_FAILED)
    if isinstance(job.order, UnknownOrder):
        return NotRetriable(_UNKNOWN)
    if isinstance(job.order, BackupOrder):
        return NotRetriable(_BACKUP)
    if job.has_forgotten:
        return RetryGone(_FORGOTTEN)
    if job.kind in _UPLOADED and job.error_code in _OF_THE_ARCHIVE and job.state is JobState.FAILED:
        return RetryPointless(job.error or "")
    return None


def find_refusal(job: Job, facts: RetryFacts) -> Refusal | None:
    """Return why a retry of the job would be refused now; None if it would not be.

    Limits, settings and rights are not looked at.
    """
    if refusal := refusal_of_job(job):
        return refusal
    if isinstance(job.order, ImportOrder | RelationImportOrder):
        return _refusal_of_import(job, facts)
    if isinstance(job.order, UploadOrder) and not facts.keeps_archive:
        return RetryGone(_EXPORT_GONE)
    return None


def _refusal_of_import(job: Job, facts: RetryFacts) -> Refusal | None:
    if job.kind is JobKind.RELATION_IMPORT and facts.is_importing:
        return NotRetriable(_IMPORTING)
    if job.kind is not JobKind.RELATION_IMPORT and facts.has_newer_import:
        return NotRetriable(_NEWER)
    if job.kind is not JobKind.RELATION_IMPORT and facts.has_content:
        return NotRetriable(_CONTENT)
    return RetryGone(_GONE) if job.kind in _UPLOADED and not facts.keeps_object else None


def retried_until(job: Job) -> datetime | None:
    """Return until when what a retry needs is kept; None if it needs nothing, or there can be none."""
    sent = job.object_id is not None or job.upload_id is not None
    needs_input = sent or isinstance(job.order, UploadOrder) or _has_secret(job.order)
    if refusal_of_job(job) or job.finished_at is None or not needs_input:
        return None
    return job.finished_at + objects.RETRIED_WITHIN


def _has_secret(order: JobOrder) -> bool:
    match order:
        case ImportOrder():
            return order.source is not None
        case ExportOrder() | PeerExportOrder():
            return order.upload is not None
        case _:
            return False


def _source_of(job: Job) -> str:
    """Give the name by which administrators switch imports of the job's source off."""
    match job.kind:
        case JobKind.GIT_IMPORT:
            return GIT
        case JobKind.GITHUB_IMPORT:
            return GITHUB
        case _:
            return GITLAB_PROJECT


async def _require_place(db: Connection, job: Job, project: Project) -> None:
    """Raise NotRetriable if the import would conflict with another import or with existing content."""
    if job.kind is JobKind.RELATION_IMPORT:
        if await is_importing(db, project.id):
            raise NotRetriable(_IMPORTING)
        return
    newest = await jobs.find_newest(db, project.id, *IMPORTS)
    if newest is not None and newest.id != job.id:
        raise NotRetriable(_NEWER)
    if await lifecycle.current(db, project.id) is not None:
        raise NotRetriable(_CONTENT)
