"""Lists, shows, cancels and retries jobs, for users who are maintainers of the jobs' projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user_by_reference
from shared.database.pool import Connection, Database, Pool, one_moment
from shared.database.transactions import current, transaction
from shared.errors import Denied
from shared.jobs import failed_relations
from shared.jobs import store as jobs
from shared.jobs.details import JobDetails, find_details
from shared.jobs.failed_relations import FailedRelation
from shared.jobs.lists import JobQuery, ListedJob, list_jobs
from shared.jobs.models import Job, JobKind, JobReport, JobState
from shared.jobs.summaries import JobSummary, summarise
from shared.projects import store
from shared.projects.models import Project
from shared.usecases.access import find_member_namespace, find_project_level, require_user, require_visible
from shared.usecases.errors import JobEnded, NotFound
from shared.usecases.imports import ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.retries import Retries


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """The filter of a list. ``project``, ``namespace`` and ``user`` are ids or names.

    ``mine`` selects one's own jobs, and ``search`` is a part of a project's full path. ``code`` is that of
    the error; ``not_replaced`` leaves out jobs with a later one in their place.
    """

    kinds: Sequence[JobKind] | None
    states: Sequence[JobState] | None
    search: str | None = None
    namespace: str | None = None
    code: str | None = None
    not_replaced: bool = False
    project: str | None
    user: str | None
    mine: bool = False
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReportedJob:
    """A job with its report, its project, and its details."""

    report: JobReport
    project: Project
    details: JobDetails


class Jobs:
    """Lists, shows, cancels and retries jobs. Users see only the jobs of projects that they maintain."""

    def __init__(self, pool: Pool, queue: JobQueue, *, retries: Retries, silence: timedelta) -> None:
        self._pool = pool
        self._queue = queue
        self._retries = retries
        self._silence = silence

    async def summarise(self, actor: User | None, *, since: datetime) -> JobSummary:
        """Count the jobs that wait, run, and have ended since then. Raises Unauthenticated."""
        return await summarise(self._pool, require_user(actor), since=since, silence=self._silence)

    async def list(
        self, actor: User | None, request: JobFilter, *, below: int | None, limit: int
    ) -> Sequence[ListedJob]:
        """List jobs with an id lower than ``below``, the newest first.

        Raises Unauthenticated, NotFound for the project, namespace or user of the filter, and Denied.
        """
        user = require_user(actor)
        async with one_moment(self._pool) as db:
            query = await _query(db, user, request, below=below, limit=limit)
            # For the project of the filter, ``_query`` has checked that the user is a maintainer.
            sees_all = user.is_admin or query.project_id is not None
            return await list_jobs(db, query, administrator=None if sees_all else user)

    async def show(self, actor: User | None, job_id: int | None) -> ReportedJob:
        """Return a job. Raises Unauthenticated and NotFound."""
        async with one_moment(self._pool) as db:
            return await find_job(db, actor, job_id)

    async def report(self, scheduled: ScheduledJob) -> ReportedJob:
        """Return a job that was made in the same request. Raises NotFound."""
        return await report_job(current(self._pool), scheduled.job.id, scheduled.project)

    async def list_failures(
        self, actor: User | None, job_id: int | None, *, after: int, limit: int
    ) -> Sequence[FailedRelation]:
        """Return failures of a job as ``list_failures_of`` does. Raises Unauthenticated and NotFound."""
        async with one_moment(self._pool) as db:
            found = await find_job(db, actor, job_id)
            return await failed_relations.list_in_order(db, found.report.job, after=after, limit=limit)

    async def list_failures_of(self, job: Job, *, after: int, limit: int) -> Sequence[FailedRelation]:
        """Return failures of the job's last attempt with an id greater than ``after``, in order."""
        return await failed_relations.list_in_order(self._pool, job, after=after, limit=limit)

    async def cancel(self, actor: User | None, job_id: int | None) -> ReportedJob:
        """Cancel a job, and return it. Its worker, if there is one, stops at the next heartbeat.

        Raises Unauthenticated, NotFound and JobEnded.
        """
        async with transaction(self._pool) as db:
            await self.cancel_within(db, actor, job_id)
            return await find_job(db, actor, job_id)

    async def cancel_within(self, db: Connection, actor: User | None, job_id: int | None) -> ScheduledJob:
        """Cancel a job in the caller's transaction. Raises what ``cancel`` raises."""
        user, found = require_user(actor), await find_job(db, actor, job_id)
        if not await jobs.cancel(db, found.report.job.id, by=user.id):
            raise JobEnded("the job has ended, and only one that has not can be canceled")
        return ScheduledJob(found.project, found.report.job)

    async def retry(
        self, actor: User | None, job_id: int | None, *, origin: JobOrigin, counts: bool = True
    ) -> ReportedJob:
        """Schedule a new job with the order of one that failed or was canceled, and return it.

        It counts against the rate limit, unless an administrator has it retried for its user: ``counts``.

        Raises Unauthenticated, NotFound, and what ``Retries.retry`` raises.
        """
        found = await find_job(self._pool, actor, job_id)
        job = await self._retries.retry(
            require_user(actor), found.report.job, found.project, origin=origin, counts=counts
        )
        self._queue.announce(job)
        return await report_job(current(self._pool), job.id, found.project)


async def find_job(db: Database, actor: User | None, job_id: int | None) -> ReportedJob:
    """Return a job, if the user is a maintainer of its project. Raises Unauthenticated and NotFound."""
    user = require_user(actor)
    job = None if job_id is None else await jobs.find(db, job_id)
    project = None if job is None else await store.find_by_id(db, job.project_id)
    if job is None or project is None:
        raise NotFound("Job")
    if await find_project_level(db, user, project) < AccessLevel.MAINTAINER:
        raise NotFound("Job")
    return await report_job(db, job.id, project)


async def report_job(db: Database, job_id: int, project: Project) -> ReportedJob:
    """Return a job of the project with what is told of it. Raises NotFound.

    The details come first: their last event is then none that the report does not know of.
    """
    details = (await find_details(db, [job_id])).get(job_id)
    report = await jobs.find_report(db, job_id)
    if details is None or report is None:  # the project was deleted in the same moment
        raise NotFound("Job")
    return ReportedJob(report, project, details)


async def _query(db: Database, user: User, request: JobFilter, *, below: int | None, limit: int) -> JobQuery:
    return JobQuery(
        kinds=request.kinds,
        states=request.states,
        search=request.search,
        namespace_id=await _find_namespace(db, user, request.namespace),
        code=request.code,
        not_replaced=request.not_replaced,
        project_id=(await _find_maintained(db, user, request.project)).id if request.project else None,
        user_id=user.id if request.mine else (await _user(db, request.user)).id if request.user else None,
        below=below,
        limit=limit,
        created_after=request.created_after,
        created_before=request.created_before,
        finished_after=request.finished_after,
        finished_before=request.finished_before,
    )


async def _find_maintained(db: Database, user: User, reference: str) -> Project:
    found = await require_visible(db, user, await store.find(db, reference))
    if found.level < AccessLevel.MAINTAINER:
        raise Denied
    return found.project


async def _find_namespace(db: Database, user: User, reference: str | None) -> int | None:
    return (await find_member_namespace(db, user, reference)).namespace.id if reference else None


async def _user(db: Database, reference: str) -> User:
    user = await find_user_by_reference(db, reference)
    if user is None:
        raise NotFound("User")
    return user
