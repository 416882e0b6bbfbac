"""Retries many jobs that failed, for administrators: each as its own user, as that user would retry it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.accounts.errors import UserBlocked
from shared.accounts.models import User
from shared.accounts.users import find_user_by_id
from shared.database.pool import Pool
from shared.database.transactions import committed_apart
from shared.errors import Refusal
from shared.jobs.lists import ListedJob
from shared.jobs.models import Job
from shared.usecases.access import require_administrator
from shared.usecases.errors import NotFound
from shared.usecases.job_origin import JobOrigin
from shared.usecases.jobs import JobFilter, Jobs
from shared.usecases.retries import find_refusal

MOST = 100
"""Jobs that one call retries at most."""


@dataclass(frozen=True, slots=True)
class RetriedJob:
    """A job that failed, and the new job with its order."""

    job_id: int
    new_id: int


@dataclass(frozen=True, slots=True)
class RefusedJob:
    """A job that failed, and why it cannot be retried."""

    job_id: int
    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRetry:
    """What became of the jobs that match, the newest first; of a dry run, what would be refused.

    ``next_before`` is the id below which there may be more; None where there are none.
    """

    matched: Sequence[int]
    retried: Sequence[RetriedJob] = ()
    refused: Sequence[RefusedJob] = ()
    next_before: int | None


class BulkRetries:
    """Retries jobs that failed and that no later job has replaced: so a call that is repeated does no harm.

    A job is replaced by a later one of its kind, project, user and, of uploads, archive.
    """

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self._pool = pool
        self._jobs = jobs

    async def retry(
        self,
        actor: User | None,
        request: JobFilter,
        *,
        before: int | None,
        limit: int,
        dry_run: bool,
        origin: JobOrigin,
    ) -> BulkRetry:
        """Retry up to ``limit`` jobs with ids lower than ``before``, or only look at them if ``dry_run``.

        Each is a transaction of its own, and no rate limit counts it. Raises Unauthenticated, Denied for all
        but administrators, and NotFound for the project or user of the filter.
        """
        user = require_administrator(actor)
        found = await self._jobs.list(user, request, below=before, limit=limit + 1)
        taken = found[:limit]
        with committed_apart():
            ends = [
                await self._look(each) if dry_run else await self._retry(each, origin=origin)
                for each in taken
            ]
        return BulkRetry(
            matched=[each.report.job.id for each in taken],
            retried=[each for each in ends if isinstance(each, RetriedJob)],
            refused=[each for each in ends if isinstance(each, RefusedJob)],
            next_before=taken[-1].report.job.id if len(found) > limit else None,
        )

    async def _retry(self, listed: ListedJob, *, origin: JobOrigin) -> RetriedJob | RefusedJob:
        job = listed.report.job
        try:
            made = await self._jobs.retry(await self._user_of(job), job.id, origin=origin, counts=False)
        except Refusal as refusal:
            return RefusedJob(job.id, refusal)
        return RetriedJob(job.id, made.report.job.id)

    async def _look(self, listed: ListedJob) -> RefusedJob | None:
        """Return why a retry would be refused now, whatever settings say; None if it would not be."""
        job = listed.report.job
        try:
            found = await self._jobs.show(await self._user_of(job), job.id)
        except Refusal as refusal:
            return RefusedJob(job.id, refusal)
        expected = find_refusal(found.report.job, found.details.facts)
        return None if expected is None else RefusedJob(job.id, expected)

    async def _user_of(self, job: Job) -> User:
        """Return the user in whose name a job is retried. Raises NotFound and UserBlocked."""
        user = None if job.user_id is None else await find_user_by_id(self._pool, job.user_id)
        if user is None:
            raise NotFound("User")
        if user.blocked:
            raise UserBlocked
        return user
