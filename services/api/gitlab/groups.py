"""Groups, their projects and subgroups, and namespaces."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api.gitlab.entities import group_entity, namespace_entity
from services.api.gitlab.projects import list_answer
from services.api.gitlab.requests.projects import (
    read_group,
    read_group_changes,
    read_group_query,
    read_namespace_query,
    read_parent,
)
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller
from services.api.http.pagination import page_of, page_response
from services.api.http.responses import accepted_response, external_url, json_response
from services.api.use_cases import use_cases
from shared.accounts.models import Namespace


async def index(request: web.Request) -> web.Response:
    """GET /groups: the caller's, or all visible groups with ``all_available`` or without a caller."""
    return await _list(request, parent_id=None)


async def subgroups(request: web.Request) -> web.Response:
    """GET /groups/:id/subgroups."""
    group = await use_cases(request).groups.show(find_caller(request), request.match_info["id"])
    return await _list(request, parent_id=group.id)


async def descendants(request: web.Request) -> web.Response:
    """GET /groups/:id/descendant_groups."""
    group = await use_cases(request).groups.show(find_caller(request), request.match_info["id"])
    return await _list(request, parent_id=group.id, below=True)


async def _list(request: web.Request, *, parent_id: int | None, below: bool = False) -> web.Response:
    page, caller = page_of(request), find_caller(request)
    query = read_group_query(request.query, caller, page, parent_id=parent_id, below=below)
    found = await use_cases(request).groups.list(caller, query)
    return page_response(request, page, found, partial(group_entity, external_url=external_url(request)))


async def show(request: web.Request) -> web.Response:
    """GET /groups/:id."""
    group = await use_cases(request).groups.show(find_caller(request), request.match_info["id"])
    return _answer(request, group)


async def projects(request: web.Request) -> web.Response:
    """GET /groups/:id/projects."""
    group = await use_cases(request).groups.show(find_caller(request), request.match_info["id"])
    return await list_answer(request, group)


async def create(request: web.Request) -> web.Response:
    """POST /groups."""
    caller = require_caller(request)
    new_group = read_group(await parameters(request))
    return _answer(request, await use_cases(request).groups.create(caller, new_group), status=201)


async def update(request: web.Request) -> web.Response:
    """PUT /groups/:id."""
    groups = use_cases(request).groups
    found = await groups.find_to_change(find_caller(request), request.match_info["id"])
    return _answer(request, await groups.change(found, read_group_changes(await parameters(request))))


async def delete(request: web.Request) -> web.Response:
    """DELETE /groups/:id."""
    await use_cases(request).groups.delete(find_caller(request), request.match_info["id"])
    return accepted_response()


async def namespaces(request: web.Request) -> web.Response:
    """GET /namespaces."""
    caller, page = require_caller(request), page_of(request)
    found = await use_cases(request).groups.list(caller, read_namespace_query(request.query, page))
    return page_response(request, page, found, partial(namespace_entity, external_url=external_url(request)))


async def namespace(request: web.Request) -> web.Response:
    """GET /namespaces/:id."""
    found = await use_cases(request).groups.show_namespace(find_caller(request), request.match_info["id"])
    return json_response(namespace_entity(found, external_url=external_url(request)))


async def namespace_exists(request: web.Request) -> web.Response:
    """GET /namespaces/:id/exists: whether a path is taken, also by a namespace the caller cannot see."""
    caller, parent_id = require_caller(request), read_parent(request.query)
    free = await use_cases(request).groups.free_path(caller, request.match_info["id"], parent_id=parent_id)
    return json_response({"exists": free is not None, "suggests": [] if free is None else [free]})


def _answer(request: web.Request, group: Namespace, *, status: int = 200) -> web.Response:
    return json_response(group_entity(group, external_url=external_url(request)), status=status)
