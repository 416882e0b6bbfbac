"""Namespaces and groups."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api import creation
from services.api.authentication import require_caller
from services.api.bodies import parameters
from services.api.dependencies import DEPENDENCIES
from services.api.entities import group_entity, namespace_entity
from services.api.errors import NotFound
from services.api.pagination import page_of, page_response
from services.api.permissions import visible_namespace
from services.api.responses import json_response
from shared.accounts.models import NamespaceKind
from shared.accounts.namespaces import NamespaceQuery, list_namespaces


async def index(request: web.Request) -> web.Response:
    """GET /namespaces."""
    return await _list(request, kind=None)


async def index_groups(request: web.Request) -> web.Response:
    """GET /groups."""
    return await _list(request, kind=NamespaceKind.GROUP)


async def _list(request: web.Request, *, kind: NamespaceKind | None) -> web.Response:
    dependencies = request.app[DEPENDENCIES]
    page = page_of(request)
    query = NamespaceQuery(kind=kind, search=request.query.get("search"), limit=page.size, offset=page.offset)
    found = await list_namespaces(dependencies.pool, require_caller(request), query)
    entity = group_entity if kind else namespace_entity
    return page_response(request, page, found, partial(entity, external_url=dependencies.config.external_url))


async def show(request: web.Request) -> web.Response:
    """GET /namespaces/:id."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    namespace, _ = await visible_namespace(dependencies.pool, caller, request.match_info["id"])
    return json_response(namespace_entity(namespace, external_url=dependencies.config.external_url))


async def show_group(request: web.Request) -> web.Response:
    """GET /groups/:id."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    group, _ = await visible_namespace(dependencies.pool, caller, request.match_info["id"], resource="Group")
    if group.kind is not NamespaceKind.GROUP:
        raise NotFound("Group")
    return json_response(group_entity(group, external_url=dependencies.config.external_url))


async def create_group(request: web.Request) -> web.Response:
    """POST /groups."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    wanted = creation.read_group(await parameters(request))
    group = await creation.create_owned_group(dependencies.pool, caller, wanted)
    return json_response(group_entity(group, external_url=dependencies.config.external_url), status=201)
