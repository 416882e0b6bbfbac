"""Members of projects and of groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from services.api.gitlab.account_entities import member_entity
from services.api.gitlab.requests.accounts import (
    read_id,
    read_member_change,
    read_member_query,
    read_new_member,
)
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.pagination import page_of, page_response
from services.api.http.responses import external_url, json_response
from services.api.use_cases import UseCases, use_cases
from shared.accounts.members import Member
from shared.usecases.members import Members


@dataclass(frozen=True, slots=True)
class MemberHandlers:
    """The handlers of the routes below ``members``. ``choose`` selects the use case: projects or groups."""

    choose: Callable[[UseCases], Members]

    async def index(self, request: web.Request) -> web.Response:
        """GET .../members: direct members."""
        return await self._list(request, inherited=False)

    async def index_all(self, request: web.Request) -> web.Response:
        """GET .../members/all: also members of the groups above."""
        return await self._list(request, inherited=True)

    async def _list(self, request: web.Request, *, inherited: bool) -> web.Response:
        members = self._members(request)
        source = await members.find_source(find_caller(request), request.match_info["id"])
        page = page_of(request)
        found = await members.list(source, read_member_query(request.query, page, inherited=inherited))
        return page_response(request, page, found, partial(member_entity, external_url=external_url(request)))

    async def show(self, request: web.Request) -> web.Response:
        """GET .../members/:user_id."""
        return await self._show(request, inherited=False)

    async def show_any(self, request: web.Request) -> web.Response:
        """GET .../members/all/:user_id."""
        return await self._show(request, inherited=True)

    async def _show(self, request: web.Request, *, inherited: bool) -> web.Response:
        members = self._members(request)
        source = await members.find_source(find_caller(request), request.match_info["id"])
        user_id = read_id(request.match_info, "user_id")
        return _answer(request, await members.show(source, user_id, inherited=inherited))

    async def create(self, request: web.Request) -> web.Response:
        """POST .../members."""
        members = self._members(request)
        manager = await members.find_manager(find_caller(request), request.match_info["id"])
        member = await members.add(manager, read_new_member(await parameters(request)))
        return _answer(request, member, status=201)

    async def update(self, request: web.Request) -> web.Response:
        """PUT .../members/:user_id."""
        members = self._members(request)
        manager = await members.find_manager(find_caller(request), request.match_info["id"])
        change = read_member_change(await parameters(request))
        member = await members.show(manager.source, read_id(request.match_info, "user_id"))
        return _answer(request, await members.change(manager, member, change))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE .../members/:user_id. All members may end their own membership."""
        members, reference = self._members(request), request.match_info["id"]
        found = await members.find_removal(find_caller(request), reference)
        await members.remove(found, read_id(request.match_info, "user_id"))
        return web.Response(status=204)

    def _members(self, request: web.Request) -> Members:
        return self.choose(use_cases(request))


def _answer(request: web.Request, member: Member, *, status: int = 200) -> web.Response:
    return json_response(member_entity(member, external_url=external_url(request)), status=status)


OF_PROJECT = MemberHandlers(lambda all_of: all_of.project_members)
OF_GROUP = MemberHandlers(lambda all_of: all_of.group_members)
