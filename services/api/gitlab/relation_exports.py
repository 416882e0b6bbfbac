"""Relation exports, which GitLab's direct transfer fetches, if the application settings permit it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from aiohttp import web

from services.api.gitlab.entities import relation_status
from services.api.gitlab.requests.exports import read_batched, read_relation, read_relation_name, read_wanted
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.downloads import send_file
from services.api.http.responses import accepted_response, json_response
from services.api.http.streams import json_list
from services.api.use_cases import use_cases
from shared.accounts.models import User
from shared.usecases.relation_exports import RelationStatus


async def create(request: web.Request) -> web.Response:
    """POST /projects/:id/export_relations."""
    exports = use_cases(request).relation_exports
    transferable = await exports.find_exportable(*_read_address(request))
    await exports.schedule(transferable, batched=read_batched(await parameters(request)))
    return accepted_response()


async def show(request: web.Request) -> web.StreamResponse:
    """GET /projects/:id/export_relations/status."""
    exports = use_cases(request).relation_exports
    transferable = await exports.find_exportable(*_read_address(request))
    relation = read_relation_name(request.query)
    if relation is None:
        return await _show_all(request, await exports.list_statuses(transferable))
    return json_response(relation_status(await exports.status(transferable, relation)))


async def _show_all(
    request: web.Request, statuses: AsyncGenerator[RelationStatus, None] | None
) -> web.StreamResponse:
    if statuses is None:
        return json_response([])
    async with aclosing(statuses), aclosing(_encode_statuses(statuses)) as items:
        return await json_list(request, items, headers={})


async def download(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/export_relations/download."""
    exports = use_cases(request).relation_exports
    transferable = await exports.find_exportable(*_read_address(request))
    wanted, relation = read_wanted(request), read_relation(request.query)
    async with exports.download(transferable, relation, wanted=wanted) as file:
        return await send_file(request, file)


async def _encode_statuses(statuses: AsyncGenerator[RelationStatus, None]) -> AsyncGenerator[bytes, None]:
    async for each in statuses:
        yield msgspec.json.encode(relation_status(each))


def _read_address(request: web.Request) -> tuple[User | None, str]:
    return find_caller(request), request.match_info["id"]
