"""Exports of a project, and their download."""

from __future__ import annotations

from aiohttp import web

from services.api import exports, rate_limits
from services.api.application_settings import settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.export_size import refuse_size
from services.api.gitlab.entities import export_status
from services.api.http.bodies import parameters
from services.api.http.downloads import archive_download, require_stored, send
from services.api.http.errors import Refused
from services.api.http.ranges import continues
from services.api.http.responses import accepted, job_header, json_response
from services.api.origin import origin_of
from services.api.permissions import administered_project
from shared.accounts.models import User
from shared.exports import archives
from shared.jobs.outbox import announce
from shared.ledger import objects
from shared.projects.models import Project

_MISSING = "The project export file is not available yet"


async def _exportable(request: web.Request) -> tuple[Project, User]:
    exports.require_enabled(await settings_for(request))
    return await administered_project(request)


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/export."""
    dependencies = request.app[DEPENDENCIES]
    project, caller = await _exportable(request)
    order = exports.read_order(await parameters(request))
    settings = await settings_for(request)
    await rate_limits.count(request, "project_export", caller.id, limit=settings.project_export_limit)
    await exports.refuse_upload(dependencies.pool, caller, project, target=order.upload)
    await refuse_size(dependencies.pool, caller, project, limit=settings.max_export_size)
    async with dependencies.pool.acquire() as db:
        job, is_new = await exports.request_export(
            db, caller, project, order=order, origin=origin_of(request)
        )
    if is_new:
        await announce(dependencies.pool, dependencies.broker, job)
    return accepted(headers=job_header(job))


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
    await require_stored(dependencies.store, archive.key, message=_MISSING)
    async with objects.keep(
        dependencies.pool, archive.object_id
    ):  # a new export may take its place meanwhile
        return await send(request, archive_download(dependencies.store, archive))


async def _count_download(request: web.Request, project: Project, caller: User) -> None:
    """Count what begins a download: not a look at its head, nor what goes on with one."""
    if request.method == "HEAD" or continues(request.headers):
        return
    limit = (await settings_for(request)).project_download_export_limit
    await rate_limits.count(request, "project_download_export", caller.id, project.namespace.id, limit=limit)
