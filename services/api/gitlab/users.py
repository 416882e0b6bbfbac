"""Users, as others and administrators see them."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.account_entities import basic_user, detailed_user, public_user
from services.api.http.bodies import parameters
from services.api.http.errors import ApiError, Forbidden, NotFound, Refused
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import Checker, integer
from services.api.http.responses import json_response
from services.api.middleware.identify import find_caller
from services.api.new_users import read_user
from services.api.permissions import require_administrator
from shared.accounts.errors import UsernameTaken
from shared.accounts.models import User
from shared.accounts.users import UserQuery, create_user, find_user_by_id, search_users


async def index(request: web.Request) -> web.Response:
    """GET /users."""
    dependencies = request.app[DEPENDENCIES]
    caller = find_caller(request)
    if caller is None:
        raise Forbidden("Not authorized to access /api/v4/users")
    page = page_of(request)
    checker = Checker(request.query)
    username, search = checker.text("username"), checker.text("search")
    checker.finish()
    query = UserQuery(username=username, search=search, limit=page.size, offset=page.offset)
    found = await search_users(dependencies.pool, query)
    entity = detailed_user if caller.is_admin else basic_user
    return page_response(request, page, found, partial(entity, external_url=dependencies.config.external_url))


async def show(request: web.Request) -> web.Response:
    """GET /users/:id."""
    caller = find_caller(request)
    if caller is None:
        raise Forbidden("Not authorized!")
    entity = detailed_user if caller.is_admin else public_user
    user = await user_of_address(request, "id")
    return json_response(entity(user, external_url=request.app[DEPENDENCIES].config.external_url))


async def create(request: web.Request) -> web.Response:
    """POST /users; a password is accepted and not kept, as tokens alone open the door here."""
    require_administrator(request)
    dependencies = request.app[DEPENDENCIES]
    wanted = read_user(await parameters(request))
    try:
        user = await create_user(
            dependencies.pool, wanted.username, name=wanted.name, email=wanted.email,
            is_admin=wanted.is_admin, bot=wanted.bot, projects_limit=wanted.projects_limit,
        )  # fmt: skip
    except UsernameTaken:
        raise Refused(409, "Username has already been taken") from None
    return json_response(detailed_user(user, external_url=dependencies.config.external_url), status=201)


async def user_of_address(request: web.Request, name: str) -> User:
    """Give the user whose id the address has under ``name``; raises 404."""
    digits = request.match_info[name]
    if not (digits.isascii() and digits.isdecimal()):
        raise ApiError(404, {"error": "404 Not Found"})  # such an address is no route of GitLab's
    user = await find_user_by_id(request.app[DEPENDENCIES].pool, integer(digits) or 0)
    if user is None:
        raise NotFound("User")
    return user
