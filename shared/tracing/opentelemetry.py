"""Spans by OpenTelemetry, sent over OTLP/HTTP as the standard ``OTEL_*`` variables say.

At most 2048 spans wait to be sent (``OTEL_BSP_MAX_QUEUE_SIZE``); further ones are dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version

from asyncpg.connection import LoggedQuery
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.storage.observed import CountBytes
from shared.tracing.base import SetAttributes, SpanAttributes, SpanKind

_KINDS: Mapping[SpanKind, trace.SpanKind] = {
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.CONSUMER: trace.SpanKind.CONSUMER,
    SpanKind.PRODUCER: trace.SpanKind.PRODUCER,
}
_BEGINNING = (SpanKind.SERVER, SpanKind.CONSUMER)
_LONGEST_QUERY = 1000
_W3C = TraceContextTextMapPropagator()


def _is_within() -> bool:
    return trace.get_current_span().get_span_context().is_valid


def _ignore(_: object) -> None:
    """Do nothing: there is no span."""


class OpenTelemetryTracer:
    """Tracer of one provider, which is not the global one."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("crossdock", version("crossdock"))

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, *, attributes: SpanAttributes, parent: str | None = None
    ) -> Iterator[SetAttributes]:
        """See Tracer."""
        if kind not in _BEGINNING and not _is_within():
            yield _ignore
            return
        # None is the context that holds now, in which the API looks for the span that is open.
        within: Context | None = _W3C.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, within, kind=_KINDS[kind], attributes=dict(attributes)
        ) as span:
            yield lambda more: span.set_attributes(dict(more))

    def traceparent(self) -> str | None:
        """See Tracer."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get("traceparent")

    @contextmanager
    def watch(self, operation: str) -> Iterator[CountBytes]:
        """See Tracer. The span does not become the open one, as the block may be left in another context."""
        if not _is_within():
            yield _ignore
            return
        span = self._tracer.start_span(f"storage {operation}", kind=trace.SpanKind.CLIENT)
        count = 0

        def moved(more: int) -> None:
            nonlocal count
            count += more

        try:
            yield moved
        except Exception as error:
            span.record_exception(error)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.set_attribute("crossdock.bytes", count)
            span.end()

    def on_query(self, query: LoggedQuery) -> None:
        """See Tracer; asyncpg calls it in the context of the query's caller."""
        if not _is_within():
            return
        ended = time.time_ns()
        text = " ".join(query.query.split())[:_LONGEST_QUERY]
        span = self._tracer.start_span(
            text.partition(" ")[0].upper() or "query",
            kind=trace.SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.query.text": text},
            start_time=ended - int(query.elapsed * 1e9),
        )
        if query.exception is not None:
            span.record_exception(query.exception)
            span.set_status(trace.StatusCode.ERROR)
        span.end(ended)


@asynccontextmanager
async def opentelemetry_tracer(service: str) -> AsyncIterator[OpenTelemetryTracer]:
    """Open a tracer; at the end send what is left, for at most ``OTEL_BSP_EXPORT_TIMEOUT``."""
    resource = Resource({SERVICE_NAME: f"crossdock-{service}", SERVICE_VERSION: version("crossdock")})
    provider = TracerProvider(resource=_named_by_environment(resource))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OpenTelemetryTracer(provider)
    finally:
        await asyncio.to_thread(provider.shutdown)


def _named_by_environment(resource: Resource) -> Resource:
    """Merge the resource with OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which win where set."""
    told = Resource.create()
    if str(told.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return told.merge(resource)
    return resource.merge(told)
