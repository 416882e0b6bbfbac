"""Who appears in a project, and maps that say who those are at the GitLab that its exports are for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.crossdock.people_entities import map_entity, preview_entity, row_of_user, user_entity
from services.api.gitlab.requests.people import read_people
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.errors import ParametersInvalid
from services.api.http.large_fields import read_fields
from services.api.http.parameters import ParameterReader
from services.api.http.places import holder_of
from services.api.http.responses import json_response
from services.api.http.streams import send_pieces
from services.api.use_cases import use_cases
from shared.errors import Denied
from shared.people import writing
from shared.people.people_map import PeopleMap
from shared.projects.people_maps import MapOwner

_FORMATS = ("json", "csv")
_CSV = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": 'attachment; filename="people.csv"'}
_AT_ONCE = 1000


async def index(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/users: by id. As CSV all of them, with columns to be filled in."""
    uses = use_cases(request).people
    owner = await uses.find_project(find_caller(request), request.match_info["id"])
    if _wants_csv(request):
        async with aclosing(_lines(request, owner)) as lines:
            return await _send_csv(request, lines)
    page = cursor_page_of(request)
    found = await uses.list_users(
        owner, after=page.behind or 0, limit=page.size + 1, holder=holder_of(request)
    )
    shown, headers = split_page(request, page, found.users, number=lambda each: each.user.id)
    headers["X-Total"] = str(found.total)
    return json_response([user_entity(each) for each in shown], headers=headers)


def _wants_csv(request: web.Request) -> bool:
    """Return whether the client requests CSV. Raises ParametersInvalid."""
    reader = ParameterReader(request.query)
    wanted = reader.choice("format", _FORMATS)
    reader.finish()
    return wanted == "csv"


async def _send_csv(request: web.Request, lines: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """Send a CSV, of which the first piece is made before the headers, as it may fail."""
    first = await anext(lines)

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield first
        async for piece in lines:
            yield piece

    return await send_pieces(request, pieces(), headers=_CSV)


async def _lines(request: web.Request, owner: MapOwner) -> AsyncGenerator[bytes, None]:
    after, before = 0, writing.header()
    while True:
        found = await use_cases(request).people.list_users(
            owner, after=after, limit=_AT_ONCE, holder=holder_of(request)
        )
        yield before + b"".join(writing.line(row_of_user(each)) for each in found.users)
        if len(found.users) < _AT_ONCE:
            return
        after, before = found.users[-1].user.id, b""


@dataclass(frozen=True, slots=True)
class PeopleMapHandlers:
    """The handlers of the map of a project if ``of_project``, else of a namespace."""

    of_project: bool

    async def show(self, request: web.Request) -> web.StreamResponse:
        """GET and HEAD .../people: of a project its own, or that of a namespace above it."""
        uses, owner = use_cases(request).people, await self._owner(request)
        found = await uses.find_map(find_caller(request), owner)
        if _wants_csv(request):
            if not found.is_whole:
                raise Denied
            return web.Response(body=await asyncio.to_thread(_csv, found.stored.people), headers=_CSV)
        return json_response(map_entity(found))

    async def replace(self, request: web.Request) -> web.Response:
        """PUT .../people: sets the map; with ``dry_run`` it only tells what the map would do."""
        uses, owner = use_cases(request).people, await self._owner(request)
        given = await parameters(request)
        people, is_dry = await read_fields(_people, given, given), _is_dry(given)
        if is_dry and owner.project_id is not None:
            preview = await uses.preview(owner, people, holder=holder_of(request))
            return json_response(preview_entity(people, preview))
        if is_dry:
            return json_response({"rows": len(people.rows)})
        caller = find_caller(request)
        await uses.set_map(caller, owner, people)
        return json_response(map_entity(await uses.find_map(caller, owner)))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE .../people: a project has the map of its namespace then, if there is one."""
        await use_cases(request).people.delete_map(await self._owner(request))
        return web.Response(status=204)

    async def _owner(self, request: web.Request) -> MapOwner:
        uses, reference = use_cases(request).people, request.match_info["id"]
        find = uses.find_project if self.of_project else uses.find_namespace
        return await find(find_caller(request), reference)


def _csv(people: PeopleMap) -> bytes:
    return writing.header() + b"".join(map(writing.line, people.rows))


def _people(given: Mapping[str, object]) -> PeopleMap:
    """Read the map. Raises ParametersInvalid and PeopleMapInvalid."""
    people = read_people(given)
    if people is None:
        raise ParametersInvalid("people is missing")
    return people


def _is_dry(given: Mapping[str, object]) -> bool:
    reader = ParameterReader(given)
    is_dry = reader.boolean("dry_run", default=False)
    reader.finish()
    return bool(is_dry)


OF_PROJECT = PeopleMapHandlers(of_project=True)
OF_NAMESPACE = PeopleMapHandlers(of_project=False)
