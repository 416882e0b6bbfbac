"""Groups, and what is in them."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api import changes, creation
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.entities import group_entity
from services.api.gitlab.projects import list_answer
from services.api.http.bodies import parameters
from services.api.http.errors import Forbidden
from services.api.http.pagination import Page, page_of, page_response
from services.api.http.parameters import Checker
from services.api.http.responses import accepted, json_response
from services.api.middleware.identify import find_caller, require_caller
from services.api.permissions import visible_group
from shared.accounts.groups import delete_group
from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, User
from shared.accounts.namespaces import NamespaceOrder, NamespaceQuery, list_namespaces
from shared.accounts.visibility import lowest_visible


async def index(request: web.Request) -> web.Response:
    """GET /groups: one's own, all that are visible with ``all_available`` or for a stranger."""
    return await _list(request, parent_id=None)


async def subgroups(request: web.Request) -> web.Response:
    """GET /groups/:id/subgroups."""
    group, _ = await _of_address(request)
    return await _list(request, parent_id=group.id)


async def _list(request: web.Request, *, parent_id: int | None) -> web.Response:
    dependencies = request.app[DEPENDENCIES]
    page = page_of(request)
    caller = find_caller(request)
    query = _query(request, caller, page, parent_id=parent_id)
    found = await list_namespaces(dependencies.pool, caller, query)
    entity = partial(group_entity, external_url=dependencies.config.external_url)
    return page_response(request, page, found, entity)


def _query(request: web.Request, caller: User | None, page: Page, *, parent_id: int | None) -> NamespaceQuery:
    checker = Checker(request.query)
    level = AccessLevel.OWNER if checker.boolean("owned") else checker.level("min_access_level")
    all_available = checker.boolean("all_available", default=caller is None) and not level
    query = NamespaceQuery(
        kind=NamespaceKind.GROUP,
        search=checker.text("search"),
        minimum=level,
        visible=lowest_visible(signed_in=caller is not None) if all_available else None,
        parent_id=parent_id,
        top=checker.boolean("top_level_only") or False,
        order=NamespaceOrder.NAME,
        limit=page.size,
        offset=page.offset,
    )
    checker.finish()
    return query


async def show(request: web.Request) -> web.Response:
    """GET /groups/:id."""
    group, _ = await _of_address(request)
    return _answer(request, group)


async def projects(request: web.Request) -> web.Response:
    """GET /groups/:id/projects."""
    group, _ = await _of_address(request)
    return await list_answer(request, group)


async def create(request: web.Request) -> web.Response:
    """POST /groups."""
    caller = require_caller(request)
    wanted = creation.read_group(await parameters(request))
    group = await creation.create_owned_group(request.app[DEPENDENCIES].pool, caller, wanted)
    return _answer(request, group, status=201)


async def update(request: web.Request) -> web.Response:
    """PUT /groups/:id."""
    require_caller(request)
    group, level = await _of_address(request)
    wanted = changes.read_group_changes(await parameters(request))
    pool = request.app[DEPENDENCIES].pool
    return _answer(request, await changes.change_owned_group(pool, group, level, wanted))


async def delete(request: web.Request) -> web.Response:
    """DELETE /groups/:id."""
    require_caller(request)
    group, level = await _of_address(request)
    if level < AccessLevel.OWNER:
        raise Forbidden
    await delete_group(request.app[DEPENDENCIES].pool, group.id)
    return accepted()


async def _of_address(request: web.Request) -> tuple[Namespace, AccessLevel]:
    caller = find_caller(request)
    return await visible_group(request.app[DEPENDENCIES].pool, caller, request.match_info["id"])


def _answer(request: web.Request, group: Namespace, *, status: int = 200) -> web.Response:
    entity = group_entity(group, external_url=request.app[DEPENDENCIES].config.external_url)
    return json_response(entity, status=status)
