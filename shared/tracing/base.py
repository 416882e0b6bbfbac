"""Spans: the port, and the tracer that makes none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Protocol, TypeAlias

from shared.database.pool import OnQuery
from shared.storage.observed import CountBytes

SpanAttributes: TypeAlias = Mapping[str, str | int]
SetAttributes = Callable[[SpanAttributes], None]
"""Adds attributes to the open span, once they are known."""


class SpanKind(Enum):
    """On which side of a call a span is (OpenTelemetry, "SpanKind").

    SERVER and CONSUMER begin a trace where the caller sent none; PRODUCER is only made within a trace, so
    that maintenance leaves no traces.
    """

    SERVER = "server"
    CONSUMER = "consumer"
    PRODUCER = "producer"


class Tracer(Protocol):
    """Makes spans. No method raises, or waits for the collector of spans."""

    def span(
        self, name: str, kind: SpanKind, *, attributes: SpanAttributes, parent: str | None = None
    ) -> AbstractContextManager[SetAttributes]:
        """Open a span for a block, within ``parent`` (a traceparent), or within the span that is open.

        An exception that ends the block is recorded, unless it is a cancellation.
        """

    def traceparent(self) -> str | None:
        """Give the traceparent of the open span, to hand on."""

    def watch(self, operation: str) -> AbstractContextManager[CountBytes]:
        """Make a span of an operation on object storage (a Watch)."""

    @property
    def on_query(self) -> OnQuery | None:
        """The function that makes a span of a query that has ended, with its text and without its values.

        Or None.
        """


class NoTracer:
    """Tracer that makes no spans."""

    def span(
        self,
        name: str,  # noqa: ARG002  # the port's
        kind: SpanKind,  # noqa: ARG002
        *,
        attributes: SpanAttributes,  # noqa: ARG002
        parent: str | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[SetAttributes]:
        """See Tracer."""
        return nullcontext(_ignore)

    def traceparent(self) -> str | None:
        """See Tracer."""
        return None

    def watch(self, operation: str) -> AbstractContextManager[CountBytes]:  # noqa: ARG002  # the port's
        """See Tracer."""
        return nullcontext(_ignore)

    @property
    def on_query(self) -> None:
        """See Tracer."""


def _ignore(_: object) -> None:
    """Do nothing: there is no span."""


OFF = NoTracer()
