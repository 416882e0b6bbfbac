from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest

from services.process.sweeper import Sweeper
from shared.broker.base import DeadLetter, Delivery, Message
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import ArchiveError, BrokerError, StorageError
from shared.git.errors import RepositoryLimited
from shared.jobs import outbox, store
from shared.jobs.deadlines import Deadlines
from shared.jobs.models import Job, JobKind
from shared.jobs.requeue import Requeue
from shared.jobs.worker import Worker, WorkerLimits
from tests.support.jobs import MINUTE, ScriptedWork, claimed, migrated, queued, state_of
from tests.support.waiting import until, until_row

QUICK = timedelta(milliseconds=10)
SHORT = timedelta(milliseconds=400)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def _worker(
    pool: Pool,
    broker: MemoryBroker,
    work: ScriptedWork,
    *,
    ttl: timedelta = MINUTE,
    drain: timedelta = MINUTE,
    deadlines: Deadlines | None = None,
) -> Worker:
    limits = WorkerLimits(
        concurrency=1, ttl=ttl, drain=drain, first_delay=QUICK, deadlines=deadlines or Deadlines()
    )
    return Worker(pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits)


@asynccontextmanager
async def _running(worker: Worker, *others: Sweeper) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    sweeping = [asyncio.create_task(sweeper.run()) for sweeper in others]
    yield
    worker.stop()
    await task
    for sweep in sweeping:
        sweep.cancel()
    await asyncio.gather(*sweeping, return_exceptions=True)


def _sweeper(pool: Pool, broker: MemoryBroker) -> Sweeper:
    requeue = Requeue(pool, broker, left_alone=timedelta(0))
    return Sweeper([requeue.requeue_lost, requeue.publish], every=QUICK)


async def _announced(pool: Pool, broker: MemoryBroker, **more: int) -> Job:
    job = await queued(pool, **more)
    await outbox.announce(broker, job)
    return job


async def _until(pool: Pool, job: Job, state: str) -> None:
    await until_row(pool, "SELECT state = $2 FROM jobs WHERE id = $1", job.id, state)


async def test_an_announced_job_is_done_once_however_often_it_is_announced(
    pool: Pool, broker: MemoryBroker
) -> None:
    work = ScriptedWork(pool)
    job = await _announced(pool, broker)
    for _ in range(3):
        await outbox.announce(broker, job)
    async with _running(_worker(pool, broker, work)):
        await _until(pool, job, "finished")
    assert work.runs == 1


