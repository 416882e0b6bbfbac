"""The worker: it receives a wake-up, claims the job's row, acknowledges the message and does the work.

The worker holds the job as long as heartbeats prolong its lease; a lost lease cancels the work. A worker that
stops hands its jobs back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import stamina
import structlog
from asyncpg import LockNotAvailableError

from shared.broker.base import Broker, Delivery
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError, LeaseLost
from shared.jobs import store
from shared.jobs.metrics import AttemptEnd, JobMetrics
from shared.jobs.models import Job, JobKind, Lease
from shared.jobs.progress import Progress
from shared.tracing.context import continue_trace

_log = structlog.get_logger()
_BEAT_AT_MOST = timedelta(seconds=2)
_LONGEST_DELAY = timedelta(minutes=5)
_MOST_DOUBLINGS = 16


class JobCrashed(CrossdockError):
    """The work on a job ended in an unexpected error, which the log has. A retry may help."""

    code = "job_crashed"
    retryable = True

    def __init__(self, error: Exception) -> None:
        super().__init__(f"internal error ({type(error).__name__})")


class Work(Protocol):
    """What a worker does with the jobs of one kind."""

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job, and move it to finished in one transaction with its result.

        May be repeated from the start. Raises a CrossdockError that says whether a retry helps.
        """

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """Word the error for the job's user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """``ttl``: how long a silent worker keeps its job. ``drain``: how long a stopping worker goes on."""

    concurrency: int
    ttl: timedelta
    drain: timedelta
    first_delay: timedelta = timedelta(seconds=1)


class Worker:
    """Works on the jobs of one kind until it is stopped."""

    def __init__(  # a worker's ports and limits
        self,
        pool: Pool,
        broker: Broker,
        *,
        kind: JobKind,
        work: Work,
        name: str,
        limits: WorkerLimits,
        metrics: JobMetrics | None = None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._kind = kind
        self._work = work
        self._name = name
        self._limits = limits
        self._metrics = metrics or JobMetrics()
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Claim no more jobs; ``run`` returns once the current ones are done or handed back."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until ``stop``. Raises BrokerError where the broker cannot be reached."""
        try:
            async with self._broker.consume(
                self._kind.value, prefetch=self._limits.concurrency
            ) as deliveries:
                while delivery := await self._next(deliveries):
                    task = asyncio.create_task(self._deliver(delivery))
                    self._tasks.add(task)
                    task.add_done_callback(self._done)
        finally:
            await asyncio.shield(self._drain())

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _next(self, deliveries: AsyncIterator[Delivery]) -> Delivery | None:
        if self._stopping.is_set():
            return None
        wait = asyncio.ensure_future(self._wait(deliveries))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({wait, stop}, return_when=asyncio.FIRST_COMPLETED)
            return wait.result() if wait.done() else None
        finally:
            await _cancel(wait, stop)

    async def _wait(self, deliveries: AsyncIterator[Delivery]) -> Delivery:
        await self._slots.acquire()
        return await anext(deliveries)

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._limits.drain.total_seconds())
        await _cancel(*self._tasks)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            job = await self._claim(delivery)
        except Exception:  # noqa: BLE001  # as below
            # A delivery that never ends would block a slot of this worker for ever. The job is safe.
            _log.exception("claim_failed", worker=self._name)
            await delivery.requeue()
            return
        if job:
            with (
                structlog.contextvars.bound_contextvars(
                    job_id=job.id,
                    project_id=job.project_id,
                    correlation_id=job.correlation_id,
                    attempt=job.attempt,
                ),
                continue_trace(job.traceparent),
            ):
                await self._run_measured(job)

    async def _claim(self, delivery: Delivery) -> Job | None:
        text = delivery.message.body.decode(errors="replace")
        if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63))):
            await delivery.reject(f"the body is not the number of a job: {text[:100]!r}")
            self._metrics.count_rejected_message(self._kind)
            return None
        job = await self._claim_row(int(text))
        await delivery.ack()
        return job

    async def _claim_row(self, job_id: int) -> Job | None:
        """Claim the job, and wait for a database that is away: each requeue counts against the message."""
        async for attempt in stamina.retry_context(
            on=DATABASE_ERRORS, attempts=None, timeout=None, wait_initial=self._limits.first_delay
        ):
            with attempt:
                return await store.claim(self._pool, job_id, worker=self._name, ttl=self._limits.ttl)
        raise AssertionError  # it retries without an end

    async def _run_measured(self, job: Job) -> None:
        self._metrics.count_claim(job)
        began, progress, end = time.monotonic(), Progress(), AttemptEnd.HANDED_BACK
        try:
            end = await self._attempt(job, progress)
        finally:
            lasted = timedelta(seconds=time.monotonic() - began)
            self._metrics.count_attempt(job, end, lasted=lasted, progress=progress)

    async def _attempt(self, job: Job, progress: Progress) -> AttemptEnd:
        lease = Lease(job.id, job.lease)
        _log.info("job_started", kind=job.kind.value)
        try:
            await self._run_leased(job, lease, progress)
        except LeaseLost:
            _log.warning("lease_lost")
            return AttemptEnd.LEASE_LOST
        except asyncio.CancelledError:
            await asyncio.shield(self._write(self._hand_back(lease)))
            _log.info("job_handed_back")
            raise
        except Exception as error:  # noqa: BLE001  # whatever happens to one job, the worker lives
            return await asyncio.shield(self._write(self._settle(job, lease, error)))
        _log.info("job_finished", kind=job.kind.value)
        return AttemptEnd.FINISHED

    async def _run_leased(self, job: Job, lease: Lease, progress: Progress) -> None:
        work = asyncio.create_task(self._work.run(job, lease, progress))
        beat = asyncio.create_task(self._beat(lease, progress))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            await (work if work.done() else beat)
        finally:
            await _cancel(work, beat)

    async def _beat(self, lease: Lease, progress: Progress) -> None:
        every = min(self._limits.ttl / 4, _BEAT_AT_MOST).total_seconds()
        clock = asyncio.get_running_loop().time
        until = clock() + self._limits.ttl.total_seconds()
        while clock() < until:
            await asyncio.sleep(every)
            sent = clock()
            try:
                await store.heartbeat(self._pool, lease, ttl=self._limits.ttl, progress=progress.report())
                until = sent + self._limits.ttl.total_seconds()
            except LockNotAvailableError:
                # Only our own last transaction locks the row: the lease cannot be lost meanwhile.
                until = sent + self._limits.ttl.total_seconds()
            except DATABASE_ERRORS as error:
                _log.warning("heartbeat_failed", error=_text(error))
        raise LeaseLost(lease.job_id)

    async def _hand_back(self, lease: Lease) -> AttemptEnd:
        await store.hand_back(self._pool, lease)
        return AttemptEnd.HANDED_BACK

    async def _settle(self, job: Job, lease: Lease, error: Exception) -> AttemptEnd:
        known = error if isinstance(error, CrossdockError) else JobCrashed(error)
        if known.retryable and job.attempt < job.max_attempts:
            return await self._retry(job, lease, error, code=known.code)
        _log.warning("job_failed", exc_info=_trace(error), error=_text(error), code=known.code)
        await store.fail(self._pool, lease, error=await self._work.explain(job, known), code=known.code)
        self._metrics.count_failure(job.kind, known.code)
        return AttemptEnd.FAILED

    async def _retry(self, job: Job, lease: Lease, error: Exception, *, code: str) -> AttemptEnd:
        doublings = min(job.attempt - 1, _MOST_DOUBLINGS)
        delay = min(self._limits.first_delay * 2**doublings, _LONGEST_DELAY)
        _log.warning(
            "job_retried", exc_info=_trace(error), error=_text(error), code=code, delay=delay.total_seconds()
        )
        await store.retry(self._pool, lease, error=_text(error), code=code, delay=delay)
        return AttemptEnd.RETRIED

    async def _write(self, move: Coroutine[Any, Any, AttemptEnd]) -> AttemptEnd:
        try:
            return await move
        except (CrossdockError, *DATABASE_ERRORS) as error:  # the project may be gone, the job with it
            _log.warning("job_left_to_the_sweeper", error=_text(error))
            return AttemptEnd.LEFT


def _trace(error: Exception) -> Exception | None:
    """Give the error where it is unexpected, and so its traceback is worth logging."""
    return None if isinstance(error, CrossdockError) else error


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
