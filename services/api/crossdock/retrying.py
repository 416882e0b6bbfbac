"""Use cases of retrying: a job that failed or was canceled is ordered once more, by whoever asks for that."""

from __future__ import annotations

from typing import assert_never

from aiohttp import web
from asyncpg import UniqueViolationError

from services.api import exports, rate_limits
from services.api.application_settings import settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.export_size import refuse_size
from services.api.gitlab.imports import count_import
from services.api.http.errors import Forbidden, NotFound, Refused
from services.api.middleware.identify import require_caller
from services.api.origin import origin_of
from services.api.relation_imports import is_importing
from shared.database.pool import Connection
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, ImportOrder, Job, JobKind, JobState, RelationImportOrder
from shared.ledger import objects
from shared.projects import store
from shared.projects.models import Project
from shared.snapshots import index

_RETRIED = frozenset({JobState.FAILED, JobState.CANCELED})
_KEPT_HOURS = int(objects.RETRIED_WITHIN.total_seconds() // 3600)
_NOT_FAILED = "only a job that failed or was canceled can be retried"
_NEWER = "the project has a newer import, and only its newest can be retried"
_CONTENT = "the project has content by now, which an import would replace"
_IMPORTING = "the project is being imported"
_RELATION_RUNNING = "a relation import is already in progress for this project"
_FORGOTTEN = "it had an address that is a secret, and was forgotten when the job ended: ask for it anew"
_GONE = f"its archive is not there any more, as it is kept for {_KEPT_HOURS} hours: upload it anew"


async def retry(request: web.Request, job: Job, project: Project) -> Job:
    """Queue a job with the same order, as the caller's own; it counts against the same limit as the first.

    Raises 409 where the job or the project is not in a state for it, 422 where what the order needs is gone,
    and what is raised for a first order: 403, 429.
    """
    if job.state not in _RETRIED:
        raise _conflict(_NOT_FAILED)
    if job.has_forgotten:
        raise _gone(_FORGOTTEN)
    match job.order:
        case ExportOrder() as order:
            return await _export(request, project, order)
        case ImportOrder() | RelationImportOrder():
            await count_import(request, require_caller(request))
            return await _import(request, job, project)
        case _:
            assert_never(job.order)


def _conflict(reason: str) -> Refused:
    return Refused(409, f"409 Conflict - {reason}")


def _gone(reason: str) -> Refused:
    return Refused(422, f"422 Unprocessable Entity - {reason}")


async def _export(request: web.Request, project: Project, order: ExportOrder) -> Job:
    """Export once more; where the caller has the same export on its way already, that one is given."""
    dependencies, caller = request.app[DEPENDENCIES], require_caller(request)
    settings = await settings_for(request)
    if not settings.project_export_enabled:
        raise Forbidden
    await rate_limits.count(request, "project_export", caller.id, limit=settings.project_export_limit)
    await refuse_size(dependencies.pool, caller, project, limit=settings.max_export_size)
    async with dependencies.pool.acquire() as db:
        job, _ = await exports.request_export(db, caller, project, order=order, origin=origin_of(request))
    return job


async def _import(request: web.Request, job: Job, project: Project) -> Job:
    origin = origin_of(request)
    async with request.app[DEPENDENCIES].pool.acquire() as db, db.transaction():
        if not await store.lock(db, project.id):  # whoever retries at the same time waits here
            raise NotFound("Job")
        await _require_place(db, job, project)
        if job.object_id is None or not await objects.touch(db, job.object_id):
            raise _gone(_GONE)
        try:
            return await jobs.enqueue(
                db, job.order, project_id=project.id, user_id=require_caller(request).id,
                correlation_id=origin.correlation_id, object_id=job.object_id,
                max_attempts=origin.max_attempts, traceparent=origin.traceparent,
            )  # fmt: skip
        except UniqueViolationError:
            raise _conflict(_RELATION_RUNNING) from None


async def _require_place(db: Connection, job: Job, project: Project) -> None:
    """Raise 409 where the import, of a project or of a relation, would come in the way of another."""
    if job.kind is JobKind.RELATION_IMPORT:
        if await is_importing(db, project.id):
            raise _conflict(_IMPORTING)
        return
    newest = await jobs.newest(db, project.id, JobKind.IMPORT)
    if newest is not None and newest.id != job.id:
        raise _conflict(_NEWER)
    if await index.current(db, project.id) is not None:
        raise _conflict(_CONTENT)
