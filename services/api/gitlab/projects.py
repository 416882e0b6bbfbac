"""Projects: as much of them as clients of import and export ask for."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api import changes, creation
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.entities import full_project, import_error, import_status, simple_project
from services.api.http.bodies import parameters
from services.api.http.errors import Forbidden
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import boolean
from services.api.http.responses import accepted, json_response
from services.api.middleware.identify import find_caller, require_caller
from services.api.permissions import visible_project
from services.api.project_content import repository_facts, statistics_of
from services.api.project_queries import read_query
from shared.accounts.models import AccessLevel, Namespace
from shared.jobs import store as jobs
from shared.jobs.models import JobKind
from shared.projects import store
from shared.projects.models import Project


async def index(request: web.Request) -> web.Response:
    """GET /projects."""
    return await list_answer(request, None)


async def list_answer(request: web.Request, group: Namespace | None) -> web.Response:
    """Answer with the projects that the query asks for, all or those of a group."""
    dependencies = request.app[DEPENDENCIES]
    caller = find_caller(request)
    entity = simple_project if boolean(request.query.get("simple")) else full_project
    page = page_of(request)
    query = read_query(request.query, page, namespace_id=group.id if group else None)
    found = await store.list_projects(dependencies.pool, caller, query)
    return page_response(request, page, found, partial(entity, external_url=dependencies.config.external_url))


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id."""
    return await _answer(request, *await visible_project(request))


async def _answer(
    request: web.Request, project: Project, level: AccessLevel, *, status: int = 200
) -> web.Response:
    dependencies = request.app[DEPENDENCIES]
    job = await jobs.newest(dependencies.pool, project.id, JobKind.IMPORT)
    maintains = level >= AccessLevel.MAINTAINER
    imported = import_status(project, job, [], maintains=maintains)
    entity = full_project(project, external_url=dependencies.config.external_url)
    content = await repository_facts(dependencies, project)
    if boolean(request.query.get("statistics")) and level >= AccessLevel.REPORTER:
        content["statistics"] = await statistics_of(dependencies, project)
    return json_response(
        entity
        | content
        | {key: imported[key] for key in ("import_status", "import_type")}
        | {"import_error": import_error(job, maintains=maintains)},
        status=status,
    )


async def create(request: web.Request) -> web.Response:
    """POST /projects."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    wanted = creation.read_project(await parameters(request))
    project = await creation.create_project(dependencies.pool, caller, wanted)
    return json_response(full_project(project, external_url=dependencies.config.external_url), status=201)


async def update(request: web.Request) -> web.Response:
    """PUT /projects/:id."""
    require_caller(request)
    project, level = await visible_project(request)
    wanted = changes.read_project_changes(await parameters(request))
    changed = await changes.change_project(request.app[DEPENDENCIES].pool, project, level, wanted)
    return await _answer(request, changed, level)


async def archive(request: web.Request) -> web.Response:
    """POST /projects/:id/archive."""
    return await _set_archived(request, archived=True)


async def unarchive(request: web.Request) -> web.Response:
    """POST /projects/:id/unarchive."""
    return await _set_archived(request, archived=False)


async def _set_archived(request: web.Request, *, archived: bool) -> web.Response:
    require_caller(request)
    project, level = await visible_project(request)
    pool = request.app[DEPENDENCIES].pool
    changed = await changes.archive_project(pool, project, level, archived=archived)
    return await _answer(request, changed, level, status=201)


async def delete(request: web.Request) -> web.Response:
    """DELETE /projects/:id."""
    require_caller(request)
    project, level = await visible_project(request)
    if level < AccessLevel.OWNER:
        raise Forbidden
    await store.delete(request.app[DEPENDENCIES].pool, project.id)
    return accepted()
