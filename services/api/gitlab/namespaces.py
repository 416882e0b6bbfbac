"""Namespaces: users' own, and groups."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.entities import namespace_entity
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import Checker
from services.api.http.responses import json_response
from services.api.middleware.identify import require_caller
from services.api.permissions import visible_namespace
from shared.accounts.groups import free_path
from shared.accounts.namespaces import NamespaceQuery, list_namespaces


async def index(request: web.Request) -> web.Response:
    """GET /namespaces."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    page = page_of(request)
    checker = Checker(request.query)
    search, top = checker.text("search"), checker.boolean("top_level_only") or False
    checker.finish()
    query = NamespaceQuery(search=search, top=top, limit=page.size, offset=page.offset)
    found = await list_namespaces(dependencies.pool, caller, query)
    entity = partial(namespace_entity, external_url=dependencies.config.external_url)
    return page_response(request, page, found, entity)


async def show(request: web.Request) -> web.Response:
    """GET /namespaces/:id."""
    dependencies = request.app[DEPENDENCIES]
    caller = require_caller(request)
    namespace, _ = await visible_namespace(dependencies.pool, caller, request.match_info["id"])
    return json_response(namespace_entity(namespace, external_url=dependencies.config.external_url))


async def exists(request: web.Request) -> web.Response:
    """GET /namespaces/:id/exists: whether a path is taken, also by what the caller cannot see."""
    require_caller(request)
    checker = Checker(request.query)
    parent_id = checker.integer("parent_id")
    checker.finish()
    pool = request.app[DEPENDENCIES].pool
    free = await free_path(pool, request.match_info["id"], parent_id=parent_id)
    return json_response({"exists": free is not None, "suggests": [] if free is None else [free]})
