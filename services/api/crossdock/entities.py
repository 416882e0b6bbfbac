"""JSON of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from services.api.http.responses import optional_timestamp, timestamp
from shared.accounts.models import User
from shared.events.models import LastWord
from shared.jobs.details import JobDetails
from shared.jobs.models import AttemptError, Job, JobReport, JobState
from shared.jobs.pace import RATE, SECONDS_LEFT
from shared.usecases.errors import NotFound
from shared.usecases.retries import find_refusal, retried_until

_NO_RETRY = {
    "can_retry": False,
    "retry_until": None,
    "why_not_retry": {"code": NotFound.code, "message": "its project was deleted"},
}

_NOT_TOLD_BEFORE = {"canceled_by": None, "retry_of": None}
"""What the events of an older version do not tell of a job."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who reads jobs, and the URL by which users reach the server."""

    user: User
    external_url: str


def job_entity(
    report: JobReport, details: JobDetails, *, full_path: str, viewer: Viewer
) -> dict[str, object]:
    """Make a job. Its order is left out, because it may contain the URL of an upload.

    Only administrators see the worker's name, as it reveals names of hosts.
    """
    return {
        **_report_members(report, full_path=full_path, shows_worker=viewer.user.is_admin),
        "user": details.user,
        "canceled_by": details.canceled_by,
        "retry_of": details.retry_of,
        "retried_by": details.retried_by,
        "archive": _archive(report, details, viewer),
        "phase": _phase(report),
        "position": details.position,
        "failures_count": details.failures,
        "error_details": _error(report.job.error, report.job.error_code, viewer),
        **_retry_members(report.job, details),
        "last_event_id": details.last_event_id,
    }


def _archive(report: JobReport, details: JobDetails, viewer: Viewer) -> dict[str, object] | None:
    """Make the archive. It is downloaded by who asked for it, as long as no later one takes its place."""
    if report.archive is None:
        return None
    expires_at = details.archive_expires_at
    is_own = report.job.user_id == viewer.user.id and expires_at is not None and expires_at > report.read_at
    address = f"/api/v4/projects/{report.job.project_id}/export/download"
    return {
        **report.archive,
        "expires_at": optional_timestamp(expires_at),
        "download_url": address if is_own and details.is_newest else None,
    }


def _phase(report: JobReport) -> str | None:
    phases = _phases(report.progress)
    return phases[-1]["name"] if phases and report.job.state is JobState.RUNNING else None


def _error(message: object, code: object, viewer: Viewer) -> dict[str, object] | None:
    if message is None or code is None:
        return None
    return {"code": code, "message": message, "url": f"{viewer.external_url}/problems/{code}"}


def _retry_members(job: Job, details: JobDetails) -> dict[str, object]:
    refusal, until = find_refusal(job, details.facts), retried_until(job)
    return {
        "can_retry": refusal is None,
        "retry_until": None if refusal or until is None else timestamp(until),
        "why_not_retry": refusal and {"code": refusal.code, "message": str(refusal)},
    }


def _report_members(report: JobReport, *, full_path: str, shows_worker: bool) -> dict[str, object]:
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
        "started_at": optional_timestamp(job.started_at),
        "finished_at": optional_timestamp(job.finished_at),
        "lease": _lease(report, shows_worker=shows_worker),
        "error": job.error,
        "error_code": job.error_code,
        "errors": None if report.errors is None else [_attempt_error(each) for each in report.errors],
        "progress": _progress(report),
        "timings": _timings(report),
        "outcome": report.outcome,
        "content_sha256": report.content_sha256,
    }


def last_word_entity(word: LastWord, viewer: Viewer) -> dict[str, object]:
    """Make a job that went with its project, as its events tell of it."""
    event, data = word.event, word.event.data
    job, progress = _mapping(data["job"]), _mapping(data["progress"])
    archive, upload = data["archive"], data["upload"]
    ran = None if word.started_at is None else _seconds(word.started_at, event.created_at)
    return {
        **_NOT_TOLD_BEFORE,
        **job,
        "project": data["project"],
        "user_id": data["user_id"],
        "correlation_id": event.correlation_id,
        "created_at": timestamp(word.first_at),
        "due_at": None,
        "started_at": optional_timestamp(word.started_at),
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
        "user": None,
        "retried_by": None,
        "phase": None,
        "position": None,
        "failures_count": data.get("failures"),
        "error_details": _error(data["error"], data["error_code"], viewer),
        **_NO_RETRY,
        "last_event_id": None,
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
    if report.job.state is not JobState.RUNNING:  # the worker's last words on its pace are over
        counts = {name: value for name, value in counts.items() if name not in (RATE, SECONDS_LEFT)}
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
