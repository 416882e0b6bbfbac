"""Personal access tokens: one's own, and those of all for administrators."""

from __future__ import annotations

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.gitlab.account_entities import token_entity
from services.api.gitlab.users import user_of_address
from services.api.http.bodies import parameters
from services.api.http.errors import NotFound, Unauthorized
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import Checker
from services.api.http.responses import json_response
from services.api.middleware.identify import require_caller, require_token
from services.api.new_users import read_token
from services.api.permissions import require_administrator
from shared.accounts import tokens
from shared.accounts.models import AccessToken


async def index(request: web.Request) -> web.Response:
    """GET /personal_access_tokens."""
    caller = require_caller(request)
    page = page_of(request)
    checker = Checker(request.query)
    user_id = checker.integer("user_id", default=None if caller.is_admin else caller.id)
    state = checker.choice("state", ("active", "inactive"))
    checker.finish()
    if not caller.is_admin and user_id != caller.id:
        raise Unauthorized
    found = await tokens.list_tokens(
        request.app[DEPENDENCIES].pool, user_id=user_id, active=None if state is None else state == "active",
        limit=page.size, offset=page.offset,
    )  # fmt: skip
    return page_response(request, page, found, token_entity)


async def show_self(request: web.Request) -> web.Response:
    """GET /personal_access_tokens/self."""
    return json_response(token_entity(require_token(request)))


async def revoke_self(request: web.Request) -> web.Response:
    """DELETE /personal_access_tokens/self."""
    return await _revoke(request, require_token(request))


async def show(request: web.Request) -> web.Response:
    """GET /personal_access_tokens/:id."""
    return json_response(token_entity(await _own_token(request)))


async def revoke(request: web.Request) -> web.Response:
    """DELETE /personal_access_tokens/:id."""
    return await _revoke(request, await _own_token(request))


async def create(request: web.Request) -> web.Response:
    """POST /users/:user_id/personal_access_tokens, for administrators; the token is shown this once."""
    require_administrator(request)
    user = await user_of_address(request, "user_id")
    wanted = read_token(await parameters(request))
    pool = request.app[DEPENDENCIES].pool
    text = await tokens.create_token(
        pool, user.id, name=wanted.name, scopes=wanted.scopes, expires_at=wanted.expires_at
    )
    made = await tokens.find_by_token(pool, text)
    assert made is not None  # noqa: S101  # it has just been made
    return json_response(token_entity(made) | {"token": text}, status=201)


async def _own_token(request: web.Request) -> AccessToken:
    """Give the token of the address; raises 404 where it is not the caller's, who is no administrator."""
    caller = require_caller(request)
    checker = Checker(request.match_info)
    token_id = checker.integer("id")
    checker.finish()
    found = await tokens.find_token(request.app[DEPENDENCIES].pool, token_id or 0)
    if found is None or not (caller.is_admin or found.user.id == caller.id):
        raise NotFound
    return found


async def _revoke(request: web.Request, token: AccessToken) -> web.Response:
    await tokens.revoke_token_by_id(request.app[DEPENDENCIES].pool, token.id)
    return web.Response(status=204)
