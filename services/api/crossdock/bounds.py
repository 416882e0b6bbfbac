"""The bounds that settings give, beside those that a use case or the listener knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from shared.remote.client import Deadlines
from shared.snapshots import quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBounds:
    """The bounds of jobs: the same in all services, where these have the same settings.

    ``share`` is the percentage of the slots of a kind that one user's jobs may hold. A job ends after
    ``import_deadline`` or ``export_deadline``, an attempt after ``idle_deadline`` without a step.
    """

    attempts: int = 5
    share: int = 90
    import_deadline: timedelta = timedelta(hours=24)
    export_deadline: timedelta = timedelta(hours=6)
    idle_deadline: timedelta = timedelta(minutes=10)
    retention: timedelta = timedelta(days=30)
    overwrite_retention: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one user, of jobs and of servers elsewhere, and how long things are kept.

    In a minute, ``failed_sign_ins`` may fail from one address, or for one account; 0 is any number. A token
    that is unknown is remembered as such for ``unknown_token``. A user may read a file by
    ``download_connections`` at once. An archive that is sent for a snapshot has at most ``push_entries``.
    """

    tokens: int = 1000
    groups: int = 10_000
    idempotency_keys: int = 10_000
    failed_sign_ins: int = 60
    unknown_token: timedelta = timedelta(minutes=1)
    webhook_senders: int = 16
    download_connections: int = 4
    open_snapshot_retention: timedelta = timedelta(days=1)
    push_entries: int = 20_000
    event_retention: timedelta = timedelta(days=3)
    dead_letter_retention: timedelta = timedelta(days=7)
    jobs: JobBounds = JobBounds()
    remotes: Deadlines = field(default_factory=Deadlines)


BOUNDS = web.AppKey("bounds", Bounds)


def bounds_entity(bounds: Bounds) -> dict[str, object]:
    """Return the bounds as the limits show them, in seconds."""
    jobs = bounds.jobs
    return {
        "tokens": {"limit": bounds.tokens, "unknown_seconds": _seconds(bounds.unknown_token)},
        "groups": {"limit": bounds.groups},
        "idempotency_keys": {"limit": bounds.idempotency_keys},
        "sign_ins": {"failed_per_minute": bounds.failed_sign_ins or None},
        "downloads": {"connections": bounds.download_connections},
        "jobs": {
            "attempts": jobs.attempts,
            "share_percent": jobs.share,
            "import_seconds": _seconds(jobs.import_deadline),
            "export_seconds": _seconds(jobs.export_deadline),
            "idle_seconds": _seconds(jobs.idle_deadline),
            "retention_seconds": _seconds(jobs.retention),
            "overwrite_retention_seconds": _seconds(jobs.overwrite_retention),
        },
        "remotes": {
            "least_rate": bounds.remotes.least.rate,
            "least_rate_grace_seconds": _seconds(bounds.remotes.least.grace),
            "answer_seconds": _seconds(bounds.remotes.answer),
        },
        "snapshots": {
            "open_seconds": _seconds(bounds.open_snapshot_retention),
            "archive_entries": bounds.push_entries,
        },
        "quarantine": {
            "line_size": quarantine.LONGEST_LINE,
            "size": quarantine.MOST_BYTES,
            "lines": quarantine.MOST_LINES,
        },
        "events": {"retention_seconds": _seconds(bounds.event_retention)},
        "commands": {"dead_letter_seconds": _seconds(bounds.dead_letter_retention)},
    }


def _seconds(time: timedelta) -> float:
    return time.total_seconds()
