"""Polls jobs on the server until they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from msgspec import UNSET

from services.cli.client import ExportStatusAnswer, GitLabClient, ImportStatusAnswer
from services.cli.crossdock_api import JobAnswer, JobClient, JobProgress
from services.cli.errors import CommandError, JobFailed, RefusedByServer, ServerJobFailed, WaitTimedOut
from services.cli.formats import explained
from services.cli.terminal import Measure, ObjectCounts

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.2), timedelta(seconds=3)
"""Pauses between two polls; each pause is 1.5 times the pause before."""

T = TypeVar("T")

_NOT_FOUND = 404
_FAILED_IMPORT = frozenset({"failed", "canceled"})


async def import_states(
    client: GitLabClient, project: int, job: int | None = None
) -> AsyncGenerator[ImportStatusAnswer, None]:
    """Poll an import and yield each state until it finishes. Raises JobFailed, also if there is no import.

    ``job`` is the number of its job at a Crossdock, from which the code of an error is read.
    """
    async for _ in _polls():
        status = await _or_last_word(client.import_status(project), client, job)
        yield status
        if status.import_status == "finished":
            return
        if status.import_status in _FAILED_IMPORT:
            reason = explained(status.import_error) if status.import_error else "no reason was given"
            sentence = f"the import of {status.path_with_namespace} {status.import_status}: {reason}"
            raise ServerJobFailed(sentence, job_code=await _job_code(client, job))
        if status.import_status == "none":
            raise JobFailed(f"{status.path_with_namespace} has no import to wait for")


async def export_states(
    client: GitLabClient, project: str | int, job: int | None = None
) -> AsyncGenerator[ExportStatusAnswer, None]:
    """Poll an export and yield each state until it finishes. Raises JobFailed.

    GitLab's state is ``none`` until a worker takes the job, and again after the export failed.
    ``job`` is the number of its job at a Crossdock, from which the code of an error is read.
    """
    is_taken = False
    async for _ in _polls():
        status = await _or_last_word(client.export_status(project), client, job)
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


async def _or_last_word(status: Awaitable[T], client: GitLabClient, job: int | None) -> T:
    """Return a status. Raises JobFailed with the last word of the job if its project is gone."""
    try:
        return await status
    except RefusedByServer as error:
        if job is None or error.status != _NOT_FOUND:
            raise
        word = await _last_word(client, job)
        if word is None:
            raise
        sentence = f"job {job} {word.state}, and its project is gone: {word.error or 'it was deleted'}"
        raise ServerJobFailed(sentence, job_code=word.error_code) from None


async def _last_word(client: GitLabClient, job: int) -> JobAnswer | None:
    """Return how a job ended; None if the server does not tell."""
    try:
        return await JobClient(client).glance(job)
    except CommandError:
        return None


async def _job_code(client: GitLabClient, job: int | None) -> str | None:
    """Return the code of a job's error. Not retried: the failure itself matters more than its code."""
    word = None if job is None else await _last_word(client, job)
    return None if word is None else word.error_code


async def job_states(jobs: JobClient, job: int) -> AsyncGenerator[JobAnswer, None]:
    """Poll a job of a Crossdock and yield each state until it finishes. Raises JobFailed."""
    async for _ in _polls():
        seen = await jobs.find(job)
        yield seen
        match seen.state:
            case "finished":
                return
            case "failed" | "canceled":
                reason = f": {explained(seen.error)}" if seen.error else ""
                raise ServerJobFailed(f"job {job} {seen.state}{reason}", job_code=seen.error_code)


class JobProgressReader:
    """Reads the progress of a job, if its number is known."""

    def __init__(self, client: GitLabClient, job: int | None) -> None:
        self._jobs = JobClient(client)
        self._job = job

    async def measure(self) -> Measure | ObjectCounts | None:
        """Return the progress, None if unknown. An error is no reason to stop waiting for the job."""
        if self._job is None:
            return None
        try:
            return to_measure((await self._jobs.glance(self._job)).progress)
        except CommandError:
            return None


def to_measure(progress: JobProgress) -> Measure | ObjectCounts | None:
    """Convert a job's progress; None before its worker wrote any."""
    if progress.stats is not UNSET:
        return ObjectCounts(progress.stats.fetched, progress.stats.imported)
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
    """Yield now and after each pause, without end; ``limit_wait`` ends the loop."""
    pause = FIRST_PAUSE
    while True:
        yield
        await asyncio.sleep(pause.total_seconds())
        pause = min(pause * 1.5, LONGEST_PAUSE)


@asynccontextmanager
async def limit_wait(within: timedelta, job: str) -> AsyncIterator[None]:
    """Raise WaitTimedOut if the block takes longer than ``within``. The job continues on the server."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except TimeoutError:
        raise WaitTimedOut(f"gave up waiting for {job}: what the server has begun of it goes on") from None
