"""Who asks: tokens in headers, in the query and in small bodies."""

from __future__ import annotations

from aiohttp import web

from services.api.bodies import parameters
from services.api.dependencies import DEPENDENCIES
from services.api.errors import ScopeInsufficient, TokenUnusable, Unauthorized
from shared.accounts.models import AccessToken, Scope, User
from shared.accounts.tokens import find_by_token

_CALLER = web.RequestKey("caller", User)
_READING = frozenset({"GET", "HEAD"})
_TOKEN_PARAMETERS = ("private_token", "access_token")
_EXPIRED = "Token is expired. You can either do re-authorization or token refresh."
_REVOKED = "Token was revoked. You have to re-authorize from the user."


async def identify(request: web.Request) -> None:
    """Find the caller of a request that has a token.

    Raises what GitLab answers where the token is unknown, holds no longer, or is not for this.
    """
    token = _token_of_head(request) or await _token_of_body(request)
    if not token:
        return
    found = await find_by_token(request.app[DEPENDENCIES].pool, token)
    if found is None:
        raise Unauthorized
    _require_usable(found, reading=request.method in _READING)
    request[_CALLER] = found.user


def _token_of_head(request: web.Request) -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    query = (request.query.get(name) for name in _TOKEN_PARAMETERS)
    return request.headers.get("PRIVATE-TOKEN") or next(filter(None, query), None)


async def _token_of_body(request: web.Request) -> str | None:
    if request.method in _READING or request.content_type == "multipart/form-data":
        return None  # an upload is not read before it is known who sends it
    given = await parameters(request)
    return next((value for name in _TOKEN_PARAMETERS if isinstance(value := given.get(name), str)), None)


def _require_usable(token: AccessToken, *, reading: bool) -> None:
    if token.revoked:
        raise TokenUnusable(_REVOKED)
    if token.expired:
        raise TokenUnusable(_EXPIRED)
    accepted = [Scope.API.value, Scope.READ_API.value] if reading else [Scope.API.value]
    if token.scopes.isdisjoint(accepted):
        raise ScopeInsufficient(" ".join(accepted))


def find_caller(request: web.Request) -> User | None:
    """Tell who asks, None for a stranger."""
    return request.get(_CALLER)


def require_caller(request: web.Request) -> User:
    """Tell who asks; raises 401 for a stranger."""
    caller = find_caller(request)
    if caller is None:
        raise Unauthorized
    return caller
