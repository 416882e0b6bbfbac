"""Spans: the port, and what stands in for it while nobody traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Protocol, TypeAlias

from shared.database.pool import OnQuery
from shared.storage.watched import CountBytes

Attributes: TypeAlias = Mapping[str, str | int]
SetAttributes = Callable[[Attributes], None]
"""Adds what is known only later to the span that is open."""


class SpanKind(Enum):
    """On which side of a call a span is (OpenTelemetry, "SpanKind").

    Those on the far side begin a trace where they were given none; the others are made within one only, so
    that housekeeping leaves no traces.
    """

    SERVER = "server"
    CONSUMER = "consumer"
    PRODUCER = "producer"


class Tracer(Protocol):
    """Makes spans. No method waits for whoever collects them, or raises."""

    def span(
        self, name: str, kind: SpanKind, *, attributes: Attributes, parent: str | None = None
    ) -> AbstractContextManager[SetAttributes]:
        """Open a span for a block, within ``parent`` (a traceparent) or within the one that is open.

        What ends the block by an exception is noted, but for a cancellation.
        """

    def traceparent(self) -> str | None:
        """Name the span that is open, for others to go on from."""

    def watch(self, operation: str) -> AbstractContextManager[CountBytes]:
        """Make a span of an operation on object storage (a Watch)."""

    @property
    def on_query(self) -> OnQuery | None:
        """What makes a span of a query that is over, with its text and without its values; or None."""


class NoTracer:
    """Tracer that makes nothing."""

    def span(
        self,
        name: str,  # noqa: ARG002  # the port's
        kind: SpanKind,  # noqa: ARG002
        *,
        attributes: Attributes,  # noqa: ARG002
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
    """Nobody traces."""


OFF = NoTracer()
