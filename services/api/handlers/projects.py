"""Projects: as much of them as clients of import and export ask for."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api import creation
from services.api.authentication import require_caller
from services.api.bodies import parameters
from services.api.checks import Checker
from services.api.dependencies import DEPENDENCIES
from services.api.entities import full_project, import_error, import_status, simple_project
from services.api.errors import Forbidden
from services.api.pagination import Page, page_of, page_response
from services.api.permissions import visible_project
from services.api.responses import accepted, json_response
from shared.accounts.models import AccessLevel
from shared.jobs import store as jobs
from shared.jobs.models import JobKind
from shared.projects import store
from shared.projects.store import ProjectQuery


async def index(request: web.Request) -> web.Response:
    """GET /projects."""
    dependencies = request.app[DEPENDENCIES]
    checker = Checker(request.query)
    entity = simple_project if checker.boolean("simple") else full_project
    page = page_of(request)
    found = await store.list_projects(dependencies.pool, require_caller(request), _query(checker, page))
    return page_response(request, page, found, partial(entity, external_url=dependencies.config.external_url))


def _query(checker: Checker, page: Page) -> ProjectQuery:
    minimum = AccessLevel.OWNER if checker.boolean("owned") else AccessLevel.NONE
    if not minimum and checker.boolean("membership"):
        minimum = AccessLevel.GUEST
    search = checker.text("search")
    checker.finish()
    return ProjectQuery(minimum=minimum, search=search, limit=page.size, offset=page.offset)


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id."""
    dependencies = request.app[DEPENDENCIES]
    project, level = await visible_project(request)
    job = await jobs.newest(dependencies.pool, project.id, JobKind.IMPORT)
    maintains = level >= AccessLevel.MAINTAINER
    status = import_status(project, job, [], maintains=maintains)
    entity = full_project(project, external_url=dependencies.config.external_url)
    return json_response(
        entity
        | {key: status[key] for key in ("import_status", "import_type")}
        | {"import_error": import_error(job, maintains=maintains)}
    )


async def create(request: web.Request) -> web.Response:
    """POST /projects."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    wanted = creation.read_project(await parameters(request))
    project = await creation.create_project(dependencies.pool, caller, wanted)
    return json_response(full_project(project, external_url=dependencies.config.external_url), status=201)


async def delete(request: web.Request) -> web.Response:
    """DELETE /projects/:id."""
    require_caller(request)
    project, level = await visible_project(request)
    if level < AccessLevel.OWNER:
        raise Forbidden
    await store.delete(request.app[DEPENDENCIES].pool, project.id)
    return accepted()
