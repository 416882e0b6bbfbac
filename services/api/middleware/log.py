"""Sets the correlation id, logs one line and counts metrics for every request."""

from __future__ import annotations

from logging import DEBUG, INFO

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from services.api.http.metrics import RequestMetrics
from services.api.http.observation import summarize
from services.api.http.rate_limit_headers import forget_quota
from services.api.http.responses import (
    CLIENT_GONE,
    ERROR_CODE,
    IS_ASSET,
    begin_request,
    seconds_since_begin,
)

METRICS = web.AppKey("metrics", RequestMetrics)

_log = structlog.get_logger()


@web.middleware
async def log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bind the correlation id, and log one line, without the request's query, which may have a token.

    The lines of files of pages, of which a browser asks for a hundred at once, are of the level debug.
    """
    metrics = request.app[METRICS]
    metrics.count_begin()
    forget_quota()
    with bound_contextvars(correlation_id=begin_request(request)):
        status, response = CLIENT_GONE, None
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            seconds = seconds_since_begin(request)
            metrics.count_end(summarize(request, response, status=status, seconds=seconds))
            _log.log(
                DEBUG if request.get(IS_ASSET) else INFO,
                "request",
                method=request.method,
                path=request.rel_url.raw_path,
                status=status,
                code=request.get(ERROR_CODE),
                duration_s=seconds,
                remote=request.remote,
            )
