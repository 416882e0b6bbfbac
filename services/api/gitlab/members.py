"""Members of projects and of groups: the same for both, but for who may change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from services.api import membership
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.account_entities import member_entity
from services.api.http.bodies import parameters
from services.api.http.errors import Refused
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import Checker
from services.api.http.responses import json_response
from services.api.middleware.identify import require_caller
from services.api.permissions import visible_group, visible_project
from shared.accounts.members import Member, MemberQuery, MemberSource, find_member, list_members
from shared.accounts.models import AccessLevel

_Find = Callable[[web.Request], Awaitable[tuple[MemberSource, AccessLevel]]]


@dataclass(frozen=True, slots=True)
class MemberHandlers:
    """The routes below ``members``; ``find`` gives what the address is about and the caller's level there.

    Who has the level ``manager`` may change the members.
    """

    find: _Find
    manager: AccessLevel

    async def index(self, request: web.Request) -> web.Response:
        """GET .../members: direct ones."""
        return await self._list(request, inherited=False)

    async def index_all(self, request: web.Request) -> web.Response:
        """GET .../members/all: those of the groups above too."""
        return await self._list(request, inherited=True)

    async def _list(self, request: web.Request, *, inherited: bool) -> web.Response:
        dependencies = request.app[DEPENDENCIES]
        source, _ = await self.find(request)
        page = page_of(request)
        checker = Checker(request.query)
        search = checker.text("query")
        checker.finish()
        query = MemberQuery(inherited=inherited, search=search, limit=page.size, offset=page.offset)
        found = await list_members(dependencies.pool, source, query)
        entity = partial(member_entity, external_url=dependencies.config.external_url)
        return page_response(request, page, found, entity)

    async def show(self, request: web.Request) -> web.Response:
        """GET .../members/:user_id."""
        return await self._show(request, inherited=False)

    async def show_any(self, request: web.Request) -> web.Response:
        """GET .../members/all/:user_id."""
        return await self._show(request, inherited=True)

    async def _show(self, request: web.Request, *, inherited: bool) -> web.Response:
        source, _ = await self.find(request)
        return _answer(request, await _member(request, source, inherited=inherited))

    async def create(self, request: web.Request) -> web.Response:
        """POST .../members."""
        manager = await self._manager(request)
        pool = request.app[DEPENDENCIES].pool
        member = await membership.add(pool, manager, membership.read_new(await parameters(request)))
        return _answer(request, member, status=201)

    async def update(self, request: web.Request) -> web.Response:
        """PUT .../members/:user_id."""
        manager = await self._manager(request)
        wanted = membership.read_change(await parameters(request))
        member = await _member(request, manager.source)
        return _answer(
            request, await membership.change(request.app[DEPENDENCIES].pool, manager, member, wanted)
        )

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE .../members/:user_id; everybody may leave."""
        caller = require_caller(request)
        source, level = await self.find(request)
        member = await _member(request, source)
        needed = AccessLevel.NONE if member.user.id == caller.id else self.manager
        manager = membership.Manager(source=source, level=level, needed=needed)
        await membership.remove(request.app[DEPENDENCIES].pool, manager, member)
        return web.Response(status=204)

    async def _manager(self, request: web.Request) -> membership.Manager:
        require_caller(request)
        source, level = await self.find(request)
        manager = membership.Manager(source=source, level=level, needed=self.manager)
        manager.require()
        return manager


async def _member(request: web.Request, source: MemberSource, *, inherited: bool = False) -> Member:
    checker = Checker(request.match_info)
    user_id = checker.integer("user_id") or 0
    checker.finish()
    member = await find_member(request.app[DEPENDENCIES].pool, source, user_id, inherited=inherited)
    if member is None:
        raise Refused(404, "404 Not found")
    return member


def _answer(request: web.Request, member: Member, *, status: int = 200) -> web.Response:
    entity = member_entity(member, external_url=request.app[DEPENDENCIES].config.external_url)
    return json_response(entity, status=status)


async def _project(request: web.Request) -> tuple[MemberSource, AccessLevel]:
    project, level = await visible_project(request)
    namespace = project.namespace
    return (
        MemberSource(namespace_id=namespace.id, project_id=project.id, owner_id=namespace.owner_id),
        level,
    )


async def _group(request: web.Request) -> tuple[MemberSource, AccessLevel]:
    caller = require_caller(request)
    group, level = await visible_group(request.app[DEPENDENCIES].pool, caller, request.match_info["id"])
    return MemberSource(namespace_id=group.id), level


OF_PROJECT = MemberHandlers(_project, AccessLevel.MAINTAINER)
OF_GROUP = MemberHandlers(_group, AccessLevel.OWNER)
