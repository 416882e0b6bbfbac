"""Exports of a project, and their download."""

from __future__ import annotations

from aiohttp import web

from services.api import exports, rate_limits
from services.api.bodies import parameters
from services.api.dependencies import DEPENDENCIES
from services.api.downloads import require_stored, send
from services.api.entities import export_status
from services.api.errors import NotFound, Refused
from services.api.permissions import administered_project
from services.api.ranges import continues
from services.api.responses import CORRELATION_ID, accepted, json_response
from shared.accounts.models import User
from shared.jobs.outbox import announce
from shared.projects import archives
from shared.projects.models import Project


async def _exportable(request: web.Request) -> tuple[Project, User]:
    if not request.app[DEPENDENCIES].config.export_enabled:
        raise NotFound
    return await administered_project(request)


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/export."""
    dependencies = request.app[DEPENDENCIES]
    project, caller = await _exportable(request)
    order, url = exports.read_order(await parameters(request))
    limit = dependencies.config.project_export_limit
    await rate_limits.count(dependencies.pool, f"project_export:{caller.id}", limit=limit)
    await exports.refuse_upload(dependencies.pool, caller, project, url=url)
    job = await exports.request_export(
        dependencies, caller, project, order=order, correlation_id=request[CORRELATION_ID]
    )
    if job is not None:
        await announce(dependencies.pool, dependencies.broker, job)
    return accepted()


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id/export."""
    dependencies = request.app[DEPENDENCIES]
    project, caller = await _exportable(request)
    status = await exports.export_status(dependencies.pool, caller, project)
    return json_response(export_status(project, status, external_url=dependencies.config.external_url))


async def download(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/export/download."""
    dependencies = request.app[DEPENDENCIES]
    project, caller = await _exportable(request)
    await _count_download(request, project, caller)
    archive = await archives.find(dependencies.pool, project_id=project.id, user_id=caller.id)
    if archive is None:
        raise Refused(404, "404 Not found or has expired")
    await require_stored(dependencies.store, archive)
    return await send(request, dependencies.store, archive)


async def _count_download(request: web.Request, project: Project, caller: User) -> None:
    """Count what begins a download: not a look at its head, nor what goes on with one."""
    if request.method == "HEAD" or continues(request.headers):
        return
    dependencies = request.app[DEPENDENCIES]
    key = f"project_download_export:{caller.id}:{project.namespace.id}"
    await rate_limits.count(dependencies.pool, key, limit=dependencies.config.project_download_export_limit)
