"""A receiver of traces: OTLP over HTTP, as a collector would take them in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.api import listening


@dataclass(frozen=True, slots=True)
class Received:
    """A span, and the service that made it."""

    service: str
    trace: str
    id: str
    parent: str
    name: str
    kind: str
    attributes: dict[str, str | int]


@dataclass(slots=True)
class Receiver:
    """Keeps every span that was sent."""

    url: str
    spans: list[Received]

    def of(self, trace: str) -> list[Received]:
        """Those of one trace."""
        return [span for span in self.spans if span.trace == trace]


@asynccontextmanager
async def otlp_receiver() -> AsyncIterator[Receiver]:
    """Listen on a free port."""
    spans: list[Received] = []

    async def take(request: web.Request) -> web.Response:
        batch = ExportTraceServiceRequest.FromString(await request.read())
        for resource in batch.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            spans.extend(
                _received(str(service), span) for scope in resource.scope_spans for span in scope.spans
            )
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    app = web.Application()
    app.add_routes([web.post("/v1/traces", take)])
    async with listening(app) as url:
        yield Receiver(str(url).rstrip("/"), spans)


def _received(service: str, span: Span) -> Received:
    return Received(
        service,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        attributes=_attributes(span.attributes),
    )


def _attributes(given: object) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in given}  # type: ignore[attr-defined]  # protobuf's
