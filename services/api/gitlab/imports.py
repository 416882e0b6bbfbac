"""Imports of archives into new projects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from aiohttp import web

from services.api import imports, rate_limits
from services.api.application_settings import settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.entities import import_status
from services.api.http.bodies import LARGEST_BODY
from services.api.http.errors import ApiError, Forbidden, ParametersInvalid
from services.api.http.responses import job_header, json_response
from services.api.http.uploads import UploadForm, receive, require_size
from services.api.middleware.identify import act_as_told, require_caller
from services.api.origin import origin_of
from services.api.permissions import visible_project
from shared.accounts.models import AccessLevel, User
from shared.database.pool import one_moment
from shared.jobs import failed_relations
from shared.jobs import store as jobs
from shared.jobs.models import Job, JobKind
from shared.jobs.outbox import announce
from shared.projects import store
from shared.projects.models import Project

_MOST_FAILURES = 100
T = TypeVar("T")


async def create(request: web.Request) -> web.Response:
    """POST /projects/import."""
    async with received(request, imports.read_upload) as (caller, (wanted, archive)):
        pool = request.app[DEPENDENCIES].pool
        to = await imports.place(pool, caller, wanted)
        async with pool.acquire() as db:
            project, job = await imports.schedule(
                db, caller, wanted, to=to, archive=archive, origin=origin_of(request)
            )
    return await announced(request, project, job)


@asynccontextmanager
async def received(request: web.Request, read: Callable[[UploadForm], T]) -> AsyncIterator[tuple[User, T]]:
    """Take in a form, and give who sent it and what is read; its file is kept unless the block raises.

    A request with wrong parameters is told so first and does not count against the limit, as in GitLab.
    Where it is refused for other reasons, that is found out of small bodies alone: others are not read.
    """
    refusal = await _refusal(request)
    async with AsyncExitStack() as stack:
        try:
            form = await stack.enter_async_context(receive(request))
            await act_as_told(request, form.fields)
            wanted = read(form)
        except ParametersInvalid:
            await rate_limits.take_back(request)
            raise
        except ApiError as error:
            raise refusal or error from None
        if refusal:
            raise refusal
        yield require_caller(request), wanted


async def _refusal(request: web.Request) -> ApiError | None:
    """Check what needs no body, and raise what is against it before a large one is sent."""
    caller = require_caller(request)
    await require_size(request)
    try:
        await count_import(request, caller)
    except ApiError as error:
        if request.content_length is None or request.content_length > LARGEST_BODY:
            raise
        return error
    return None


async def announced(request: web.Request, project: Project, job: Job) -> web.Response:
    """Tell a worker of the import, and the client."""
    dependencies = request.app[DEPENDENCIES]
    await announce(dependencies.pool, dependencies.broker, job)
    entity = import_status(project, job, [], maintains=True)
    return json_response(entity, status=201, headers=job_header(job))


async def authorize(request: web.Request) -> web.Response:
    """POST /projects/import/authorize, for relations too: what GitLab's proxy asks, and nobody else may."""
    require_caller(request)
    raise Forbidden


async def count_import(request: web.Request, caller: User) -> None:
    """Check whether imports are on, and count this one of the caller's."""
    settings = await settings_for(request)
    imports.require_enabled(settings)
    await rate_limits.count(request, "project_import", caller.id, limit=settings.project_import_limit)


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id/import; by path it is the newest import for it, also one to overwrite it."""
    require_caller(request)
    async with one_moment(request.app[DEPENDENCIES].pool) as db:
        project, level = await visible_project(request, db=db)
        if "/" in request.match_info["id"]:
            project = await store.newest_replacement(db, project) or project
        job = await jobs.newest(db, project.id, JobKind.IMPORT)
        failed = await failed_relations.newest(db, job, limit=_MOST_FAILURES) if job else []
    return json_response(import_status(project, job, failed, maintains=level >= AccessLevel.MAINTAINER))
