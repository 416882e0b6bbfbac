"""Identifies the caller of a request by a token in its headers, query or small body, or by a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.bodies import parameters
from services.api.http.caller import set_caller, set_session_of_caller
from services.api.http.client import client_address
from services.api.http.endpoint import endpoint_of, has_content
from services.api.http.own_pages import is_of_own_page
from services.api.http.parameters import TOKEN_PARAMETERS, text
from services.api.http.session_cookie import session_secret
from services.api.use_cases import use_cases
from services.listener.at_work import READING
from shared.accounts.models import AccessToken, Scope
from shared.errors import Unauthenticated


@web.middleware
async def identify_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Identify the caller, if the route requires it."""
    endpoint = endpoint_of(request)
    if endpoint.identifies:
        await identify(request, endpoint.accepted_scopes(request.method), reads_body=not has_content(request))
    return await handler(request)


async def identify(request: web.Request, accepted: Sequence[Scope], *, reads_body: bool = True) -> None:
    """Set the caller of a request by its token, which needs one of the ``accepted`` scopes.

    Without a token, the session of a browser counts where a page of ours asks, with the token by which it
    was begun. Without both there is no caller. CI job tokens (``JOB-TOKEN``) are ignored, as no route accepts
    them. A body with content is not read here; the handler of an upload applies the ``sudo`` of its form.

    Raises GitLab's errors for a token that is unknown, not valid any more, or lacks the scope.
    """
    given = await _small_body(request) if reads_body else {}
    token = _token_of_head(request) or _token_of_body(given)
    sudo = request.query.get("sudo") or request.headers.get("Sudo") or text(given.get("sudo"))
    tokens = use_cases(request).tokens
    found = await _find_token(request, token, accepted)
    if found is not None:
        set_caller(request, found, await tokens.impersonate(found, sudo) if sudo else found.user)
    elif sudo:
        raise Unauthenticated


async def _find_token(
    request: web.Request, text: str | None, accepted: Sequence[Scope]
) -> AccessToken | None:
    tokens, address = use_cases(request).tokens, client_address(request)
    if text:
        return await tokens.identify(text, accepted, address=address)
    secret = _session_of(request)
    if secret is None:
        return None
    set_session_of_caller(request, secret)
    return await tokens.identify_session(secret, accepted, address=address)


def _session_of(request: web.Request) -> str | None:
    """Return the secret of the browser's session, if the request comes from a page of ours."""
    return session_secret(request) if is_of_own_page(request) else None


def _token_of_head(request: web.Request) -> str | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    query = (request.query.get(name) for name in TOKEN_PARAMETERS)
    return request.headers.get("PRIVATE-TOKEN") or next(filter(None, query), None)


async def _small_body(request: web.Request) -> Mapping[str, object]:
    return {} if request.method in READING else await parameters(request)


def _token_of_body(given: Mapping[str, object]) -> str | None:
    return next((value for name in TOKEN_PARAMETERS if isinstance(value := given.get(name), str)), None)
