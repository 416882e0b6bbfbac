"""What a job inherits from the request that creates it."""

from __future__ import annotations

from aiohttp import web

from services.api.http.responses import CORRELATION_ID
from shared.usecases.job_origin import JobOrigin


def origin_of(request: web.Request) -> JobOrigin:
    """Return the request's correlation id as the origin of a job."""
    return JobOrigin(correlation_id=request[CORRELATION_ID])
