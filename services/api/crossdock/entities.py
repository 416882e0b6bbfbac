"""What our own API shows."""

from __future__ import annotations

from datetime import datetime

from services.api.responses import timestamp
from shared.jobs.models import JobReport
from shared.projects.models import Project


def job_entity(report: JobReport, project: Project) -> dict[str, object]:
    """Make a job; what it was ordered to do stays out, as it may hold the address of an upload."""
    job = report.job
    return {
        "id": job.id,
        "kind": job.kind.value,
        "state": job.state.value,
        "project": {"id": project.id, "path_with_namespace": project.full_path},
        "correlation_id": job.correlation_id,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "created_at": timestamp(job.created_at),
        "started_at": _moment(job.started_at),
        "finished_at": _moment(job.finished_at),
        "error": job.error,
        "progress": report.progress,
        "outcome": report.outcome,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
