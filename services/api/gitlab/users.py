"""Users and their personal access tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from aiohttp import web

from services.api.gitlab.account_entities import basic_user, detailed_user, public_user, token_entity
from services.api.gitlab.entities import user_entity
from services.api.gitlab.requests.accounts import (
    read_id,
    read_provider,
    read_token,
    read_token_filter,
    read_user,
    read_user_change,
    read_user_query,
)
from services.api.http.bodies import parameters
from services.api.http.caller import find_caller, require_caller, require_token
from services.api.http.errors import RouteUnknown
from services.api.http.pagination import page_of, page_response
from services.api.http.parameters import integer
from services.api.http.responses import external_url, json_response
from services.api.use_cases import use_cases
from shared.accounts.models import AccessToken, User
from shared.usecases.access import require_administrator
from shared.usecases.users import require_known

UserEntity: TypeAlias = Callable[..., dict[str, object]]


async def current(request: web.Request) -> web.Response:
    """GET /user."""
    return json_response(user_entity(require_caller(request), external_url=external_url(request)))


async def index(request: web.Request) -> web.Response:
    """GET /users."""
    caller = require_known(find_caller(request), "Not authorized to access /api/v4/users")
    page = page_of(request)
    found = await use_cases(request).users.list(read_user_query(request.query, page))
    entity = await _detailed(request, found.items) if caller.is_admin else basic_user
    return page_response(request, page, found, partial(entity, external_url=external_url(request)))


async def show(request: web.Request) -> web.Response:
    """GET /users/:id."""
    caller = require_known(find_caller(request), "Not authorized!")
    user = await _user(request, "id")
    entity = await _detailed(request, [user]) if caller.is_admin else public_user
    return json_response(entity(user, external_url=external_url(request)))


async def create(request: web.Request) -> web.Response:
    """POST /users. A password is accepted, but not stored: users sign in with tokens only."""
    caller = require_administrator(find_caller(request))
    user = await use_cases(request).users.create(caller, read_user(await parameters(request)))
    entity = await _detailed(request, [user])
    return json_response(entity(user, external_url=external_url(request)), status=201)


async def update(request: web.Request) -> web.Response:
    """PUT /users/:id: changes a user, and who it is at the provider of OpenID Connect."""
    caller = require_administrator(find_caller(request))
    change, subject = read_user_change(await parameters(request))
    user = await use_cases(request).users.change(caller, _user_id(request, "id"), change, subject=subject)
    entity = await _detailed(request, [user])
    return json_response(entity(user, external_url=external_url(request)))


async def block(request: web.Request) -> web.Response:
    """POST /users/:id/block: true, or null where the user is blocked already."""
    caller = require_administrator(find_caller(request))
    done = await use_cases(request).users.block(caller, _user_id(request, "id"))
    return json_response(done or None, status=201)


async def unblock(request: web.Request) -> web.Response:
    """POST /users/:id/unblock: true, or false where the user is not blocked."""
    caller = require_administrator(find_caller(request))
    done = await use_cases(request).users.unblock(caller, _user_id(request, "id"))
    return json_response(done, status=201)


async def delete_identity(request: web.Request) -> web.Response:
    """DELETE /users/:id/identities/:provider: the provider signs the user in no more."""
    caller = require_administrator(find_caller(request))
    read_provider(request.match_info["provider"])
    await use_cases(request).users.forget_subject(caller, _user_id(request, "id"))
    return web.Response(status=204)


async def _detailed(request: web.Request, users: Sequence[User]) -> UserEntity:
    """Return what makes these users as shown to administrators."""
    return partial(detailed_user, subjects=await use_cases(request).users.find_subjects(users))


async def _user(request: web.Request, name: str) -> User:
    """Return the user whose id the address has under ``name``. Raises RouteUnknown and NotFound."""
    return await use_cases(request).users.show(_user_id(request, name))


def _user_id(request: web.Request, name: str) -> int:
    """Return the id that the address has under ``name``. Raises RouteUnknown."""
    digits = request.match_info[name]
    if not (digits.isascii() and digits.isdecimal()):
        raise RouteUnknown  # GitLab has no such route
    return integer(digits) or 0


async def tokens(request: web.Request) -> web.Response:
    """GET /personal_access_tokens."""
    caller, page = require_caller(request), page_of(request)
    token_filter = read_token_filter(request.query, caller)
    found = await use_cases(request).tokens.list(
        caller, user_id=token_filter.user_id, active=token_filter.active, limit=page.size, offset=page.offset
    )
    return page_response(request, page, found, token_entity)


async def own_token(request: web.Request) -> web.Response:
    """GET /personal_access_tokens/self."""
    return json_response(token_entity(require_token(request)))


async def revoke_own_token(request: web.Request) -> web.Response:
    """DELETE /personal_access_tokens/self."""
    return await _revoke(request, require_token(request))


async def token(request: web.Request) -> web.Response:
    """GET /personal_access_tokens/:id."""
    return json_response(token_entity(await _token(request)))


async def revoke_token(request: web.Request) -> web.Response:
    """DELETE /personal_access_tokens/:id."""
    return await _revoke(request, await _token(request))


async def create_token(request: web.Request) -> web.Response:
    """POST /users/:user_id/personal_access_tokens, for administrators. Only this response has the token."""
    require_administrator(find_caller(request))
    user = await _user(request, "user_id")
    made = await use_cases(request).tokens.create(user, read_token(await parameters(request)))
    return json_response(token_entity(made.token) | {"token": made.text}, status=201)


async def _token(request: web.Request) -> AccessToken:
    caller = require_caller(request)
    return await use_cases(request).tokens.show(caller, read_id(request.match_info, "id"))


async def _revoke(request: web.Request, token: AccessToken) -> web.Response:
    await use_cases(request).tokens.revoke(token)
    return web.Response(status=204)
