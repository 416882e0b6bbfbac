"""What a job takes over from the request that asks for it."""

from __future__ import annotations

from aiohttp import web

from services.api.http.responses import CORRELATION_ID
from shared.usecases.origin import JobOrigin


def origin_of(request: web.Request) -> JobOrigin:
    """Give it; the trace is the one that is current."""
    return JobOrigin(correlation_id=request[CORRELATION_ID])
