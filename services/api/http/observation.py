"""Summarizes requests for metrics, by route, method and status. Clients cannot choose these labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from aiohttp import web

UNKNOWN = "unknown"
"""Stands for a missing route, and for a method that is not one of HTTP."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSummary:
    """A request that has ended. ``received`` and ``sent`` count the transferred bytes of the bodies."""

    route: str
    method: str
    status: int
    lasted: timedelta
    received: int
    sent: int


def route_of(request: web.Request) -> str:
    """Return the template of the request's route in GitLab's form: ``/api/v4/projects/:id``."""
    resource = request.match_info.route.resource
    if resource is None:
        return UNKNOWN
    return _in_gitlabs_form(resource.canonical)


@cache
def _in_gitlabs_form(canonical: str) -> str:
    """Rewrite the template of a route, of which there are as many as the application has."""
    without_slashes = re.sub(r"\{_\d+\}", "", canonical)
    return re.sub(r"\{(\w+)\}", r":\1", without_slashes)


def method_of(request: web.Request) -> str:
    """Return the method, or ``UNKNOWN`` if it is not one of HTTP."""
    return request.method if request.method in _METHODS else UNKNOWN


def summarize(
    request: web.Request, response: web.StreamResponse | None, *, status: int, seconds: float
) -> RequestSummary:
    """Summarize a request. ``response`` is None if the request ended with an exception."""
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
        return request.writer.output_size  # a stream, which is much larger than its head
    return 0 if request.method == "HEAD" else response.content_length or 0
