"""How many jobs wait, run and have ended, in projects that somebody administers, or in all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.accounts.models import AccessLevel, User
from shared.database.pool import Database
from shared.jobs.lists import ADMINISTERED

MOST_ENDED = 100_000
"""The number of ended jobs that a summary looks at, of all users, the newest first."""

_SCOPE = f"""{ADMINISTERED}, ended AS (
    SELECT project_id, state, progress, row_number() OVER () AS number FROM (
        SELECT project_id, state, progress FROM jobs WHERE finished_at >= $4
        ORDER BY finished_at DESC LIMIT $5 + 1) newest
), own AS (SELECT * FROM ended e WHERE e.number <= $5
    AND ($3 OR e.project_id IN (SELECT id FROM administered))
), open AS (SELECT * FROM jobs j WHERE j.state IN ('queued', 'running')
    AND ($3 OR j.project_id IN (SELECT id FROM administered)))"""  # noqa: S608  # fixed texts
_SUMMARY = f"""{_SCOPE} SELECT
    (SELECT count(*) FROM open WHERE state = 'queued') AS waiting,
    (SELECT count(*) FROM open WHERE state = 'running') AS running,
    (SELECT min(not_before) FROM open WHERE state = 'queued' AND not_before <= now()) AS oldest_waiting_since,
    (SELECT coalesce(sum(slots), 0) FROM job_workers WHERE seen_at > now() - $6::interval) AS places,
    (SELECT count(*) FROM own WHERE state = 'finished') AS finished,
    (SELECT count(*) FROM own WHERE state = 'failed') AS failed,
    (SELECT count(*) FROM own WHERE state = 'canceled') AS canceled,
    (SELECT coalesce(sum((progress ->> 'bytes_done')::bigint), 0)::bigint FROM own WHERE state = 'finished')
        AS bytes,
    (SELECT count(*) FROM ended) > $5 AS is_partial"""  # noqa: S608  # fixed texts


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """Counts of jobs. ``places`` are the slots of all workers that are there.

    The oldest waiting one is of those that are due. ``bytes`` are those of archives that finished jobs have
    read or made. With ``is_partial`` more jobs have ended since than were looked at.
    """

    waiting: int
    running: int
    places: int
    oldest_waiting_since: datetime | None
    finished: int
    failed: int
    canceled: int
    bytes: int
    is_partial: bool


async def summarise(
    db: Database, user: User, *, since: datetime, silence: timedelta, most_ended: int = MOST_ENDED
) -> JobSummary:
    """Count the jobs of projects that the user maintains or owns; of all for an administrator.

    Ended ones count from ``since`` on. A worker that was silent for ``silence`` is not there any more.
    """
    row = await db.fetchrow(
        _SUMMARY, user.id, AccessLevel.MAINTAINER, user.is_admin, since, most_ended, silence
    )
    assert row is not None  # noqa: S101  # of aggregates there is one row
    return JobSummary(**dict(row))
