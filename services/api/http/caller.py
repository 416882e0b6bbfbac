"""The caller of a request, whom the middleware has identified."""

from __future__ import annotations

from aiohttp import web

from shared.accounts.models import AccessToken, User
from shared.errors import Unauthenticated

_CALLER = web.RequestKey("caller", User)
_TOKEN = web.RequestKey("token", AccessToken)
_SESSION = web.RequestKey("session", str)


def set_caller(request: web.Request, token: AccessToken, user: User) -> None:
    """Set the caller and the token. They differ in the user if an administrator uses ``sudo``."""
    request[_TOKEN] = token
    request[_CALLER] = user


def set_session_of_caller(request: web.Request, secret: str) -> None:
    """Set the secret of the browser's session by which the caller was identified."""
    request[_SESSION] = secret


def find_session_of_caller(request: web.Request) -> str | None:
    """Return the secret of the browser's session that stands for the token; None where a token was sent."""
    return request.get(_SESSION)


def find_caller(request: web.Request) -> User | None:
    """Return the caller; None if the client is not signed in."""
    return request.get(_CALLER)


def require_caller(request: web.Request) -> User:
    """Return the caller. Raises Unauthenticated if there is none."""
    caller = find_caller(request)
    if caller is None:
        raise Unauthenticated
    return caller


def find_token(request: web.Request) -> AccessToken | None:
    """Return the token of the request; None if the client is not signed in."""
    return request.get(_TOKEN)


def require_token(request: web.Request) -> AccessToken:
    """Return the token of the request. Raises Unauthenticated if there is none."""
    token = find_token(request)
    if token is None:
        raise Unauthenticated
    return token
