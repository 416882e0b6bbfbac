"""Projects: the routes and attributes that clients of imports and exports use."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api.gitlab.entities import full_project, imported_project, project_details, simple_project
from services.api.gitlab.job_origin import origin_of
from services.api.gitlab.requests.projects import (
    read_import_url,
    read_project,
    read_project_changes,
    read_project_query,
)
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import boolean
from services.api.http.responses import accepted_response, external_url, job_header, json_response
from services.api.use_cases import use_cases
from shared.accounts.models import Namespace
from shared.usecases.projects import ProjectDetails


async def index(request: web.Request) -> web.Response:
    """GET /projects."""
    return await list_answer(request, None)


async def list_answer(request: web.Request, group: Namespace | None) -> web.Response:
    """Respond with the projects that match the query: of a group, or of all."""
    entity = simple_project if boolean(request.query.get("simple")) else full_project
    page = page_of(request)
    query = read_project_query(request.query, page, namespace_id=group.id if group else None)
    found = await use_cases(request).projects.list(find_caller(request), query)
    return page_response(request, page, found, partial(entity, external_url=external_url(request)))


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id."""
    caller, reference = find_caller(request), request.match_info["id"]
    details = await use_cases(request).projects.show(
        caller, reference, with_statistics=_with_statistics(request)
    )
    return _answer(request, details)


async def create(request: web.Request) -> web.Response:
    """POST /projects."""
    caller, given = require_caller(request), await parameters(request)
    wanted, url = read_project(given), read_import_url(given)
    if url is not None:
        imports = use_cases(request).git_imports
        scheduled = await imports.create(caller, wanted, url, origin=origin_of(request))
        entity = imported_project(scheduled, external_url=external_url(request))
        return json_response(entity, status=201, headers=job_header(scheduled.job))
    project = await use_cases(request).projects.create(caller, wanted)
    return json_response(full_project(project, external_url=external_url(request)), status=201)


async def update(request: web.Request) -> web.Response:
    """PUT /projects/:id."""
    projects = use_cases(request).projects
    found = await projects.find_to_change(find_caller(request), request.match_info["id"])
    changes = read_project_changes(await parameters(request))
    return _answer(request, await projects.change(found, changes, with_statistics=_with_statistics(request)))


async def archive(request: web.Request) -> web.Response:
    """POST /projects/:id/archive."""
    return await _set_archived(request, archived=True)


async def unarchive(request: web.Request) -> web.Response:
    """POST /projects/:id/unarchive."""
    return await _set_archived(request, archived=False)


async def _set_archived(request: web.Request, *, archived: bool) -> web.Response:
    details = await use_cases(request).projects.archive(
        find_caller(request), request.match_info["id"], archived=archived,
        with_statistics=_with_statistics(request),
    )  # fmt: skip
    return _answer(request, details, status=201)


async def delete(request: web.Request) -> web.Response:
    """DELETE /projects/:id."""
    await use_cases(request).projects.delete(find_caller(request), request.match_info["id"])
    return accepted_response()


def _with_statistics(request: web.Request) -> bool:
    return bool(boolean(request.query.get("statistics")))


def _answer(request: web.Request, details: ProjectDetails, *, status: int = 200) -> web.Response:
    return json_response(project_details(details, external_url=external_url(request)), status=status)
