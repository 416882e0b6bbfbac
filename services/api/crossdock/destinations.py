"""Destinations: where the archives of a user's schedules go."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from services.api.crossdock import destination_fields
from services.api.crossdock.cursors import cursor_page_of, split_page
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller
from services.api.http.parameters import integer
from services.api.http.responses import external_url, json_response, timestamp
from services.api.use_cases import use_cases
from shared.destinations.models import Destination
from shared.destinations.peers import PeerIdentity
from shared.errors import Denied


async def index(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/destinations, the oldest first; administrators see those of all users."""
    cut = cursor_page_of(request)
    found = await use_cases(request).destinations.list(
        find_caller(request), behind=cut.behind, limit=cut.size + 1
    )
    shown, headers = split_page(request, cut, found, number=lambda each: each.id)
    return json_response([destination_entity(each) for each in shown], headers=headers)


async def create(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/destinations."""
    caller = find_caller(request)
    fields = destination_fields.read_new(await parameters(request))
    made = await use_cases(request).destinations.create(caller, fields)
    location = {"Location": f"{external_url(request)}{request.path}/{made.id}"}
    return json_response(destination_entity(made), status=201, headers=location)


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/destinations/:destination_id."""
    return json_response(destination_entity(await _destination(request)))


async def update(request: web.Request) -> web.Response:
    """PUT /api/crossdock/v1/destinations/:destination_id: changes the given fields."""
    destination = await _destination(request)
    fields = destination_fields.read(await parameters(request), destination.kind)
    return json_response(
        destination_entity(await use_cases(request).destinations.change(destination, fields))
    )


async def delete(request: web.Request) -> web.Response:
    """DELETE /api/crossdock/v1/destinations/:destination_id: what was sent there stays."""
    await use_cases(request).destinations.delete(await _destination(request))
    return web.Response(status=204)


async def test(request: web.Request) -> web.Response:
    """POST /api/crossdock/v1/destinations/:destination_id/test: writes and deletes a small object.

    A peer says who its token is.
    """
    told = await use_cases(request).destinations.test(await _destination(request))
    return web.Response(status=204) if told is None else json_response(_identity_entity(told))


async def _destination(request: web.Request) -> Destination:
    number = integer(request.match_info["destination_id"]) or 0
    return await use_cases(request).destinations.show(find_caller(request), number)


async def find_own(request: web.Request) -> Destination:
    """Return the destination of the address, whose user the caller is: a token is that user's own.

    Raises NotFound and Denied.
    """
    destination = await _destination(request)
    if destination.user_id != require_caller(request).id:
        raise Denied
    return destination


def destination_entity(destination: Destination) -> dict[str, object]:
    """Make a destination, without its credentials."""
    return {
        "id": destination.id,
        "user_id": destination.user_id,
        "name": destination.name,
        "kind": destination.kind.value,
        **asdict(destination.settings),
        "created_at": timestamp(destination.created_at),
        "updated_at": timestamp(destination.updated_at),
    }


def _identity_entity(told: PeerIdentity) -> dict[str, object]:
    """Make what a peer says of itself and of the token."""
    token = told.token
    return {
        "version": told.version.version,
        "username": told.user.username,
        "is_admin": told.user.is_admin,
        "token": token.name if token else None,
        "scopes": list(token.scopes) if token else None,
        "expires_at": token.expires_at if token else None,
    }
