"""Imports of single relations into projects that are there."""

from __future__ import annotations

from aiohttp import web

from services.api import relation_imports
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.imports import received
from services.api.http.errors import Forbidden
from services.api.http.responses import job_header, json_response
from services.api.middleware.identify import require_caller
from services.api.permissions import visible_project
from shared.accounts.models import AccessLevel
from shared.database.pool import one_moment
from shared.jobs import store as jobs
from shared.jobs.models import JobKind
from shared.jobs.outbox import announce


async def create(request: web.Request) -> web.Response:
    """POST /projects/import-relation."""
    dependencies = request.app[DEPENDENCIES]
    async with received(request, relation_imports.read_upload) as (caller, wanted):
        project, job = await relation_imports.schedule(request, caller, wanted)
    await announce(dependencies.pool, dependencies.broker, job)
    return json_response(relation_imports.tracker(project, job), status=201, headers=job_header(job))


async def index(request: web.Request) -> web.Response:
    """GET /projects/:id/relation-imports."""
    require_caller(request)
    async with one_moment(request.app[DEPENDENCIES].pool) as db:
        project, level = await visible_project(request, db=db)
        if level < AccessLevel.MAINTAINER:
            raise Forbidden("Project")
        found = await jobs.all_of(db, project.id, JobKind.RELATION_IMPORT)
    return json_response([relation_imports.tracker(project, job) for job in found])
