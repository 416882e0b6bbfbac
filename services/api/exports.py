"""Use cases of exports: asking for one, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from services.api.http.errors import NotFound, Refused
from services.api.http.parameters import Checker
from services.api.origin import Origin
from shared.accounts.models import User
from shared.database.pool import Connection, Database, Pool, one_moment
from shared.exports import archives
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, JobKind, JobState, UploadTarget
from shared.outbound.policy import SCHEMES
from shared.projects import store
from shared.projects.models import Project
from shared.remote.errors import BlockedUrl
from shared.remote.urls import parse
from shared.settings.application import ApplicationSettings

_METHODS = ("PUT", "POST")


async def request_export(
    db: Connection, caller: User, project: Project, *, order: ExportOrder, origin: Origin
) -> tuple[Job, bool]:
    """Queue an export and remove the caller's earlier archive; True with it.

    Where the caller has the same one on its way, that one is given, and False. One that was asked for with
    another description or upload is another.
    """
    async with db.transaction():
        if not await store.lock(db, project.id):
            raise NotFound("Project")
        return await _queue_once(db, caller, project, order=order, origin=origin)


async def _queue_once(
    db: Connection, caller: User, project: Project, *, order: ExportOrder, origin: Origin
) -> tuple[Job, bool]:
    await archives.remove(db, project_id=project.id, user_id=caller.id)
    for underway in await jobs.on_their_way(db, project.id, JobKind.EXPORT, user_id=caller.id):
        if underway.order == order:
            return underway, False
    job = await jobs.enqueue(
        db,
        order,
        project_id=project.id,
        user_id=caller.id,
        correlation_id=origin.correlation_id,
        max_attempts=origin.max_attempts,
        traceparent=origin.traceparent,
    )
    return job, True


def require_enabled(settings: ApplicationSettings) -> None:
    """Raise 404 where no projects may be exported."""
    if not settings.project_export_enabled:
        raise NotFound


async def export_status(pool: Pool, caller: User, project: Project) -> str:
    """Tell how the caller's own export stands; the first that holds of GitLab's list."""
    async with one_moment(pool) as db:  # else a job that ends in between makes it a regeneration
        newest = await jobs.newest(db, project.id, JobKind.EXPORT, user_id=caller.id)
        underway = await jobs.on_their_way(db, project.id, JobKind.EXPORT, user_id=caller.id)
        archive = await archives.find(db, project_id=project.id, user_id=caller.id)
    if underway and archive:
        return "regeneration_in_progress"
    if underway:
        return "queued" if any(job.state is JobState.QUEUED for job in underway) else "started"
    if archive:
        return "finished"
    return "failed" if newest is not None and newest.state is JobState.FAILED else "none"


def read_order(given: Mapping[str, object]) -> ExportOrder:
    """Read what was asked for; a blank address asks for no upload. Raises 400."""
    checker = Checker(given)
    description = checker.text("description")
    upload = Checker(checker.mapping("upload"), prefix="upload")
    url = (upload.text("url") or "").strip()
    method: Literal["PUT", "POST"] = "POST" if upload.choice("http_method", _METHODS) == "POST" else "PUT"
    checker.problems += upload.problems
    checker.finish()
    target = UploadTarget(url=url, method=method) if url else None
    return ExportOrder(description=description or None, upload=target)


async def refuse_upload(db: Database, caller: User, project: Project, *, target: UploadTarget | None) -> None:
    """Raise 400 for a bad address, which costs the caller the earlier archive too, as in GitLab.

    No name is resolved, and local addresses pass: what may be asked is judged when the upload begins.
    """
    if target is None:
        return
    try:
        parse(target.url, SCHEMES)
    except BlockedUrl as error:
        await archives.remove(db, project_id=project.id, user_id=caller.id)
        raise Refused(400, {"url": [f"is blocked: {error.reason}"]}) from None
