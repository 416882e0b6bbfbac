"""Identifies the caller of a request by a token in the headers, the query or a small body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.bodies import parameters
from services.api.http.caller import set_caller
from services.api.http.client import client_address
from services.api.http.endpoint import endpoint_of, has_content
from services.api.http.parameters import TOKEN_PARAMETERS, text
from services.api.use_cases import use_cases
from services.listener.at_work import READING
from shared.accounts.models import Scope
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

    Without a token there is no caller. CI job tokens (``JOB-TOKEN``) are ignored, as no route accepts them. A
    body with content is not read here; the handler of an upload applies the ``sudo`` of its form.

    Raises GitLab's errors for a token that is unknown, not valid any more, or lacks the scope.
    """
    given = await _small_body(request) if reads_body else {}
    token = _token_of_head(request) or _token_of_body(given)
    sudo = request.query.get("sudo") or request.headers.get("Sudo") or text(given.get("sudo"))
    if not token:
        if sudo:
            raise Unauthenticated
        return
    tokens = use_cases(request).tokens
    found = await tokens.identify(token, accepted, address=client_address(request))
    set_caller(request, found, await tokens.impersonate(found, sudo) if sudo else found.user)


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
