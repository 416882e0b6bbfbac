"""Operations on jobs: list, show, cancel, retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.cli.client import GitLabClient, RelationFailure
from services.cli.crossdock_api import JobAnswer, JobClient
from services.cli.errors import RefusedByServer, attach_document
from services.cli.polling import job_states, limit_wait, to_measure
from services.cli.results import BulkRetryResult, JobList, JobResult, JobStatus
from services.cli.terminal import show_job

_AT_ONCE = 100
"""Jobs that the server retries by one call at most."""


async def list_jobs(client: GitLabClient, *, limit: int, filters: Mapping[str, str | None]) -> JobList:
    """Return the newest jobs that match the filters; a filter that is None is ignored."""
    given = {name: value for name, value in filters.items() if value is not None}
    found = [job async for job in JobClient(client).list(limit=limit + 1, filters=given)]
    return JobList(found[:limit], has_more=len(found) > limit)


async def job_status(client: GitLabClient, job: int, *, all_failures: bool) -> JobStatus:
    """Return a job, with ``all_failures`` also every record that it left out."""
    jobs = JobClient(client)
    found = await jobs.find(job)
    return JobStatus(job=found, failed_relations=await _failures(jobs, job) if all_failures else None)


async def newest_failures(client: GitLabClient, project: int) -> Sequence[RelationFailure]:
    """Return every record that the newest import of a project left out."""
    jobs = JobClient(client)
    newest = await jobs.newest_import(project)
    return await _failures(jobs, newest.id) if newest else ()


async def newest_error_code(client: GitLabClient, project: int) -> str | None:
    """Return the error code of the newest import. None at a GitLab, and if the user may not see the job."""
    if not await client.is_crossdock():
        return None
    try:
        newest = await JobClient(client).newest_import(project)
    except RefusedByServer:
        return None
    return newest.error_code if newest else None


async def _failures(jobs: JobClient, job: int) -> Sequence[RelationFailure]:
    return [failure async for failure in jobs.failures(job)]


async def cancel(client: GitLabClient, job: int) -> JobResult:
    """Cancel a job."""
    return JobResult(job=await JobClient(client).cancel(job))


async def wait(client: GitLabClient, job: int, *, within: timedelta) -> JobResult:
    """Wait for a job at most ``within``. Raises ServerJobFailed where it does not finish."""
    jobs = JobClient(client)
    return JobResult(job=await follow(jobs, await jobs.find(job), within))


async def retry(client: GitLabClient, job: int, *, within: timedelta | None) -> JobResult:
    """Retry a job, and wait for the new one at most ``within``, if that is given."""
    jobs = JobClient(client)
    made = await jobs.retry(job)
    return JobResult(job=made if within is None else await follow(jobs, made, within))


async def retry_failed(
    client: GitLabClient, *, limit: int, dry_run: bool, filters: Mapping[str, str | None]
) -> BulkRetryResult:
    """Retry the newest failed jobs that match the filters, at most ``limit``, or only find them."""
    jobs, before, left = JobClient(client), None, limit
    given = {name: value for name, value in filters.items() if value is not None} | {"dry_run": dry_run}
    pages = []
    while left:
        page = await jobs.retry_failed(given | {"limit": min(left, _AT_ONCE), "before": before})
        pages.append(page)
        before, left = page.next_before, left - len(page.matched)
        if before is None:
            break
    return BulkRetryResult(
        dry_run=dry_run,
        matched=[each for page in pages for each in page.matched],
        retried=[each for page in pages for each in page.retried],
        refused=[each for page in pages for each in page.refused],
    )


async def follow(jobs: JobClient, job: JobAnswer, within: timedelta) -> JobAnswer:
    """Show a job until it ends, at most ``within``. Raises ServerJobFailed where it does not finish."""
    seen = job
    with (
        attach_document(lambda error: JobResult(job=seen, error=str(error), error_code=error.error_code)),
        show_job(f"Job {job.id}") as show,
    ):
        async with limit_wait(within, f"job {job.id}"):
            async for seen in job_states(jobs, job.id):
                show(seen.state, to_measure(seen.progress))
    return seen