async def test_a_broker_that_goes_while_a_worker_begins_is_asked_again(
    pool: Pool, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    consume, asked = broker.consume, Counter[str]()

    def once_away(queue: str, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        asked[queue] += 1
        if asked[queue] == 1:
            raise BrokerError("INTERNAL_ERROR")
        return consume(queue, prefetch=prefetch)

    monkeypatch.setattr(broker, "consume", once_away)
    job = await _announced(pool, broker)
    async with _running(_worker(pool, broker, ScriptedWork(pool))):
        await _until(pool, job, "finished")
    assert asked == {"export": 2}


async def test_a_passing_fault_is_retried_and_a_broken_archive_is_not(
    pool: Pool, broker: MemoryBroker
) -> None:
    work = ScriptedWork(pool, StorageError("down"), ConnectionResetError(), ArchiveError("cut short"))
    job = await _announced(pool, broker)
    async with _running(_worker(pool, broker, work), _sweeper(pool, broker)):
        await _until(pool, job, "failed")
    found = await store.find(pool, job.id)
    assert found is not None
    assert (work.runs, found.error) == (3, f"job {job.id}: cut short")


@pytest.mark.parametrize(("asked", "minutes"), [(1200, (19, 21)), (86_400, (59, 61))])
async def test_a_retry_waits_for_as_long_as_the_other_server_asks_and_an_hour_at_most(
    pool: Pool, broker: MemoryBroker, asked: int, minutes: tuple[int, int]
) -> None:
    work = ScriptedWork(pool, RepositoryLimited("", wait=asked))
    job = await _announced(pool, broker)
    async with _running(_worker(pool, broker, work)):
        await until_row(pool, "SELECT error_code = 'git_rate_limited' FROM jobs WHERE id = $1", job.id)
    between = "SELECT not_before BETWEEN now() + $2 AND now() + $3 FROM jobs WHERE id = $1"
    assert await pool.fetchval(between, job.id, *(timedelta(minutes=each) for each in minutes))


@pytest.mark.parametrize("max_attempts", [1, 5])
async def test_an_attempt_that_got_further_before_it_has_to_wait_is_none_of_those_that_count(
    pool: Pool, broker: MemoryBroker, max_attempts: int
) -> None:
    limited = RepositoryLimited("", wait=1200)
    limited.counts = False
    job = await _announced(pool, broker, max_attempts=max_attempts)
    async with _running(_worker(pool, broker, ScriptedWork(pool, limited))):
        await until_row(pool, "SELECT error_code = 'git_rate_limited' FROM jobs WHERE id = $1", job.id)
    row = await pool.fetchrow(
        """SELECT state, attempt, errors -> 0 -> 'counts' AS counts, worker,
                  not_before BETWEEN now() + interval '19 minutes' AND now() + interval '21 minutes' AS waits
           FROM jobs WHERE id = $1""",
        job.id,
    )
    assert row is not None
    assert (row["state"], row["attempt"], row["counts"], row["waits"]) == ("queued", 0, False, True)


async def test_the_last_attempt_fails_the_job(pool: Pool, broker: MemoryBroker) -> None:
    work = ScriptedWork(pool, *(StorageError("down") for _ in range(9)))
    job = await _announced(pool, broker, max_attempts=2)
    async with _running(_worker(pool, broker, work), _sweeper(pool, broker)):
        await _until(pool, job, "failed")
    assert work.runs == 2


async def test_a_stopped_worker_finishes_what_it_has(pool: Pool, broker: MemoryBroker) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    job = await _announced(pool, broker)
    worker = _worker(pool, broker, work)
    running = asyncio.create_task(worker.run())
    await work.started.wait()
    worker.stop()
    work.released.set()
    await running
    assert await state_of(pool, job.id) == "finished"


async def test_a_stopped_worker_hands_back_what_takes_too_long(pool: Pool, broker: MemoryBroker) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    job = await _announced(pool, broker)
    worker = _worker(pool, broker, work, drain=QUICK)
    running = asyncio.create_task(worker.run())
    await work.started.wait()
    worker.stop()
    await running
    found = await store.find(pool, job.id)
    assert found is not None
    assert (found.state.value, found.attempt) == ("queued", 0)


async def test_the_job_of_a_dead_worker_is_taken_over_and_finishes(pool: Pool, broker: MemoryBroker) -> None:
    job = await queued(pool)
    await claimed(pool, job, ttl=QUICK)  # by a worker that is never heard of again
    work = ScriptedWork(pool)
    async with _running(_worker(pool, broker, work), _sweeper(pool, broker)):
        await _until(pool, job, "finished")
    assert work.runs == 1


async def test_a_job_whose_workers_all_die_fails(pool: Pool, broker: MemoryBroker) -> None:
    job = await queued(pool, max_attempts=1)
    await claimed(pool, job, ttl=timedelta(0))
    await Requeue(pool, broker).requeue_lost()
    found = await store.find(pool, job.id)
    assert found is not None
    assert (found.state.value, found.error) == ("failed", "the worker was lost in attempt 1 of 1")


async def test_a_worker_that_lost_its_lease_stops_and_writes_nothing(
    pool: Pool, broker: MemoryBroker
) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    job = await _announced(pool, broker)
    async with _running(_worker(pool, broker, work, ttl=timedelta(milliseconds=100))):
        await work.started.wait()
        await store.cancel(pool, job.id)
    assert await state_of(pool, job.id) == "canceled"
    assert not work.ended.is_set()


async def test_a_long_job_keeps_its_lease_by_its_heartbeat(pool: Pool, broker: MemoryBroker) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    ttl = timedelta(milliseconds=400)
    job = await _announced(pool, broker)
    first = await pool.fetchval("SELECT now() + $1::interval", ttl)
    async with _running(_worker(pool, broker, work, ttl=ttl), _sweeper(pool, broker)):
        await work.started.wait()
        # until well after the first lease would have ended
        await until_row(pool, "SELECT now() > $1::timestamptz + interval '0.5 s'", first)
        work.released.set()
        await _until(pool, job, "finished")
    assert work.runs == 1


async def test_a_heartbeat_tells_the_pace_and_the_end_of_a_job_does_not(
    pool: Pool, broker: MemoryBroker
) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    job = await _announced(pool, broker)
    has_pace = (
        "SELECT progress ? 'rate_bytes_per_second' AND progress ? 'seconds_left' FROM jobs WHERE id = $1"
    )
    async with _running(_worker(pool, broker, work, ttl=timedelta(milliseconds=400))):
        await until_row(pool, has_pace, job.id)
        work.released.set()
        await _until(pool, job, "finished")
    assert await pool.fetchval(has_pace, job.id) is False


async def test_a_message_that_names_no_job_becomes_a_dead_letter(pool: Pool, broker: MemoryBroker) -> None:
    await broker.publish("export", Message(b"nonsense", message_id="m"))
    work = ScriptedWork(pool)
    async with _running(_worker(pool, broker, work)):

        async def dead() -> list[DeadLetter]:
            return [letter async for letter in broker.dead_letters("export")]

        [letter] = await until(dead)
    assert "not the number of a job" in letter.reason


async def test_a_job_that_was_never_published_is_published_by_the_sweeper(
    pool: Pool, broker: MemoryBroker
) -> None:
    job = await queued(pool)
    work = ScriptedWork(pool)
    async with _running(_worker(pool, broker, work), _sweeper(pool, broker)):
        await _until(pool, job, "finished")


async def test_a_job_over_its_deadline_fails_for_good_and_says_why(pool: Pool, broker: MemoryBroker) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    job = await _announced(pool, broker)
    deadlines = Deadlines(total=timedelta(milliseconds=36))
    async with _running(_worker(pool, broker, work, ttl=SHORT, deadlines=deadlines)):
        await _until(pool, job, "failed")
    found = await store.find(pool, job.id)
    assert found is not None
    assert (work.runs, found.error_code) == (1, "job_overdue")
    assert found.error == f"job {job.id}: it took longer than 1e-05 hours, which is the limit"


async def test_a_job_that_does_not_get_on_is_tried_again(pool: Pool, broker: MemoryBroker) -> None:
    work = ScriptedWork(pool)
    work.released.clear()
    job = await _announced(pool, broker, max_attempts=2)
    deadlines = Deadlines(idle=timedelta(milliseconds=60))
    worker = _worker(pool, broker, work, ttl=SHORT, deadlines=deadlines)
    async with _running(worker, _sweeper(pool, broker)):
        await _until(pool, job, "failed")
    found = await store.find(pool, job.id)
    assert found is not None
    assert (work.runs, found.error_code) == (2, "job_stuck")
