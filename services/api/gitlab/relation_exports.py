"""Relation exports: what GitLab's direct transfer fetches, there only where an administrator allows it."""

from __future__ import annotations

from contextlib import aclosing

from aiohttp import web

from services.api import relation_exports, relation_files
from services.api.application_settings import settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.http.bodies import parameters
from services.api.http.downloads import send
from services.api.http.errors import NotFound
from services.api.http.parameters import Checker
from services.api.http.responses import accepted, json_response
from services.api.http.streams import json_list
from services.api.permissions import administered_project
from shared.accounts.models import User
from shared.exports.relation_exports import find
from shared.projects.models import Project


async def _transferable(request: web.Request) -> tuple[Project, User]:
    if not (await settings_for(request)).bulk_import_enabled:
        raise NotFound
    return await administered_project(request)


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/export_relations."""
    dependencies = request.app[DEPENDENCIES]
    project, caller = await _transferable(request)
    checker = Checker(await parameters(request))
    batched = checker.boolean("batched", default=False)
    checker.finish()
    await relation_exports.request_export(
        dependencies.pool, caller, project,
        batched=bool(batched), retention=(await settings_for(request)).retention,
    )  # fmt: skip
    return accepted()


async def show(request: web.Request) -> web.StreamResponse:
    """GET /projects/:id/export_relations/status."""
    pool = request.app[DEPENDENCIES].pool
    project, caller = await _transferable(request)
    relation = relation_exports.read_wanted(request.query)
    if relation is not None:
        export = await relation_exports.require_export(pool, caller, project)
        return json_response(await relation_exports.status(pool, export, relation))
    mine = await find(pool, project_id=project.id, user_id=caller.id)
    if mine is None:
        return json_response([])
    async with aclosing(relation_exports.statuses(pool, mine)) as statuses:
        return await json_list(request, statuses, headers={})


async def download(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/export_relations/download."""
    dependencies = request.app[DEPENDENCIES]
    project, caller = await _transferable(request)
    wanted = relation_files.read_wanted(request.query)
    export = await relation_exports.require_export(dependencies.pool, caller, project)
    return await send(request, await relation_files.relation_download(dependencies, export, wanted))
