"""Answers 503 with ``Retry-After`` while the database or the object storage is unavailable."""

from __future__ import annotations

import structlog
from aiohttp import ClientError, web
from aiohttp.typedefs import Handler

from shared.database.outages import DATABASE_ERRORS, is_temporary
from shared.errors import CrossdockError, Refusal, Unavailable
from shared.logs import describe

_log = structlog.get_logger()


@web.middleware
async def answer_outages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raise Unavailable in place of a temporary error, unless the response has begun."""
    try:
        return await handler(request)
    except Refusal:
        raise
    except (CrossdockError, *DATABASE_ERRORS) as error:
        if request.writer.output_size or not _is_outage(request, error):
            raise
        _log.warning("unavailable", error=describe(error))  # no traceback: all requests fail during an outage
        raise Unavailable from error


def _is_outage(request: web.Request, error: Exception) -> bool:
    """Return whether a server of ours failed, and not the connection to the client, which raises the same."""
    if isinstance(error, CrossdockError):
        return is_temporary(error)
    return is_temporary(error) and not isinstance(error, ClientError) and not _is_gone(request)


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
