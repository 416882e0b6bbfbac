"""Waiting for the server's jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.cli.client import ExportStatusAnswer, GitLabClient, ImportStatusAnswer
from services.cli.crossdock_api import JobAnswer, JobClient, JobProgress
from services.cli.errors import CommandError, JobFailed, ServerJobFailed, WaitTimedOut
from services.cli.terminal import Measure

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.2), timedelta(seconds=3)
"""Between two looks; a pause is half as long again as the one before."""

_FAILED_IMPORT = frozenset({"failed", "canceled"})


async def import_states(
    client: GitLabClient, project: int, job: int | None = None
) -> AsyncGenerator[ImportStatusAnswer, None]:
    """Give each look at an import until it finished. Raises JobFailed, also where there is no import.

    ``job`` is its number, where the server is a Crossdock: it tells the code of the error.
    """
    async for _ in _polls():
        status = await client.import_status(project)
        yield status
        if status.import_status == "finished":
            return
        if status.import_status in _FAILED_IMPORT:
            reason = status.import_error or "no reason was given"
            sentence = f"the import of {status.path_with_namespace} {status.import_status}: {reason}"
            raise ServerJobFailed(sentence, job_code=await _job_code(client, job))
        if status.import_status == "none":
            raise JobFailed(f"{status.path_with_namespace} has no import to wait for")


async def export_states(
    client: GitLabClient, project: str | int, job: int | None = None
) -> AsyncGenerator[ExportStatusAnswer, None]:
    """Give each look at an export until it finished; ``job`` is as above. Raises JobFailed.

    GitLab says ``none`` until a worker takes it, however long that takes, and again after it failed.
    """
    is_taken = False
    async for _ in _polls():
        status = await client.export_status(project)
        yield status
        is_taken = is_taken or status.export_status != "none"
        match status.export_status:
            case "finished":
                return
            case "failed":
                sentence = f"the export of {status.path_with_namespace} failed"
                raise ServerJobFailed(sentence, job_code=await _job_code(client, job))
            case "none" if is_taken:
                sentence = f"the export of {status.path_with_namespace} left no file"
                raise ServerJobFailed(sentence, job_code=await _job_code(client, job))


async def _job_code(client: GitLabClient, job: int | None) -> str | None:
    """Look once: that the job failed is worth more than why."""
    if job is None:
        return None
    try:
        return (await JobClient(client).glance(job)).error_code
    except CommandError:
        return None


async def job_states(jobs: JobClient, job: int) -> AsyncGenerator[JobAnswer, None]:
    """Give each look at a job of a Crossdock until it finished. Raises JobFailed."""
    async for _ in _polls():
        seen = await jobs.find(job)
        yield seen
        match seen.state:
            case "finished":
                return
            case "failed" | "canceled":
                reason = f": {seen.error}" if seen.error else ""
                raise ServerJobFailed(f"job {job} {seen.state}{reason}", job_code=seen.error_code)


class JobProgressReader:
    """Tells how far a job is, where its number is known."""

    def __init__(self, client: GitLabClient, job: int | None) -> None:
        self._jobs = JobClient(client)
        self._job = job

    async def measure(self) -> Measure | None:
        """Look once. None where nothing is known: it is no reason to stop waiting."""
        if self._job is None:
            return None
        try:
            return to_measure((await self._jobs.glance(self._job)).progress)
        except CommandError:
            return None


def to_measure(progress: JobProgress) -> Measure | None:
    """Say how far a job is; None before its worker has told."""
    if not progress.bytes_done and not progress.bytes_total:
        return None
    return Measure(
        done=progress.bytes_done,
        total=progress.bytes_total or None,
        lines=sum(each.lines for each in progress.relations.values()),
        rate=progress.bytes_per_second,
        remaining=progress.remaining_seconds,
    )


async def _polls() -> AsyncIterator[None]:
    """Give a turn now, and after each pause; ``limited`` ends it."""
    pause = FIRST_PAUSE
    while True:
        yield
        await asyncio.sleep(pause.total_seconds())
        pause = min(pause * 1.5, LONGEST_PAUSE)


@asynccontextmanager
async def limit_wait(within: timedelta, job: str) -> AsyncIterator[None]:
    """Raise WaitTimedOut where the block takes longer; what the server has begun goes on there."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except TimeoutError:
        raise WaitTimedOut(f"gave up waiting for {job}: what the server has begun of it goes on") from None
