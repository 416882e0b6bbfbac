"""Imports of archives that lie elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from services.api import imports, remote_imports
from services.api.application_settings import settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.imports import announced, count_import
from services.api.http.bodies import parameters
from services.api.middleware.identify import require_caller
from services.api.origin import origin_of
from services.api.remote_archives import RemoteArchives


async def create(request: web.Request) -> web.Response:
    """POST /projects/remote-import; some clients (gitbeaker) ask for S3 here."""
    return await _create(request, remote_imports.read)


async def create_from_s3(request: web.Request) -> web.Response:
    """POST /projects/remote-import-s3."""
    return await _create(request, remote_imports.read_s3)


async def _create(
    request: web.Request,
    read: Callable[[Mapping[str, object]], tuple[imports.ImportRequest, remote_imports.Find]],
) -> web.Response:
    """Check in GitLab's order: who asks, what for, which archive, and then where it goes."""
    caller = require_caller(request)
    wanted, find = read(await parameters(request))
    await count_import(request, caller)
    dependencies = request.app[DEPENDENCIES]
    await imports.look_ahead(dependencies.pool, caller, wanted)
    archives = RemoteArchives(dependencies.config.remote_imports, await settings_for(request))
    archive = imports.Archive(source=await find(archives))
    to = await imports.place(dependencies.pool, caller, wanted)
    async with dependencies.pool.acquire() as db:
        project, job = await imports.schedule(
            db, caller, wanted, to=to, archive=archive, origin=origin_of(request)
        )
    return await announced(request, project, job)
