"""The tracer of a process. OpenTelemetry is an extra, which is imported only if the settings switch it on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import CrossdockError
from shared.settings.environment import Settings
from shared.tracing.base import OFF, Tracer


class TracingMissing(CrossdockError):
    """The settings switch tracing on, but the extra ``tracing`` is not installed."""

    code = "tracing_missing"

    def __init__(self) -> None:
        super().__init__(
            "CROSSDOCK_TRACING is on, and OpenTelemetry is not installed: pip install 'crossdock[tracing]'"
        )


@asynccontextmanager
async def open_tracer(settings: Settings, *, service: str) -> AsyncIterator[Tracer]:
    """Open the tracer that the settings ask for. Raises TracingMissing."""
    if not settings.tracing:
        yield OFF
        return
    try:
        from shared.tracing.opentelemetry import opentelemetry_tracer  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise TracingMissing from error
    async with opentelemetry_tracer(service) as tracer:
        yield tracer
