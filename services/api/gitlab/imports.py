"""Imports of archives into new projects, and of relations into existing projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from services.api.gitlab.entities import import_status, relation_import
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.imports import (
    read_relation_upload,
    read_remote,
    read_s3,
    read_upload,
)
from services.api.gitlab.requests.projects import read_git_import
from services.api.gitlab.upload_forms import receive_upload
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller
from services.api.http.large_fields import read_fields
from services.api.http.responses import job_header, json_response
from services.api.use_cases import use_cases
from shared.accounts.models import AccessLevel
from shared.errors import Denied
from shared.usecases.archive_sources import ArchiveSource
from shared.usecases.imports import ImportRequest, ScheduledJob


async def create(request: web.Request) -> web.Response:
    """POST /projects/import."""
    async with receive_upload(request, read_upload) as (caller, (import_request, archive)):
        imports = use_cases(request).imports
        scheduled = await imports.schedule(caller, import_request, archive, origin=origin_of(request))
    return _import_answer(scheduled)


async def create_remote(request: web.Request) -> web.Response:
    """POST /projects/remote-import. Some clients (gitbeaker) send requests for S3 here."""
    return await _create_remote(request, read_remote)


async def create_from_s3(request: web.Request) -> web.Response:
    """POST /projects/remote-import-s3."""
    return await _create_remote(request, read_s3)


async def _create_remote(
    request: web.Request, read: Callable[[Mapping[str, object]], tuple[ImportRequest, ArchiveSource]]
) -> web.Response:
    caller = require_caller(request)
    given = await parameters(request)
    import_request, source = await read_fields(read, given, given)
    imports = use_cases(request).remote_imports
    return _import_answer(await imports.schedule(caller, import_request, source, origin=origin_of(request)))


async def create_from_git(request: web.Request) -> web.Response:
    """POST /projects/:id/import/git."""
    caller, url = require_caller(request), read_git_import(await parameters(request))
    imports = use_cases(request).git_imports
    return _import_answer(
        await imports.fill(caller, request.match_info["id"], url, origin=origin_of(request))
    )


def _import_answer(scheduled: ScheduledJob) -> web.Response:
    entity = import_status(scheduled.project, scheduled.job, [], maintains=True)
    return json_response(entity, status=201, headers=job_header(scheduled.job))


async def create_relation(request: web.Request) -> web.Response:
    """POST /projects/import-relation."""
    async with receive_upload(request, read_relation_upload) as (caller, import_request):
        imports = use_cases(request).relation_imports
        scheduled = await imports.schedule(caller, import_request, origin=origin_of(request))
    entity = relation_import(scheduled.project, scheduled.job)
    return json_response(entity, status=201, headers=job_header(scheduled.job))


async def authorize(request: web.Request) -> web.Response:
    """POST /projects/import/authorize, also for relations: only GitLab's own proxy may request this."""
    require_caller(request)
    raise Denied


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id/import."""
    found = await use_cases(request).imports.status(find_caller(request), request.match_info["id"])
    maintains = found.level >= AccessLevel.MAINTAINER
    entity = import_status(found.project, found.job, found.failed, maintains=maintains, stats=found.stats)
    return json_response(entity)


async def relation_imports(request: web.Request) -> web.Response:
    """GET /projects/:id/relation-imports."""
    imports = use_cases(request).relation_imports
    found = await imports.list(find_caller(request), request.match_info["id"])
    return json_response([relation_import(found.project, job) for job in found.jobs])
