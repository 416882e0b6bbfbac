"""The worker: it claims the next jobs and does the work, and where there is none it waits for a wake-up.

A wake-up says that there is a job of this kind; which one is next, the claim decides. One statement claims as
many as there are free slots, and an idle worker asks once, however many slots it has. The worker holds a
job as long as heartbeats prolong its lease; a lost lease cancels the work. A worker that stops hands its jobs
back. An outage of our own storage, database or broker costs a job no attempt, and while the storage is away
nothing is claimed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, Protocol

import stamina
import structlog
from asyncpg import LockNotAvailableError

from shared.broker.base import Broker, Delivery
from shared.database.outages import DATABASE_ERRORS, is_outage
from shared.database.pool import Pool
from shared.errors import BrokerError, CrossdockError, LeaseLost, StorageError
from shared.jobs import claims, store
from shared.jobs.claims import Shares
from shared.jobs.deadlines import AttemptClock, Deadlines
from shared.jobs.metrics import AttemptEnd, JobMetrics
from shared.jobs.models import Job, JobKind, JobState, Lease
from shared.jobs.outages import known_error
from shared.jobs.pace import Pace
from shared.jobs.presence import Presence, keep_present
from shared.jobs.progress import Progress
from shared.jobs.storage_gate import StorageGate
from shared.logs import describe
from shared.tracing.context import continue_trace

_log = structlog.get_logger()
_BEAT_AT_MOST = timedelta(seconds=1)
"""A canceled job goes on until the next heartbeat."""

_LONGEST_DELAY = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=1, seconds=10)
"""The longest pause that another server may ask for: an hour, and what its clock may differ by."""

_MOST_DOUBLINGS = 16
_IDLE = timedelta(seconds=30)
"""How long a worker waits for a wake-up before it looks for a job by itself."""
_REPORTS_PER_TTL = 2
"""One that is lost costs little: until the next one a user's share may be that of fewer slots."""
_PATIENCE = timedelta(minutes=1)
"""How long a worker tries to consume at its start; later it tries for ever."""

_ENDS = {
    JobState.FINISHED: AttemptEnd.FINISHED,
    JobState.FAILED: AttemptEnd.FAILED,
    JobState.QUEUED: AttemptEnd.RETRIED,
    JobState.CANCELED: AttemptEnd.LEASE_LOST,
}
"""What an attempt has come to that left its job in a state."""


class _LeaseUnknown(LeaseLost):
    """The database was away for as long as the lease: whether it is lost will be known when that is back."""


