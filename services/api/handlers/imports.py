"""Imports of archives into new projects."""

from __future__ import annotations

from aiohttp import web

from services.api import imports, rate_limits
from services.api.authentication import require_caller
from services.api.dependencies import DEPENDENCIES
from services.api.entities import import_status
from services.api.errors import Forbidden
from services.api.intake import receive, require_size
from services.api.permissions import visible_project
from services.api.responses import CORRELATION_ID, json_response
from shared.accounts.models import AccessLevel, User
from shared.database.pool import one_moment
from shared.jobs import store as jobs
from shared.jobs.models import JobKind
from shared.jobs.outbox import announce
from shared.projects import failed_relations, store

_MOST_FAILURES = 100


async def create(request: web.Request) -> web.Response:
    """POST /projects/import."""
    dependencies = request.app[DEPENDENCIES]
    caller = await _admit(request)
    async with receive(request) as form:
        project, job = await imports.schedule(
            dependencies, caller, imports.read_request(form), correlation_id=request[CORRELATION_ID]
        )
    await announce(dependencies.pool, dependencies.broker, job)
    return json_response(import_status(project, job, [], maintains=True), status=201)


async def _admit(request: web.Request) -> User:
    """Check what needs no body, so that it is refused before it is sent."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    if not dependencies.config.import_enabled:
        raise Forbidden
    require_size(request)
    limit = dependencies.config.project_import_limit
    await rate_limits.count(dependencies.pool, f"project_import:{caller.id}", limit=limit)
    return caller


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
