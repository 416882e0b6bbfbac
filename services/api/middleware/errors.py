"""Turns errors into responses, in the form that the route's clients expect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import ClientError, web
from aiohttp.typedefs import Handler

from services.api.http.endpoint import ErrorRenderer, endpoint_of
from services.api.http.errors import BodyBroken, Malformed, MethodUnknown, Redirected, RouteUnknown
from services.api.http.responses import CLIENT_GONE, ERROR_CODE, external_url
from services.api.http.status import status_of
from services.listener.at_work import READING
from shared.errors import CrossdockError, InternalError, TimedOut
from shared.usecases.errors import MovedProject

RENDERERS = web.AppKey("renderers", Sequence[tuple[re.Pattern[str], ErrorRenderer]])
"""The renderers of errors at addresses without a route, by patterns of the address. The first match wins."""

_PROJECT = re.compile(r"(/projects/+)[^/?]+")
_log = structlog.get_logger()


@web.middleware
async def render_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response(status=CLIENT_GONE)  # the client is gone
    except Exception as error:
        known = _translate(error)
        if known is None:
            _log.exception("unhandled_error", method=request.method, path=request.rel_url.raw_path)
            if request.writer.output_size:
                raise  # the response has begun: the client has to see that it is incomplete
            known = InternalError()
        return render(request, known)


def _translate(error: Exception) -> CrossdockError | None:
    """Return the error as one of our classes; None if it is unexpected."""
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
    """Render an error with the renderer of the route or, without one, that of the address."""
    if isinstance(error, MovedProject) and request.method in READING:
        error = Redirected(_new_address(request, error.project_id))
    elsewhere = (each for start, each in request.app[RENDERERS] if start.match(request.path))
    renderer = endpoint_of(request).errors or next(elsewhere)
    request[ERROR_CODE] = error.code
    answer = renderer(request, error)
    if isinstance(error, TimedOut):
        answer.force_close()  # what is left of the body would come as slowly
    return answer


def _new_address(request: web.Request, project_id: int) -> str:
    """Return the address of the request, with the project's id in place of its old path."""
    return external_url(request) + _PROJECT.sub(rf"\g<1>{project_id}", request.raw_path, count=1)


@web.middleware
async def refuse_malformed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raise Malformed if the address or the header ``Sudo`` has a NUL or is not UTF-8, as GitLab does."""
    try:
        given = unquote_to_bytes(request.raw_path).decode() + request.headers.get("Sudo", "")
        given.encode()  # fails for bytes of a header that are not UTF-8: aiohttp decodes them to surrogates
    except UnicodeError:
        raise Malformed from None
    if "\0" in given:
        raise Malformed
    return await handler(request)
