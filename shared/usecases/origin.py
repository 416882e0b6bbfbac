"""What a job takes over from the request, or the command, that asks for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrigin:
    """By what the job is found in logs and traces (W3C trace context)."""

    correlation_id: str
    traceparent: str | None = None
