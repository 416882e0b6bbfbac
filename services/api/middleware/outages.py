"""What is answered while the database or the object storage is away: 503, and when to ask again."""

from __future__ import annotations

import structlog
from aiohttp import ClientError, web
from aiohttp.typedefs import Handler

from shared.database.outages import DATABASE_ERRORS, is_temporary
from shared.errors import CrossdockError, Refusal, Unavailable

_log = structlog.get_logger()


@web.middleware
async def answer_outages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raise Unavailable in place of a fault that passes, as long as no answer has begun."""
    try:
        return await handler(request)
    except Refusal:
        raise
    except (CrossdockError, *DATABASE_ERRORS) as error:
        if request.writer.output_size or not _is_outage(request, error):
            raise
        _log.warning("unavailable", error=repr(error))  # no traceback: every request has one now
        raise Unavailable from error


def _is_outage(request: web.Request, error: Exception) -> bool:
    """Tell what we lack from a client that is gone, whose connection fails in the same words."""
    if isinstance(error, CrossdockError):
        return is_temporary(error)
    return is_temporary(error) and not isinstance(error, ClientError) and not _is_gone(request)


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