class _Beat(Enum):
    """How a heartbeat ended."""

    WRITTEN = "written"
    LOCKED = "locked"  # by our own last transaction, which nobody else can make: the lease cannot be lost
    FAILED = "failed"  # the database is away


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
    """``ttl``: how long a silent worker keeps its job. ``drain``: how long a stopping worker goes on.

    ``outage_pause`` is the longest pause between attempts that end by an outage of ours. They go on for the
    total deadline of an attempt, from the first one on; later ones count.
    """

    concurrency: int
    ttl: timedelta
    drain: timedelta
    first_delay: timedelta = timedelta(seconds=1)
    outage_pause: timedelta = timedelta(minutes=5)
    shares: Shares = field(default_factory=Shares)
    deadlines: Deadlines = field(default_factory=Deadlines)


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
        storage: StorageGate | None = None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._kind = kind
        self._work = work
        self._name = name
        self._limits = limits
        self._metrics = metrics or JobMetrics()
        self._storage = storage or StorageGate()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._jobs: dict[asyncio.Task[None], int] = {}
        self._has_lost_answer = False
        self._storage.on_open(self._changed.set)

    def stop(self) -> None:
        """Claim no more jobs; ``run`` returns once the current ones are done or handed back."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Work until ``stop``. Raises BrokerError where the broker cannot be reached within a minute."""
        presence = Presence(kind=self._kind, name=self._name, slots=self._limits.concurrency)
        async with keep_present(self._pool, presence, every=self._limits.ttl / _REPORTS_PER_TTL):
            try:
                async with AsyncExitStack() as stack:
                    deliveries = await self._consume(stack)
                    self._serving = asyncio.create_task(self._serve(deliveries))
                    try:
                        await self._until_stopped(self._serving)
                    finally:
                        self.stop()  # before the deliveries end
            finally:
                await asyncio.shield(self._drain())

    async def _consume(self, stack: AsyncExitStack) -> AsyncIterator[Delivery]:
        """Begin to consume. A broker that ends the connection just now is asked again."""
        async for attempt in stamina.retry_context(on=BrokerError, attempts=None, timeout=_PATIENCE):
            with attempt:
                consuming = self._broker.consume(self._kind.value, prefetch=self._limits.concurrency)
                return await stack.enter_async_context(consuming)
        raise AssertionError("the last attempt raises")

    async def _until_stopped(self, serving: asyncio.Task[None]) -> None:
        """Wait for ``stop``. Raises the error that ended the service."""
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({stop, serving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                await serving
        finally:
            await _cancel(stop)

    async def _drain(self) -> None:
        """Wait for the claim that is under way and for the jobs; cancel what takes longer than the drain."""
        until = asyncio.get_running_loop().time() + self._limits.drain.total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while waiting := {task for task in (self._serving, *self._jobs) if task and not task.done()}:
                    await asyncio.wait(waiting)
        await _cancel(*filter(None, (self._serving, *self._jobs)))

    async def _serve(self, deliveries: AsyncIterator[Delivery]) -> None:
        """Claim jobs for the free slots; wait where no slot is free, and for a wake-up where there is no job.

        A job that a share held back has no wake-up any more; it is claimed after a job, or after a wait.
        """
        delivery: Delivery | None = None
        while not self._stopping.is_set():
            self._changed.clear()
            await self._forget_ended()
            free = self._limits.concurrency - len(self._jobs)
            if not free:
                await self._changed.wait()
                continue
            jobs = await self._claim(delivery, most=free)
            for job in jobs:
                self._begin(job)
            may_be_more = len(jobs) == min(free, claims.AT_ONCE)
            delivery = None if may_be_more else await self._next(deliveries)

    def _begin(self, job: Job) -> None:
        task = asyncio.create_task(self._run_in_context(job))
        self._jobs[task] = job.id
        task.add_done_callback(lambda _: self._changed.set())

    async def _forget_ended(self) -> None:
        """Free the slots of jobs that have ended. Raises what was not expected of one."""
        for task in [task for task in self._jobs if task.done()]:
            del self._jobs[task]
            await task

    async def _next(self, deliveries: AsyncIterator[Delivery]) -> Delivery | None:
        """Wait for a wake-up, half a minute at most; return None after that, a job's end, and ``stop``."""
        wait = asyncio.ensure_future(anext(deliveries, None))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait(
                {wait, changed}, timeout=_IDLE.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
            return wait.result() if wait.done() else None
        finally:
            await _cancel(wait, changed)

    async def _run_in_context(self, job: Job) -> None:
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

    async def _claim(self, delivery: Delivery | None, *, most: int) -> Sequence[Job]:
        """Claim the next jobs, and end the wake-up, if there was one, whatever job it named."""
        try:
            if delivery is not None and not _names_job(delivery):
                await self._reject(delivery)
                return ()
            jobs = await self._claim_rows(most)
        except Exception:  # noqa: BLE001  # as below
            # This worker must not end for one message. The jobs are safe: their leases end.
            _log.exception("claim_failed", worker=self._name)
            if delivery is not None:
                await delivery.requeue()
            return ()
        if delivery is not None:
            await delivery.ack()
        return jobs

    async def _reject(self, delivery: Delivery) -> None:
        text = delivery.message.body.decode(errors="replace")
        await delivery.reject(f"the body is not the number of a job: {text[:100]!r}")
        self._metrics.count_rejected_message(self._kind)

    async def _claim_rows(self, most: int) -> Sequence[Job]:
        """Claim the next jobs; wait for a database that is away, as each requeue counts against a message.

        While the storage is away there are none: the jobs keep their places, and wake-ups are used up.
        """
        if self._storage.away_since is not None:
            return ()
        async for attempt in stamina.retry_context(
            on=DATABASE_ERRORS, attempts=None, timeout=None, wait_initial=self._limits.first_delay
        ):
            with attempt:
                return await self._claim_once(most)
        raise AssertionError  # it retries without an end

    async def _claim_once(self, most: int) -> Sequence[Job]:
        if self._has_lost_answer:
            await self._hand_back_unknown()
            self._has_lost_answer = False
        try:
            return await claims.claim_next(
                self._pool,
                self._kind,
                worker=self._name,
                ttl=self._limits.ttl,
                shares=self._limits.shares,
                most=most,
            )
        except DATABASE_ERRORS as error:
            self._has_lost_answer = is_outage(error)
            raise

    async def _hand_back_unknown(self) -> None:
        """Hand back jobs that a claim has claimed whose answer was lost: nobody would do them."""
        known = list(self._jobs.values())
        for job_id in await store.hand_back_unknown(self._pool, self._kind, worker=self._name, but=known):
            _log.warning("unknown_job_handed_back", job_id=job_id)

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
        except _LeaseUnknown:
            _log.warning("lease_unknown")
            return await asyncio.shield(self._write(lease, partial(self._hand_back, lease)))
        except LeaseLost:
            _log.warning("lease_lost")
            return AttemptEnd.LEASE_LOST
        except asyncio.CancelledError:
            move = partial(self._hand_back, lease)
            await asyncio.shield(self._write(lease, move, patience=self._limits.drain))
            _log.info("job_handed_back")
            raise
        except Exception as error:  # noqa: BLE001  # whatever happens to one job, the worker lives
            move = partial(self._settle, job, lease, error)
            return await asyncio.shield(self._write(lease, move, may_have_ended=is_outage(error)))
        _log.info("job_finished", kind=job.kind.value)
        return AttemptEnd.FINISHED

    async def _run_leased(self, job: Job, lease: Lease, progress: Progress) -> None:
        work = asyncio.create_task(self._do(job, lease, progress))
        beat = asyncio.create_task(self._beat(lease, progress))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            await (work if work.done() else beat)
        finally:
            await _cancel(work, beat)

    async def _do(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the work. Where the storage failed, ask it now, as the answer may take longer than a lease."""
        try:
            await self._work.run(job, lease, progress)
        except StorageError:
            await self._storage.is_there()
            raise

    async def _beat(self, lease: Lease, progress: Progress) -> None:
        every = min(self._limits.ttl / 4, _BEAT_AT_MOST).total_seconds()
        clock = asyncio.get_running_loop().time
        until = clock() + self._limits.ttl.total_seconds()
        pace = Pace(progress)
        attempt = AttemptClock(self._limits.deadlines, progress, check_storage=self._storage.check)
        while clock() < until:
            await asyncio.sleep(every)
            sent = clock()
            beat = await self._beat_once(lease, progress.report() | pace.report())
            if beat is not _Beat.FAILED:
                until = sent + self._limits.ttl.total_seconds()
            await attempt.count(is_working=beat is _Beat.WRITTEN)
        raise _LeaseUnknown(lease.job_id)

    async def _beat_once(self, lease: Lease, progress: Mapping[str, object]) -> _Beat:
        try:
            await store.heartbeat(self._pool, lease, ttl=self._limits.ttl, progress=progress)
        except LockNotAvailableError:
            return _Beat.LOCKED
        except DATABASE_ERRORS as error:
            _log.warning("heartbeat_failed", error=describe(error))
            return _Beat.FAILED
        return _Beat.WRITTEN

    async def _hand_back(self, lease: Lease) -> AttemptEnd:
        await store.hand_back(self._pool, lease)
        return AttemptEnd.HANDED_BACK

    async def _settle(self, job: Job, lease: Lease, error: Exception) -> AttemptEnd:
        known = known_error(error)
        is_away = isinstance(known, StorageError) and self._storage.away_since is not None
        if (is_away or known.is_outage) and not self._is_overdue(job):
            return await self._postpone(job, lease, known, keeps_place=is_away)
        if known.retryable and not known.counts:
            return await self._wait(job, lease, known)
        if known.retryable and job.attempt < job.max_attempts:
            return await self._retry(job, lease, error, known)
        _log.warning("job_failed", exc_info=_trace(error), error=describe(error), code=known.code)
        await store.fail(self._pool, lease, error=await self._work.explain(job, known), code=known.code)
        self._metrics.count_failure(self._kind, known.code)
        return AttemptEnd.FAILED

    def _is_overdue(self, job: Job) -> bool:
        """Tell whether outages have held the job up for as long as one attempt may take."""
        begun = job.started_at or job.created_at
        return datetime.now(UTC) - begun > self._limits.deadlines.total

    async def _postpone(
        self, job: Job, lease: Lease, known: CrossdockError, *, keeps_place: bool
    ) -> AttemptEnd:
        """Queue the job again: in its place where the gate holds it up, else after a pause that doubles.

        Each claim of the job that did not count doubles the pause.
        """
        delay = self._pause(job.lease - job.attempt, longest=self._limits.outage_pause)
        pause = timedelta(0) if keeps_place else delay
        _log.warning("job_postponed", error=describe(known), code=known.code, delay=pause.total_seconds())
        await store.postpone(
            self._pool, lease, error=known.shown, code=known.code, delay=None if keeps_place else delay
        )
        return AttemptEnd.POSTPONED

    async def _wait(self, job: Job, lease: Lease, known: CrossdockError) -> AttemptEnd:
        """Queue the job again, which got further in this attempt, for when the other server goes on."""
        delay = self._retry_delay(job, known)
        _log.info("job_waits", error=describe(known), code=known.code, delay=delay.total_seconds())
        await store.postpone(self._pool, lease, error=known.shown, code=known.code, delay=delay)
        return AttemptEnd.POSTPONED

    def _retry_delay(self, job: Job, known: CrossdockError) -> timedelta:
        asked = min(timedelta(seconds=known.wait or 0), _LONGEST_WAIT)
        return max(self._pause(job.attempt - 1, longest=_LONGEST_DELAY), asked)

    async def _retry(self, job: Job, lease: Lease, error: Exception, known: CrossdockError) -> AttemptEnd:
        delay = self._retry_delay(job, known)
        _log.warning(
            "job_retried",
            exc_info=_trace(error),
            error=describe(error),
            code=known.code,
            delay=delay.total_seconds(),
        )
        await store.retry(self._pool, lease, error=known.shown, code=known.code, delay=delay)
        return AttemptEnd.RETRIED

    def _pause(self, doublings: int, *, longest: timedelta) -> timedelta:
        return min(self._limits.first_delay * (1 << min(doublings, _MOST_DOUBLINGS)), longest)

    async def _write(
        self,
        lease: Lease,
        move: Callable[[], Awaitable[AttemptEnd]],
        *,
        patience: timedelta | None = None,
        may_have_ended: bool = False,
    ) -> AttemptEnd:
        """Write the end of an attempt, once; wait for a database that is away, ``patience`` at most."""
        try:
            async for attempt in stamina.retry_context(
                on=is_outage, attempts=None, timeout=patience, wait_initial=self._limits.first_delay
            ):
                with attempt:
                    if may_have_ended or attempt.num > 1:
                        return await self._find_end(lease) or await move()
                    return await move()
        except (CrossdockError, *DATABASE_ERRORS) as error:  # the project may be gone, the job with it
            _log.warning("job_left_to_the_sweeper", error=describe(error))
        return AttemptEnd.LEFT

    async def _find_end(self, lease: Lease) -> AttemptEnd | None:
        """Ask how the attempt has ended, where a commit may have taken effect though no answer came."""
        state = await store.find_end(self._pool, lease)
        if state is not None:
            _log.info("job_had_ended", state=state.value)
        return None if state is None else _ENDS[state]


def _names_job(delivery: Delivery) -> bool:
    body = delivery.message.body
    return body.isdigit() and len(body) < len(str(2**63))


def _trace(error: Exception) -> Exception | None:
    """Give the error where it is unexpected, and so its traceback is worth logging."""
    return None if isinstance(error, CrossdockError) else error


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
