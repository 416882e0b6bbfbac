"""Makes a span of each request. It continues the client's trace, and jobs continue the request's trace."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.observation import method_of, route_of
from services.api.http.responses import CORRELATION_ID
from shared.tracing.base import SpanKind, Tracer
from shared.tracing.context import continue_trace, valid_traceparent

TRACER = web.AppKey("tracer", Tracer)

_PROBES = "/-/"
"""Probes come every few seconds, so they get no span."""


@web.middleware
async def trace_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make a span of a request. Without a tracer, its jobs still continue the client's trace."""
    route = route_of(request)
    if route.startswith(_PROBES):
        return await handler(request)
    tracer, given = request.app[TRACER], valid_traceparent(request.headers.get("traceparent"))
    attributes = {"http.request.method": method_of(request), "http.route": route}
    name = f"{method_of(request)} {route}"
    with (
        tracer.span(name, SpanKind.SERVER, attributes=attributes, parent=given) as tell,
        continue_trace(tracer.traceparent() or given),
    ):
        response = await handler(request)
        tell(
            {
                "http.response.status_code": response.status,
                "crossdock.correlation_id": request[CORRELATION_ID],
            }
        )
        return response
