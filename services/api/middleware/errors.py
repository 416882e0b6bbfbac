"""Errors become answers, in the form that the clients of the route expect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import ClientError, web
from aiohttp.typedefs import Handler

from services.api.http.endpoint import READING, ErrorRenderer, endpoint_of
from services.api.http.errors import BodyBroken, Malformed, MethodUnknown, Redirected, RouteUnknown
from services.api.http.responses import CLIENT_GONE, ERROR_CODE, external_url
from services.api.http.status import status_of
from shared.errors import CrossdockError, InternalError
from shared.usecases.errors import MovedProject

RENDERERS = web.AppKey("renderers", Sequence[tuple[re.Pattern[str], ErrorRenderer]])
"""Who words the errors of what has no route, by the beginnings of addresses."""

_PROJECT = re.compile(r"(/projects/+)[^/?]+")
_log = structlog.get_logger()


@web.middleware
async def render_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into its answer."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response(status=CLIENT_GONE)  # the client is gone
    except Exception as error:
        known = _known(error)
        if known is None:
            _log.exception("unhandled_error", method=request.method, path=request.rel_url.raw_path)
            if request.writer.output_size:
                raise  # an answer is on its way: it must end short, not well
            known = InternalError()
        return render(request, known)


def _known(error: Exception) -> CrossdockError | None:
    """Give the error as one of ours; None where it is unexpected."""
    match error:
        case CrossdockError() if status_of(error) < web.HTTPInternalServerError.status_code:
            return error
        case CrossdockError() if status_of(error) == web.HTTPServiceUnavailable.status_code:
            return error
        case web.HTTPMethodNotAllowed():
            return MethodUnknown(error.headers["Allow"])
        case web.HTTPNotFound():
            return RouteUnknown()
        case web.RequestPayloadError():
            return BodyBroken("the body is not in its encoding")
        case ClientError():
            return BodyBroken("the body is incomplete")
        case _:
            return None


def render(request: web.Request, error: CrossdockError) -> web.Response:
    """Answer an error as the route says, or the beginning of the address."""
    if isinstance(error, MovedProject) and request.method in READING:
        error = Redirected(_new_address(request, error.project_id))
    elsewhere = (each for start, each in request.app[RENDERERS] if start.match(request.path))
    renderer = endpoint_of(request).errors or next(elsewhere)
    request[ERROR_CODE] = error.code
    return renderer(request, error)


def _new_address(request: web.Request, project_id: int) -> str:
    """Give the same address with the id of the project in the place of its old path."""
    return external_url(request) + _PROJECT.sub(rf"\g<1>{project_id}", request.raw_path, count=1)


@web.middleware
async def refuse_malformed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse an address, or a user's name in ``Sudo``, that has a NUL or is no UTF-8, as GitLab does."""
    try:
        given = unquote_to_bytes(request.raw_path).decode() + request.headers.get("Sudo", "")
        given.encode()  # what a header has beside ASCII came as surrogates
    except UnicodeError:
        raise Malformed from None
    if "\0" in given:
        raise Malformed
    return await handler(request)
