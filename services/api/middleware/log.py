"""What surrounds every handler: correlation id, log line, errors as GitLab words them, authentication."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import ClientError, web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from services.api.crossdock import snapshot_entries
from services.api.crossdock.problems import told
from services.api.dependencies import DEPENDENCIES
from services.api.gitlab import health, imports, relation_imports
from services.api.http.admission import place
from services.api.http.errors import ApiError, Malformed
from services.api.http.form_data import MULTIPART
from services.api.http.observation import summary
from services.api.http.responses import begin, json_response, seconds_since_begin
from services.api.middleware.identify import identify
from services.api.pages import documentation, download
from services.api.scopes import accepted_scopes

_log = structlog.get_logger()
_OPEN = health.PUBLIC | documentation.PUBLIC | download.PUBLIC
"""Health works without a database; a page asks by itself, as it words errors for people."""

UPLOADS = frozenset({imports.create, relation_imports.create})
"""Their forms are read as they arrive, and by them alone."""

_ENTRIES = frozenset(handlers.replace for handlers in snapshot_entries.ADDRESSES.values())

SLOTS = web.AppKey("slots", asyncio.Semaphore)
"""Free places for requests whose bodies are content."""

_PATIENCE = timedelta(minutes=1)
_CLIENT_GONE = 499
"""What proxies log where a client went away before its answer."""


@web.middleware
async def log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bind the correlation id, and write one line for a request; never its query, which may hold a token.

    Whoever observes requests is told of it as well.
    """
    observer = request.app[DEPENDENCIES].observer
    observer.began()
    with bound_contextvars(correlation_id=begin(request)):
        status, response = _CLIENT_GONE, None
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            seconds = seconds_since_begin(request)
            observer.answered(summary(request, response, status=status, seconds=seconds))
            _log.info(
                "request",
                method=request.method,
                path=request.rel_url.raw_path,
                status=status,
                duration_s=seconds,
                remote=request.remote,
            )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into its answer."""
    try:
        return await handler(request)
    except ApiError as error:
        answer = _answer(error)
    except web.HTTPMethodNotAllowed as error:
        answer = json_response(
            {"error": "405 Not Allowed"}, status=405, headers={"Allow": error.headers["Allow"]}
        )
    except web.HTTPNotFound:
        answer = json_response({"error": "404 Not Found"}, status=404)
    except ConnectionError:
        answer = web.Response(status=_CLIENT_GONE)  # nobody reads it
    except ClientError:
        answer = json_response({"error": "the body is incomplete"}, status=400)
    except web.RequestPayloadError:
        answer = json_response({"error": "the body is not in its encoding"}, status=400)
    except Exception:
        _log.exception("unhandled_error", method=request.method, path=request.rel_url.raw_path)
        if request.writer.output_size:
            raise  # an answer is on its way: it must end short, not well
        answer = json_response({"message": "500 Internal Server Error"}, status=500)
    return told(request, answer)


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


def _answer(error: ApiError) -> web.Response:
    if isinstance(error.body, str):
        return web.Response(text=error.body, status=error.status, headers=error.headers)
    return json_response(error.body, status=error.status, headers=error.headers)


def _is_kept(request: web.Request) -> bool:
    """Tell whether the body is content, and no parameters."""
    handler = request.match_info.handler
    return handler in _ENTRIES or (handler in UPLOADS and request.content_type == MULTIPART)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, for every known address that does not do without."""
    if request.match_info.http_exception is None and request.match_info.handler not in _OPEN:
        handler_found, reading = request.match_info.handler, request.method in ("GET", "HEAD")
        accepted = accepted_scopes(handler_found, reading=reading)
        await identify(request, accepted=accepted, unread=_is_kept(request))
    return await handler(request)


@web.middleware
async def bound_uploads(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let as many send content as there is memory for; others wait for a minute, their bodies unread.

    Raises 503 to who has waited in vain.
    """
    if not _is_kept(request):
        return await handler(request)
    async with place(request.app[SLOTS], patience=_PATIENCE):
        return await handler(request)
