"""Imports from GitHub."""

from __future__ import annotations

from aiohttp import web

from services.api.gitlab.entities import github_import
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.github_imports import (
    read_canceled_project,
    read_github_import,
    require_token,
)
from services.api.http.bodies import parameters
from services.api.http.caller import require_caller
from services.api.http.large_fields import read_fields
from services.api.http.responses import job_header, json_response
from services.api.use_cases import use_cases
from shared.errors import Denied


async def create(request: web.Request) -> web.Response:
    """POST /import/github."""
    caller, given = require_caller(request), await parameters(request)
    wanted = await read_fields(read_github_import, given, given)
    imports = use_cases(request).github_imports
    scheduled = await imports.create(caller, wanted, origin=origin_of(request))
    entity = github_import(scheduled.project, scheduled.job)
    return json_response(entity, status=201, headers=job_header(scheduled.job))


async def cancel(request: web.Request) -> web.Response:
    """POST /import/github/cancel."""
    caller, project_id = require_caller(request), read_canceled_project(await parameters(request))
    canceled = await use_cases(request).github_imports.cancel(caller, project_id)
    entity = github_import(canceled.project, canceled.job)
    return json_response(entity, headers=job_header(canceled.job))


async def create_gists(request: web.Request) -> web.Response:
    """POST /import/github/gists: they would become snippets of the user, which nobody may create here."""
    require_caller(request)
    require_token(await parameters(request))
    raise Denied
