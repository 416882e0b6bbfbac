"""Removes jobs, with their failures, and before that their addresses, some time after they have ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.database.pool import Pool, Row
from shared.jobs.store import ADDRESS, FORGOTTEN

_JOBS_AT_ONCE = 500
_FAILURES_AT_ONCE = 5000
_BEGINNING = (datetime.min.replace(tzinfo=UTC), 0)

# The newest job of a kind is what GitLab's status of the project tells of; an archive is kept as its job is.
_PAGE = f"""SELECT id, finished_at,
    (j.former_project_id IS NOT NULL OR EXISTS (SELECT FROM jobs n WHERE n.project_id = j.project_id
        AND n.kind = j.kind AND n.id > j.id AND n.former_project_id IS NULL))
    AND NOT EXISTS (SELECT FROM archives a WHERE a.job_id = j.id) AS goes
FROM jobs j WHERE finished_at < now() - $1::interval AND (finished_at, id) > ($2, $3)
ORDER BY finished_at, id LIMIT {_JOBS_AT_ONCE}"""  # noqa: S608  # fixed texts
_REMOVE_FAILURES = f"""DELETE FROM failed_relations WHERE ctid = ANY(ARRAY(
    SELECT f.ctid FROM failed_relations f JOIN jobs j ON j.id = f.job_id
    WHERE j.id = ANY($1) AND (j.id = ANY($2) OR f.lease <> j.lease) LIMIT {_FAILURES_AT_ONCE}))"""  # noqa: S608  # fixed texts
_FORGET = f"""UPDATE jobs SET payload = {FORGOTTEN} WHERE id IN (
    SELECT id FROM jobs WHERE {ADDRESS} IS NOT NULL AND finished_at < now() - $1::interval
    LIMIT {_JOBS_AT_ONCE} FOR NO KEY UPDATE SKIP LOCKED)"""  # noqa: S608  # fixed texts


class JobExpiry:
    """Removes what ended longer than ``retention`` ago, except for the newest job of each kind of a project.

    It goes through the old jobs a page at a time, and begins again at the end: those that are kept are looked
    at once in each passage.
    """

    def __init__(self, pool: Pool, *, retention: timedelta) -> None:
        self._pool = pool
        self._retention = retention
        self._after = _BEGINNING

    async def remove_jobs(self) -> int:
        """Remove jobs of the next page of 500, or up to 5000 of their failures; return how many rows.

        Of a job that is kept, the failures of earlier attempts go. May be repeated.
        """
        page = await self._pool.fetch(_PAGE, self._retention, *self._after)
        ids, going = [row["id"] for row in page], [row["id"] for row in page if row["goes"]]
        failures = _count(await self._pool.execute(_REMOVE_FAILURES, ids, going))
        if failures == _FAILURES_AT_ONCE:
            return failures  # there may be more: the page is read again
        jobs = _count(await self._pool.execute("DELETE FROM jobs WHERE id = ANY($1)", going))
        self._after = _end_of(page)
        return failures + jobs


class AddressExpiry:
    """Forgets the addresses of jobs that failed or were canceled longer than ``kept`` ago."""

    def __init__(self, pool: Pool, *, kept: timedelta) -> None:
        self._pool = pool
        self._kept = kept

    async def forget_addresses(self) -> int:
        """Forget the addresses of up to 500 jobs, and return of how many. May be repeated."""
        return _count(await self._pool.execute(_FORGET, self._kept))


def _end_of(page: list[Row]) -> tuple[datetime, int]:
    """Return where the next page begins."""
    if len(page) < _JOBS_AT_ONCE:
        return _BEGINNING
    return page[-1]["finished_at"], page[-1]["id"]


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
