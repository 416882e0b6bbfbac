"""What a job tells of the request or command that creates it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrigin:
    """The ids by which logs and traces refer to a job; ``traceparent`` is that of W3C trace context.

    ``retry_of`` is the job that a retry does again.
    """

    correlation_id: str
    traceparent: str | None = None
    retry_of: int | None = None
