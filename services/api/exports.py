"""Use cases of exports: asking for one, and how it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from services.api.checks import Checker
from services.api.dependencies import Dependencies
from services.api.errors import NotFound, Refused
from shared.accounts.models import User
from shared.database.pool import Connection, Database, Pool, one_moment
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, JobKind, JobState
from shared.projects import archives, store
from shared.projects.models import Project

_ACTIVE = {JobState.QUEUED: "queued", JobState.RUNNING: "started"}
_HOST = re.compile(r"[A-Za-z0-9\[]")


async def request_export(
    dependencies: Dependencies, caller: User, project: Project, *, order: ExportOrder, correlation_id: str
) -> Job | None:
    """Queue an export and remove the caller's earlier archive; None where the caller has one on its way."""
    async with dependencies.pool.acquire() as db, db.transaction():
        if not await store.lock(db, project.id):
            raise NotFound("Project")
        return await _queue_once(db, caller, project, order=order, correlation_id=correlation_id,
                                 attempts=dependencies.config.job_attempts)  # fmt: skip


async def _queue_once(  # what a job is made of
    db: Connection, caller: User, project: Project, *, order: ExportOrder, correlation_id: str, attempts: int
) -> Job | None:
    newest = await jobs.newest(db, project.id, JobKind.EXPORT, user_id=caller.id)
    if newest is not None and newest.state in _ACTIVE:
        return None
    await archives.remove(db, project_id=project.id, user_id=caller.id)
    return await jobs.enqueue(
        db,
        order,
        project_id=project.id,
        user_id=caller.id,
        correlation_id=correlation_id,
        max_attempts=attempts,
    )


async def export_status(pool: Pool, caller: User, project: Project) -> str:
    """Tell how the caller's own export stands; the first that holds of GitLab's list."""
    async with one_moment(pool) as db:  # else a job that ends in between makes it a regeneration
        job = await jobs.newest(db, project.id, JobKind.EXPORT, user_id=caller.id)
        archive = await archives.find(db, project_id=project.id, user_id=caller.id)
    if job is not None and job.state in _ACTIVE:
        return "regeneration_in_progress" if archive else _ACTIVE[job.state]
    if archive is not None:
        return "finished"
    return "failed" if job is not None and job.state is JobState.FAILED else "none"


def read_order(given: Mapping[str, object]) -> tuple[ExportOrder, str]:
    """Read what was asked for, and where the archive should be uploaded to ("" for nowhere). Raises 400."""
    checker = Checker(given)
    description = checker.text("description")
    upload = Checker(checker.mapping("upload"), prefix="upload")
    url = upload.text("url") or ""
    upload.choice("http_method", ("PUT", "POST"))
    checker.problems += upload.problems
    checker.finish()
    return ExportOrder(description=description or None), url.strip()


async def refuse_upload(db: Database, caller: User, project: Project, *, url: str) -> None:
    """Raise 400 for an upload: a bad address costs the caller the earlier archive too, as in GitLab."""
    if not url:
        return
    problem = _problem_of_url(url)
    if problem is None:
        raise Refused(400, {"upload": ["is not supported yet"]})
    await archives.remove(db, project_id=project.id, user_id=caller.id)
    raise Refused(400, {"url": [f"is blocked: {problem}"]})


def _problem_of_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # reading it checks it
    except ValueError:
        return "URI is invalid"
    if parts.scheme not in ("http", "https"):
        return "Only allowed schemes are http, https"
    if not _HOST.match(parts.hostname or ""):
        return "Hostname or IP address invalid"
    return None
