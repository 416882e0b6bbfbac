"""Snapshots that other systems fill, to the maintainers of their projects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from services.api.crossdock import commits
from services.api.crossdock.commits import ImportUnfinished
from services.api.crossdock.refusals import refusals
from services.api.crossdock.snapshot_entities import entry_entity, snapshot_entity
from services.api.dependencies import DEPENDENCIES
from services.api.http import bodies
from services.api.http.errors import NotFound
from services.api.http.parameters import Checker, integer
from services.api.http.responses import json_response
from services.api.http.streams import json_list
from services.api.middleware.identify import require_caller
from services.api.permissions import administered_project, project_level
from services.api.relation_imports import is_importing
from shared.pushes import store
from shared.pushes.store import Push
from shared.snapshots import index as snapshot_index

_CONTENTS = ("empty", "current")


async def addressed(request: web.Request) -> Push:
    """Give the snapshot of the address. Raises 404, and 403 for who is no maintainer of its project."""
    require_caller(request)
    project, _ = await administered_project(request)
    number = integer(request.match_info["snapshot_id"]) or 0
    push = await store.find(request.app[DEPENDENCIES].pool, project.id, number)
    if push is None:
        raise NotFound("Snapshot")
    return push


async def index(request: web.Request) -> web.Response:
    """GET /projects/:id/snapshots: those that are open, 20 at the most or a few more."""
    require_caller(request)
    project, _ = await administered_project(request)
    found = await store.all_open(request.app[DEPENDENCIES].pool, project.id)
    return json_response([snapshot_entity(each) for each in found])


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/snapshots."""
    require_caller(request)
    project, _ = await administered_project(request)
    checker = Checker(await bodies.parameters(request))
    content = checker.choice("from", _CONTENTS)
    checker.finish()
    dependencies = request.app[DEPENDENCIES]
    async with dependencies.pool.acquire() as db, db.transaction():
        if await is_importing(db, project.id):
            raise ImportUnfinished
        with refusals():
            push = await store.open_push(
                db, project.id, with_content=content == "current",
                idle=dependencies.config.open_snapshot_retention,
            )  # fmt: skip
    address = f"/api/crossdock/v1/projects/{project.id}/snapshots/{push.id}"
    location = {"Location": f"{dependencies.config.external_url}{address}"}
    return json_response(snapshot_entity(push), status=201, headers=location)


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id/snapshots/:snapshot_id."""
    return json_response(snapshot_entity(await addressed(request)))


async def entries(request: web.Request) -> web.StreamResponse:
    """GET /projects/:id/snapshots/:snapshot_id/entries: all of them, in the order of their names."""
    push = await addressed(request)
    return await json_list(request, _entries(request, push), headers={})


async def _entries(request: web.Request, push: Push) -> AsyncIterator[bytes]:
    async for placed in snapshot_index.entries(request.app[DEPENDENCIES].pool, push.id):
        yield msgspec.json.encode(entry_entity(placed))


async def delete(request: web.Request) -> web.Response:
    """DELETE /projects/:id/snapshots/:snapshot_id: throw an open one away."""
    push = await addressed(request)
    with refusals():
        await store.discard(request.app[DEPENDENCIES].pool, push)
    return web.Response(status=204)


async def commit(request: web.Request) -> web.Response:
    """POST /projects/:id/snapshots/:snapshot_id/commit."""
    push = await addressed(request)
    checker = Checker(await bodies.parameters(request))
    force = checker.boolean("force", default=False)
    checker.finish()
    dependencies = request.app[DEPENDENCIES]
    project, caller = await administered_project(request)
    level = await project_level(dependencies.pool, caller, project)
    with refusals():
        committed = await commits.commit(dependencies, push, level=level, force=bool(force))
    return json_response(snapshot_entity(committed))
