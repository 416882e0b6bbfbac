"""Requests as operators see them: by route, method and status, never by what a client may choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

UNKNOWN = "unknown"
"""The route of what has none, and the method of what HTTP does not know."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSummary:
    """One request that is over; bytes are those of the bodies, as far as they went."""

    route: str
    method: str
    status: int
    lasted: timedelta
    received: int
    sent: int


def route_of(request: web.Request) -> str:
    """Give the template of the request's route, as GitLab would write it: ``/api/v4/projects/:id``."""
    resource = request.match_info.route.resource
    if resource is None:
        return UNKNOWN
    without_slashes = re.sub(r"\{_\d+\}", "", resource.canonical)
    return re.sub(r"\{(\w+)\}", r":\1", without_slashes)


def method_of(request: web.Request) -> str:
    """Give the method, as far as it is one of HTTP's own."""
    return request.method if request.method in _METHODS else UNKNOWN


def summarize(
    request: web.Request, response: web.StreamResponse | None, *, status: int, seconds: float
) -> RequestSummary:
    """Sum up a request; ``response`` is None where it ended in an exception."""
    return RequestSummary(
        route=route_of(request),
        method=method_of(request),
        status=status,
        lasted=timedelta(seconds=seconds),
        received=request.content.total_bytes,
        sent=_sent(request, response),
    )


def _sent(request: web.Request, response: web.StreamResponse | None) -> int:
    if response is None or response.prepared:
        return request.writer.output_size  # a stream; its head is a trifle beside it
    return 0 if request.method == "HEAD" else response.content_length or 0
