"""Traced work: each attempt at a job is a span in the trace of the request that created the job."""

from __future__ import annotations

from shared.errors import CrossdockError
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Progress
from shared.jobs.worker import Work
from shared.tracing.base import SpanKind, Tracer
from shared.tracing.context import continue_trace


class TracedWork:
    """Wraps a Work; each attempt is a span."""

    def __init__(self, work: Work, tracer: Tracer) -> None:
        self._work = work
        self._tracer = tracer

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """See Work."""
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "process",
            "messaging.destination.name": job.kind.value,
            "crossdock.job.id": job.id,
            "crossdock.project.id": job.project_id,
            "crossdock.attempt": job.attempt,
            "crossdock.correlation_id": job.correlation_id,
        }
        name = f"process {job.kind.value}"
        with (
            self._tracer.span(name, SpanKind.CONSUMER, attributes=attributes, parent=job.traceparent),
            continue_trace(self._tracer.traceparent() or job.traceparent),
        ):
            await self._work.run(job, lease, progress)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """See Work."""
        return await self._work.explain(job, error)
