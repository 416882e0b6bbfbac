"""What a job takes over from the request, or the command, that asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.responses import CORRELATION_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """By what it is found in logs and traces, and how often it may be tried."""

    correlation_id: str
    max_attempts: int
    traceparent: str | None = None


def origin_of(request: web.Request) -> Origin:
    """Give that of a request."""
    attempts = request.app[DEPENDENCIES].config.job_attempts
    return Origin(correlation_id=request[CORRELATION_ID], max_attempts=attempts)
