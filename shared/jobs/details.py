"""What a page shows of jobs besides their reports, for many jobs by one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.database.pool import Database, Row
from shared.jobs.models import IMPORTS, JobKind

MOST_COUNTED = 10_000
"""The greatest number of failures that is told of a job."""

_FARTHEST = 1000
"""The last place in the queue that is told: behind it, the places of a page of jobs would cost too much."""

_WITHOUT_FAILURES = (JobKind.EXPORT, JobKind.UPLOAD, JobKind.PEER_EXPORT, JobKind.BACKUP)
USER_OF = "SELECT jsonb_build_object('id', id, 'username', username, 'name', name) FROM users WHERE id ="
"""SQL for the document of a JobUser; behind it comes the id of the user."""

_DETAILS = f"""SELECT j.id, ({USER_OF} j.user_id) AS asked_by, ({USER_OF} j.canceled_by) AS canceled_by,
    j.retry_of, (SELECT max(r.id) FROM jobs r WHERE r.retry_of = j.id) AS retried_by,
    a.expires_at, a.job_id = (SELECT max(n.job_id) FROM archives n WHERE n.project_id = j.project_id
        AND n.user_id = j.user_id AND n.expires_at > now()) AS is_newest,
    (SELECT max(e.id) FROM events e WHERE e.job_id = j.id) AS last_event_id,
    CASE WHEN j.finished_at IS NOT NULL AND j.kind <> ALL($2) THEN (SELECT count(*) FROM (
        SELECT FROM failed_relations f WHERE f.job_id = j.id AND f.lease = j.lease LIMIT $3) counted)
    END AS failures,
    CASE WHEN j.state = 'queued' THEN (SELECT count(*) + 1 FROM (
        SELECT FROM jobs q WHERE q.state = 'queued' AND q.kind = j.kind
            AND (q.not_before, q.id) < (j.not_before, j.id) LIMIT $4) before)
    END AS position,
    EXISTS (SELECT FROM jobs l WHERE l.project_id = j.project_id AND l.kind = ANY($5) AND l.id > j.id
        AND l.former_project_id IS NULL)
        AS has_newer_import,
    EXISTS (SELECT FROM jobs l WHERE l.project_id = j.project_id AND l.kind = ANY($5)
        AND l.finished_at IS NULL) AS is_importing,
    p.snapshot_id IS NOT NULL AS has_content,
    j.upload_id IS NOT NULL
        OR EXISTS (SELECT FROM objects o WHERE o.id = j.object_id AND o.state = 'stored') AS keeps_object,
    EXISTS (SELECT FROM archives s WHERE s.job_id = j.parent_id) AS keeps_archive
FROM jobs j JOIN projects p ON p.id = j.project_id LEFT JOIN archives a ON a.job_id = j.id
WHERE j.id = ANY($1)"""  # noqa: S608  # fixed texts


@dataclass(frozen=True, slots=True)
class JobUser:
    """Who asked for a job, or canceled it."""

    id: int
    username: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFacts:
    """What decides whether a job can be retried, besides the job.

    ``has_newer_import`` and ``is_importing`` are about imports of the whole project; ``keeps_object`` is
    about what was uploaded for the job, ``keeps_archive`` about the archive of an upload.
    """

    has_newer_import: bool
    is_importing: bool
    has_content: bool
    keeps_object: bool
    keeps_archive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """What a page shows of a job besides its report.

    ``archive_expires_at`` is about the archive that an export has made; with ``is_newest`` it is the one that
    its user can download. ``failures`` are counted up to ``MOST_COUNTED``, and None where none are told.
    ``position`` counts from 1 by age among the waiting jobs of its kind: users take turns, so that it is an
    estimate. It is None unless the job waits, and behind the first thousand. ``retried_by`` is the newest job
    that is a retry of this one.
    """

    user: JobUser | None
    canceled_by: JobUser | None
    retry_of: int | None
    retried_by: int | None
    archive_expires_at: datetime | None
    is_newest: bool
    last_event_id: int | None
    failures: int | None
    position: int | None
    facts: RetryFacts


async def find_details(db: Database, job_ids: Sequence[int]) -> Mapping[int, JobDetails]:
    """Find the details of jobs, by their ids; those that are gone are missing."""
    rows = await db.fetch(
        _DETAILS, job_ids, [kind.value for kind in _WITHOUT_FAILURES], MOST_COUNTED, _FARTHEST,
        [kind.value for kind in IMPORTS],
    )  # fmt: skip
    return {row["id"]: _details(row) for row in rows}


def _details(row: Row) -> JobDetails:
    position = row["position"]
    return JobDetails(
        user=_user(row["asked_by"]),
        canceled_by=_user(row["canceled_by"]),
        retry_of=row["retry_of"],
        retried_by=row["retried_by"],
        archive_expires_at=row["expires_at"],
        is_newest=bool(row["is_newest"]),
        last_event_id=row["last_event_id"],
        failures=row["failures"],
        position=None if position is None or position > _FARTHEST else position,
        facts=RetryFacts(**{name: row[name] for name in RetryFacts.__dataclass_fields__}),
    )


def _user(told: Mapping[str, Any] | None) -> JobUser | None:
    return None if told is None else JobUser(**told)
