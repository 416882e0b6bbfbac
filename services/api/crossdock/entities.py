"""JSON of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

from services.api.http.responses import timestamp
from shared.events.models import LastWord
from shared.jobs.models import AttemptError, JobReport, JobState


def job_entity(report: JobReport, *, full_path: str, shows_worker: bool) -> dict[str, object]:
    """Make a job. Its order is left out, because it may contain the URL of an upload.

    Only administrators see the worker's name, as it reveals names of hosts.
    """
    job = report.job
    return {
        "id": job.id,
        "kind": job.kind.shown,
        "parent_id": job.parent_id,
        "state": job.state.value,
        "project": {"id": job.project_id, "path_with_namespace": full_path},
        "user_id": job.user_id,
        "correlation_id": job.correlation_id,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "created_at": timestamp(job.created_at),
        "due_at": timestamp(report.due_at) if job.state is JobState.QUEUED else None,
        "started_at": _moment(job.started_at),
        "finished_at": _moment(job.finished_at),
        "lease": _lease(report, shows_worker=shows_worker),
        "error": job.error,
        "error_code": job.error_code,
        "errors": None if report.errors is None else [_attempt_error(each) for each in report.errors],
        "progress": _progress(report),
        "timings": _timings(report),
        "outcome": report.outcome,
        "archive": report.archive,
        "content_sha256": report.content_sha256,
    }


def last_word_entity(word: LastWord) -> dict[str, object]:
    """Make a job that went with its project, as its events tell of it."""
    event, data = word.event, word.event.data
    job, progress = _mapping(data["job"]), _mapping(data["progress"])
    archive, upload = data["archive"], data["upload"]
    ran = None if word.started_at is None else _seconds(word.started_at, event.created_at)
    return {
        **job,
        "project": data["project"],
        "user_id": data["user_id"],
        "correlation_id": event.correlation_id,
        "created_at": timestamp(word.first_at),
        "due_at": None,
        "started_at": _moment(word.started_at),
        "finished_at": timestamp(event.created_at),
        "lease": None,
        "error": data["error"],
        "error_code": data["error_code"],
        "errors": None,
        "progress": {**_counts(progress), "bytes_per_second": None, "remaining_seconds": None},
        "timings": {
            "waited_seconds": _seconds(word.first_at, word.started_at or event.created_at),
            "ran_seconds": ran,
            "phases": _phases(progress),
        },
        "outcome": {"archive": archive, "upload": upload} if archive or upload else None,
        "archive": archive,
        "content_sha256": data.get("content_sha256"),  # of an older version there is none
    }


def _attempt_error(error: AttemptError) -> dict[str, object]:
    return {
        "attempt": error.attempt,
        "code": error.code,
        "error": error.error,
        "at": timestamp(error.at),
        "counts": error.counts,
        "times": error.times,
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def _lease(report: JobReport, *, shows_worker: bool) -> dict[str, object] | None:
    if report.lease_expires_at is None:
        return None
    return {
        "number": report.job.lease,
        "expires_at": timestamp(report.lease_expires_at),
        "worker": report.worker if shows_worker else None,
    }


def _progress(report: JobReport) -> dict[str, object]:
    """Make the worker's counts, with the rate of the last phase that transferred bytes."""
    counts = _counts(report.progress)
    rate = _rate(_phases(report.progress))
    done, total = report.progress.get("bytes_done"), report.progress.get("bytes_total")
    remaining = None
    if report.job.state is JobState.RUNNING and rate and isinstance(done, int) and isinstance(total, int):
        remaining = ceil((total - done) / rate) if done < total else None  # later phases vary
    return counts | {"bytes_per_second": round(rate) if rate else None, "remaining_seconds": remaining}


def _counts(progress: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in progress.items() if name != "phases"}


def _phases(progress: Mapping[str, object]) -> list[Mapping[str, Any]]:
    phases = progress.get("phases")
    return phases if isinstance(phases, list) else []


def _rate(phases: list[Mapping[str, Any]]) -> float | None:
    moving = [phase for phase in phases if phase["bytes"] and phase["seconds"]]
    return moving[-1]["bytes"] / moving[-1]["seconds"] if moving else None


def _timings(report: JobReport) -> dict[str, object]:
    """Make the time waited, the time run (with pauses between attempts), and the last attempt's phases."""
    job = report.job
    until = job.finished_at or report.read_at
    return {
        "waited_seconds": _seconds(job.created_at, job.started_at or until),
        "ran_seconds": None if job.started_at is None else _seconds(job.started_at, until),
        "phases": _phases(report.progress),
    }


def _seconds(since: datetime, until: datetime) -> float:
    return round((until - since).total_seconds(), 3)
