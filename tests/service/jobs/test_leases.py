from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from asyncpg import LockNotAvailableError

from services.process.sweeper import Sweeper, at_intervals
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import ArchiveError, BrokerError, CrossdockError
from shared.jobs import outbox, store
from shared.jobs.models import Job, JobKind, Lease
from shared.jobs.progress import Progress
from shared.jobs.requeue import Requeue
from shared.jobs.worker import Worker, WorkerLimits
from tests.support.jobs import MINUTE, ScriptedWork, claimed, migrated, queued, state_of
from tests.support.waiting import until_row

QUICK = timedelta(milliseconds=10)
TTL = timedelta(milliseconds=300)


class LongEnd:
    """Works in one transaction that takes longer than a lease."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.holds = asyncio.Event()
        self.released = asyncio.Event()

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        assert job.id == lease.job_id
        async with self._pool.acquire() as db, db.transaction():
            await store.hold(db, lease)
            self.holds.set()
            await self.released.wait()
            await store.finish(db, lease, progress=progress.report())

    async def explain(self, job: Job, error: CrossdockError) -> str:
        return f"job {job.id}: {error}"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@asynccontextmanager
async def _working(
    pool: Pool, work: ScriptedWork | LongEnd, *, ttl: timedelta
) -> AsyncIterator[MemoryBroker]:
    broker = MemoryBroker()
    limits = WorkerLimits(concurrency=1, ttl=ttl, drain=MINUTE, first_delay=QUICK)
    worker = Worker(pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits)
    task = asyncio.create_task(worker.run())
    yield broker
    worker.stop()
    await task


async def _until(pool: Pool, condition: str) -> None:
    await until_row(pool, f"SELECT {condition} FROM jobs")  # noqa: S608  # the tests' own


async def test_a_job_whose_last_transaction_outlasts_its_lease_is_finished_by_its_worker(pool: Pool) -> None:
    work = LongEnd(pool)
    job = await queued(pool)
    async with _working(pool, work, ttl=TTL) as broker:
        await outbox.announce(broker, job)
        await work.holds.wait()
        await _until(pool, "lease_expires_at < now() - interval '0.5 s'")
        async with asyncio.timeout(5):  # the row is locked, and others must not wait for it
            assert await Requeue(pool, broker).requeue_lost() == 0
        work.released.set()
        await _until(pool, "state = 'finished'")
    found = await store.find(pool, job.id)
    assert found is not None
    assert found.attempt == 1


async def test_a_heartbeat_does_not_wait_for_a_held_job(pool: Pool) -> None:
    lease = await claimed(pool, await queued(pool))
    async with pool.acquire() as db, db.transaction(), asyncio.timeout(5):
        await store.hold(db, lease)
        with pytest.raises(LockNotAvailableError):
            await store.heartbeat(pool, lease, ttl=MINUTE, progress={})


async def test_a_locked_job_keeps_no_other_from_being_requeued(pool: Pool) -> None:
    held, other = [await queued(pool) for _ in range(2)]
    lease = await claimed(pool, held, ttl=timedelta(0))
    await claimed(pool, other, ttl=timedelta(0))
    async with pool.acquire() as db, db.transaction(), asyncio.timeout(5):
        await store.hold(db, lease)
        assert await Requeue(pool, MemoryBroker()).requeue_lost() == 1
    assert await state_of(pool, other.id) == "queued"


async def test_a_process_that_freezes_within_its_last_transaction_loses_the_job(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_LONGEST_PAUSE", timedelta(milliseconds=100))
    job = await queued(pool)
    lease = await claimed(pool, job)
    frozen = await asyncpg.connect(database_url)
    await frozen.execute("BEGIN")
    await store.hold(frozen, lease)
    async with asyncio.timeout(10):
        assert await store.cancel(pool, job.id)
    frozen.terminate()


async def test_a_duty_that_the_database_refuses_keeps_no_other_from_its_turn(pool: Pool) -> None:
    done = []

    async def broken() -> int:
        await pool.execute("SELECT 1 / 0")
        return 0

    async def sound() -> int:
        done.append(1)
        return 1

    await Sweeper([broken, sound], every=QUICK).sweep()
    assert done


async def test_a_seldom_duty_is_done_at_once_and_then_when_its_time_has_come() -> None:
    times = iter((0.0, 7.0, 7.0, 8.0, 66.9, 67.0, 67.0, 68.0))  # one more where it is due
    ends = iter((BrokerError("away"), 3))

    async def duty() -> int:
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    wrapped = at_intervals(duty, every=timedelta(seconds=60), clock=lambda: next(times))
    with pytest.raises(BrokerError):
        await wrapped()
    assert [await wrapped() for _ in range(4)] == [None, None, 3, None]


@pytest.mark.parametrize("text", ["a\0b", "a\udcffb", "x" * 100_000])
async def test_a_job_ends_whatever_its_error_says(pool: Pool, text: str) -> None:
    job = await queued(pool)
    async with _working(pool, ScriptedWork(pool, ArchiveError(text)), ttl=MINUTE) as broker:
        await outbox.announce(broker, job)
        await _until(pool, "state = 'failed'")
    found = await store.find(pool, job.id)
    assert found is not None
    assert found.error is not None
    assert found.error.startswith(f"job {job.id}: ")
    assert len(found.error) <= 2000


async def test_the_hundredth_attempt_is_followed_by_another(pool: Pool) -> None:
    job = await queued(pool, max_attempts=200)
    await pool.execute("UPDATE jobs SET attempt = 99")
    async with _working(pool, ScriptedWork(pool, OSError("down")), ttl=MINUTE) as broker:
        await outbox.announce(broker, job)
        await _until(pool, "state = 'queued' AND attempt = 100")
    assert await pool.fetchval("SELECT not_before <= now() + interval '5 min' FROM jobs")
