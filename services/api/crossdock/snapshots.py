"""Open snapshots, which other systems fill, for maintainers of their projects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec
from aiohttp import web

from services.api.crossdock.snapshot_entities import entry_entity, snapshot_entity
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.http.places import holder_of
from services.api.http.responses import external_url, json_response
from services.api.http.streams import json_list
from services.api.use_cases import use_cases
from shared.pushes.store import Push
from shared.usecases.pushes import PushReference

_CONTENTS = ("empty", "current")


async def find_push(request: web.Request) -> Push:
    """Return the snapshot of the address. Raises NotFound, and Denied if the caller is no maintainer."""
    number = integer(request.match_info["snapshot_id"]) or 0
    reference = PushReference(project=request.match_info["id"], number=number)
    return await use_cases(request).pushes.show(find_caller(request), reference)


async def index(request: web.Request) -> web.Response:
    """GET /projects/:id/snapshots: the open snapshots (about 20 at most)."""
    found = await use_cases(request).pushes.list(find_caller(request), request.match_info["id"])
    return json_response([snapshot_entity(each) for each in found])


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/snapshots."""
    pushes = use_cases(request).pushes
    project_id = await pushes.find_project(find_caller(request), request.match_info["id"])
    push = await pushes.open(project_id, with_content=_read_content(await parameters(request)) == "current")
    address = f"/api/crossdock/v1/projects/{project_id}/snapshots/{push.id}"
    location = {"Location": f"{external_url(request)}{address}"}
    return json_response(snapshot_entity(push), status=201, headers=location)


def _read_content(given: Mapping[str, object]) -> str | None:
    """Read the initial content of a snapshot. Raises ParametersInvalid."""
    reader = ParameterReader(given)
    content = reader.choice("from", _CONTENTS)
    reader.finish()
    return content


async def show(request: web.Request) -> web.Response:
    """GET /projects/:id/snapshots/:snapshot_id."""
    return json_response(snapshot_entity(await find_push(request)))


async def entries(request: web.Request) -> web.StreamResponse:
    """GET /projects/:id/snapshots/:snapshot_id/entries: all entries, sorted by name."""
    push = await find_push(request)
    return await json_list(request, _entries(request, push), headers={})


async def _entries(request: web.Request, push: Push) -> AsyncIterator[bytes]:
    async for placed in use_cases(request).pushes.entries(push):
        yield msgspec.json.encode(entry_entity(placed))


async def delete(request: web.Request) -> web.Response:
    """DELETE /projects/:id/snapshots/:snapshot_id: discards an open snapshot."""
    await use_cases(request).pushes.discard(await find_push(request))
    return web.Response(status=204)


async def commit(request: web.Request) -> web.Response:
    """POST /projects/:id/snapshots/:snapshot_id/commit."""
    push = await find_push(request)
    reader = ParameterReader(await parameters(request))
    force = reader.boolean("force", default=False)
    reader.finish()
    committed = await use_cases(request).pushes.commit(
        find_caller(request), push, force=bool(force), holder=holder_of(request)
    )
    return json_response(snapshot_entity(committed))
