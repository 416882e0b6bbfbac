"""Whether a process traces: OpenTelemetry is an extra, and not imported where nobody asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import CrossdockError
from shared.settings.environment import Settings
from shared.tracing.base import OFF, Tracer


class TracingMissing(CrossdockError):
    """The extra is not installed."""

    code = "tracing_missing"

    def __init__(self) -> None:
        super().__init__(
            "CROSSDOCK_TRACING is on, and OpenTelemetry is not installed: pip install 'crossdock[tracing]'"
        )


@asynccontextmanager
async def tracing(settings: Settings, *, service: str) -> AsyncIterator[Tracer]:
    """Give what makes spans, as the settings say. Raises TracingMissing."""
    if not settings.tracing:
        yield OFF
        return
    try:
        from shared.tracing.opentelemetry import opentelemetry_tracer  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise TracingMissing from error
    async with opentelemetry_tracer(service) as tracer:
        yield tracer
