"""Who makes a request, as the middleware found out."""

from __future__ import annotations

from aiohttp import web

from shared.accounts.models import AccessToken, User
from shared.errors import Unauthenticated

_CALLER = web.RequestKey("caller", User)
_TOKEN = web.RequestKey("token", AccessToken)


def set_caller(request: web.Request, token: AccessToken, user: User) -> None:
    """Have the request made by ``user``, who came with ``token``."""
    request[_TOKEN] = token
    request[_CALLER] = user


def find_caller(request: web.Request) -> User | None:
    """Give who makes the request; None for a stranger."""
    return request.get(_CALLER)


def require_caller(request: web.Request) -> User:
    """Give who makes the request. Raises Unauthenticated for a stranger."""
    caller = find_caller(request)
    if caller is None:
        raise Unauthenticated
    return caller


def require_token(request: web.Request) -> AccessToken:
    """Give the token with which the request came. Raises Unauthenticated for a stranger."""
    token: AccessToken | None = request.get(_TOKEN)
    if token is None:
        raise Unauthenticated
    return token
