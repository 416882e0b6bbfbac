"""Who asks: tokens in headers, in the query and in small bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.bodies import parameters
from services.api.http.errors import Forbidden, NotFound, ScopeInsufficient, TokenUnusable, Unauthorized
from services.api.http.parameters import text
from shared.accounts.models import AccessToken, Scope, User
from shared.accounts.tokens import find_by_token
from shared.accounts.users import find_user_by_reference

_CALLER = web.RequestKey("caller", User)
_TOKEN = web.RequestKey("token", AccessToken)
_READING = frozenset({"GET", "HEAD"})
TOKEN_PARAMETERS = ("private_token", "access_token")
_EXPIRED = "Token is expired. You can either do re-authorization or token refresh."
_REVOKED = "Token was revoked. You have to re-authorize from the user."


async def identify(request: web.Request, *, accepted: Sequence[Scope], unread: bool = False) -> None:
    """Find the caller of a request that has a token with one of the ``accepted`` scopes.

    Raises what GitLab answers where the token is unknown, holds no longer, or is not for this. A token of
    a CI job (``JOB-TOKEN``) is none here, as none of these routes takes one. What is sent to be kept stays
    ``unread`` before it is known who sends it; ``act_as_told`` looks into the form of an import.
    """
    given = {} if unread else await _small_body(request)
    token = _token_of_head(request) or _token_of_body(given)
    sudo = request.query.get("sudo") or request.headers.get("Sudo") or text(given.get("sudo"))
    if not token:
        if sudo:
            raise Unauthorized
        return
    found = await find_by_token(request.app[DEPENDENCIES].pool, token)
    if found is None:
        raise Unauthorized
    _require_usable(found)
    _require_scope(found, accepted)
    request[_TOKEN] = found
    request[_CALLER] = await _impersonated(request, found, sudo) if sudo else found.user


async def act_as_told(request: web.Request, form: Mapping[str, object]) -> None:
    """Have the caller be whom the ``sudo`` of an uploaded form names. Raises what ``identify`` raises."""
    if reference := text(form.get("sudo")):
        request[_CALLER] = await _impersonated(request, require_token(request), reference)


async def _impersonated(request: web.Request, token: AccessToken, reference: str) -> User:
    if not token.user.is_admin:
        raise Forbidden("Must be admin to use sudo")
    _require_scope(token, [Scope.SUDO])
    user = await find_user_by_reference(request.app[DEPENDENCIES].pool, reference)
    if user is None:
        raise NotFound(f"User with ID or username '{reference}'")
    return user


def _token_of_head(request: web.Request) -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    query = (request.query.get(name) for name in TOKEN_PARAMETERS)
    return request.headers.get("PRIVATE-TOKEN") or next(filter(None, query), None)


async def _small_body(request: web.Request) -> Mapping[str, object]:
    return {} if request.method in _READING else await parameters(request)


def _token_of_body(given: Mapping[str, object]) -> str | None:
    return next((value for name in TOKEN_PARAMETERS if isinstance(value := given.get(name), str)), None)


def _require_usable(token: AccessToken) -> None:
    if token.revoked:
        raise TokenUnusable(_REVOKED)
    if token.expired:
        raise TokenUnusable(_EXPIRED)


def _require_scope(token: AccessToken, accepted: Sequence[Scope]) -> None:
    names = [scope.value for scope in accepted]
    if not set(names).intersection(token.scopes):
        raise ScopeInsufficient(" ".join(names))


def admit(request: web.Request, token: AccessToken) -> None:
    """Have the request made by whose token it is; whether that holds is for the caller to ask."""
    request[_TOKEN] = token
    request[_CALLER] = token.user


def is_usable(token: AccessToken, accepted: Sequence[Scope]) -> bool:
    """Tell whether the token holds, and has one of the ``accepted`` scopes."""
    return not (token.revoked or token.expired or {each.value for each in accepted}.isdisjoint(token.scopes))


def find_caller(request: web.Request) -> User | None:
    """Tell who asks, None for a stranger."""
    return request.get(_CALLER)


def require_token(request: web.Request) -> AccessToken:
    """Tell with which token somebody asks; raises 401 for a stranger."""
    token: AccessToken | None = request.get(_TOKEN)
    if token is None:
        raise Unauthorized
    return token


def require_caller(request: web.Request) -> User:
    """Tell who asks; raises 401 for a stranger."""
    caller = find_caller(request)
    if caller is None:
        raise Unauthorized
    return caller
