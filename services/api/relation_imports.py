"""Use cases of relation imports: an archive's records of one relation, for a project that is there."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from asyncpg import UniqueViolationError

from services.api.dependencies import DEPENDENCIES
from services.api.http.errors import Refused
from services.api.http.parameters import Checker
from services.api.http.responses import CORRELATION_ID, timestamp
from services.api.http.uploads import UploadForm
from services.api.imports import archive_of, require_file
from services.api.permissions import project_level, sees
from shared.accounts.models import AccessLevel, User
from shared.database.pool import Connection
from shared.jobs import store as jobs
from shared.jobs.models import Job, JobKind, JobState, RelationImportOrder
from shared.jobs.states import TERMINAL
from shared.projects import store
from shared.projects.models import Project

RELATIONS = ("issues", "merge_requests", "milestones", "ci_pipelines")
_UNKNOWN = "Imported relation must be one of issues, merge_requests, milestones, or ci_pipelines"
_RUNNING = "A relation import is already in progress for this project"
_FORBIDDEN = "You are not authorized to perform this action"
_STATUSES = {
    JobState.QUEUED: "created",
    JobState.RUNNING: "started",
    JobState.FINISHED: "finished",
    JobState.FAILED: "failed",
    JobState.CANCELED: "failed",  # GitLab knows no other end
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationImportRequest:
    """What was asked for, read; ``path`` is the full path of the project."""

    path: str
    relation: str
    object_id: int


def read_upload(form: UploadForm) -> RelationImportRequest:
    """Read the form. Raises 400 for what is missing or wrong, then 422 for a file that is no archive."""
    checker = Checker(form.fields)
    checker.require("path")
    require_file(checker, form)
    checker.require("relation")
    path, relation = checker.text("path"), checker.text("relation")
    checker.finish()
    return RelationImportRequest(path=path or "", relation=relation or "", object_id=archive_of(form))


async def schedule(request: web.Request, caller: User, wanted: RelationImportRequest) -> tuple[Project, Job]:
    """Make the queued job. Raises 404, 400, 403 and 409, in GitLab's order."""
    dependencies = request.app[DEPENDENCIES]
    async with dependencies.pool.acquire() as db, db.transaction():
        project = await _project(db, caller, wanted)
        if await is_importing(db, project.id):
            raise Refused(409, _RUNNING)
        try:
            async with db.transaction():
                job = await jobs.enqueue(
                    db, RelationImportOrder(relation=wanted.relation), project_id=project.id,
                    user_id=caller.id, correlation_id=request[CORRELATION_ID], object_id=wanted.object_id,
                    max_attempts=dependencies.config.job_attempts,
                )  # fmt: skip
        except UniqueViolationError:
            raise Refused(409, _RUNNING) from None
    return project, job


async def _project(db: Connection, caller: User, wanted: RelationImportRequest) -> Project:
    project = await store.find_by_path(db, wanted.path)
    level = AccessLevel.NONE if project is None else await project_level(db, caller, project)
    if project is None or not sees(caller, project, level):
        raise Refused(404, "Project not found")
    if wanted.relation not in RELATIONS:
        raise Refused(400, _UNKNOWN)
    if level < AccessLevel.MAINTAINER:
        raise Refused(403, _FORBIDDEN)
    return project


async def is_importing(db: Connection, project_id: int) -> bool:
    """Tell whether the project's own import is still on its way, and would replace what came before."""
    job = await jobs.newest(db, project_id, JobKind.IMPORT)
    return job is not None and job.state not in TERMINAL


def tracker(project: Project, job: Job) -> dict[str, object]:
    """Make what GitLab shows of a relation import."""
    order = job.order
    assert isinstance(order, RelationImportOrder)  # noqa: S101  # of this kind of job
    return {
        "id": job.id,
        "project_path": project.full_path,
        "relation": order.relation,
        "status": _STATUSES[job.state],
        "created_at": timestamp(job.created_at),
        "updated_at": timestamp(job.finished_at or job.started_at or job.created_at),
    }
