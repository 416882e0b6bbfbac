from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from shared.broker import memory
from shared.broker.base import Broker, Message
from shared.broker.memory import MemoryBroker
from shared.broker.rabbitmq import rabbitmq_broker
from shared.database.pool import Pool
from shared.errors import BrokerError, CrossdockError
from shared.jobs import claims, outbox, store, worker
from shared.jobs.claims import Shares
from shared.jobs.models import ExportOrder, Job, JobKind, Lease
from shared.jobs.progress import Progress
from shared.jobs.requeue import Requeue
from shared.jobs.worker import Work, Worker, WorkerLimits
from tests.support.jobs import MINUTE, ScriptedWork, migrated, queued, state_of
from tests.support.queues import purge
from tests.support.waiting import until, until_row
from tests.support.watched import Watched

QUICK = timedelta(milliseconds=10)


class Together(ScriptedWork):
    """Goes on once so many run at once."""

    def __init__(self, pool: Pool, parties: int) -> None:
        super().__init__(pool)
        self._barrier = asyncio.Barrier(parties)

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        await self._barrier.wait()
        await super().run(job, lease, progress)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


def _worker(pool: Pool, broker: Broker, work: Work, *, concurrency: int = 1, name: str = "w") -> Worker:
    limits = WorkerLimits(
        concurrency=concurrency, ttl=MINUTE, drain=MINUTE, first_delay=QUICK, shares=Shares(percent=100)
    )
    return Worker(pool, broker, kind=JobKind.EXPORT, work=work, name=name, limits=limits)


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    yield
    worker.stop()
    await task


async def _announced(pool: Pool, broker: Broker) -> Job:
    job = await queued(pool)
    await outbox.announce(broker, job)
    return job


async def _ends(pool: Pool, job: Job, state: str = "finished") -> None:
    await until_row(pool, "SELECT state = $2 FROM jobs WHERE id = $1", job.id, state)


async def test_as_many_jobs_run_at_once_as_there_are_places(pool: Pool) -> None:
    broker = MemoryBroker()
    jobs = [await _announced(pool, broker) for _ in range(9)]
    async with _running(_worker(pool, broker, Together(pool, 3), concurrency=3)):
        for job in jobs:
            await _ends(pool, job)


async def test_a_stopped_worker_takes_no_more_jobs_though_it_has_places(pool: Pool) -> None:
    broker = MemoryBroker()
    job = await _announced(pool, broker)
    worker = _worker(pool, broker, ScriptedWork(pool), concurrency=2)
    worker.stop()
    await worker.run()
    assert await state_of(pool, job.id) == "queued"


async def test_a_job_waits_for_a_database_that_is_away_longer_than_a_message_may_be_given_back(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    claim_next = claims.claim_next

    async def counted(*given: Any, **more: Any) -> Sequence[Job]:
        nonlocal tries
        tries += 1
        return await claim_next(*given, **more)

    monkeypatch.setattr(claims, "claim_next", counted)
    broker = MemoryBroker()
    job = await _announced(pool, broker)
    await pool.execute("ALTER TABLE jobs RENAME TO hidden")
    async with _running(_worker(pool, broker, ScriptedWork(pool))):
        await until(lambda: tries > 5)
        await pool.execute("ALTER TABLE hidden RENAME TO jobs")
        await _ends(pool, job)
    assert [letter async for letter in broker.dead_letters("export")] == []


async def test_a_job_that_nobody_can_read_takes_no_place_for_ever(pool: Pool) -> None:
    broker = MemoryBroker()
    await _announced(pool, broker)
    await pool.execute("""UPDATE jobs SET payload = '{"description": 5}', user_id = NULL""")
    sound = await _announced(pool, broker)
    async with _running(_worker(pool, broker, ScriptedWork(pool))):
        await _ends(pool, sound)


async def test_the_message_of_a_deleted_job_is_done_with(pool: Pool) -> None:
    broker = MemoryBroker()
    await _announced(pool, broker)
    await pool.execute("DELETE FROM jobs")
    sound = await _announced(pool, broker)
    work = ScriptedWork(pool)
    async with _running(_worker(pool, broker, work)):
        await _ends(pool, sound)
    assert work.runs == 1


class Gone(ScriptedWork):
    """Cannot say what went wrong, as the project is gone."""

    async def explain(self, job: Job, error: CrossdockError) -> str:
        raise CrossdockError(f"project {job.project_id} does not exist any more: {error}")


async def test_a_project_deleted_under_its_job_disturbs_no_other(pool: Pool) -> None:
    stray: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: stray.append(context))
    await pool.execute("INSERT INTO projects (namespace_id, path, name) VALUES (1, 'q', 'q')")
    broker, work = MemoryBroker(), Gone(pool, CrossdockError("broken"))
    work.released.clear()
    await _announced(pool, broker)
    async with _running(_worker(pool, broker, work)):
        await work.started.wait()
        await pool.execute("DELETE FROM projects WHERE id = 1")
        work.released.set()
        other = await store.enqueue(pool, ExportOrder(), project_id=2, user_id=1, correlation_id="c")
        await outbox.announce(broker, other)
        await _ends(pool, other)
    assert stray == []


async def test_a_job_whose_message_lies_with_a_busy_worker_is_done_by_an_idle_one(
    pool: Pool, rabbitmq_url: str, queue_prefix: str
) -> None:
    busy, idle = ScriptedWork(pool), ScriptedWork(pool)
    busy.released.clear()
    async with (
        rabbitmq_broker(rabbitmq_url, prefix=queue_prefix) as broker,
        rabbitmq_broker(rabbitmq_url, prefix=queue_prefix) as another,
        _running(_worker(pool, broker, busy)),
    ):
        long = await _announced(pool, broker)
        await busy.started.wait()
        waiting = await _announced(pool, broker)  # goes to the only worker, which has its hands full
        async with _running(_worker(pool, another, idle, name="idle")):
            requeue = Requeue(pool, broker, republish_after=timedelta(0))

            async def published_and_finished() -> bool:
                await requeue.publish()
                return await state_of(pool, waiting.id) == "finished"

            await until(published_and_finished)
        assert (idle.runs, await state_of(pool, long.id)) == (1, "running")
        busy.released.set()
        await _ends(pool, long)
    assert busy.runs == 1


async def test_a_job_whose_wake_up_was_purged_is_announced_again_and_done(
    pool: Pool, rabbitmq_url: str, queue_prefix: str
) -> None:
    async with rabbitmq_broker(rabbitmq_url, prefix=queue_prefix) as broker:
        job = await _announced(pool, broker)
        assert await purge(rabbitmq_url, f"{queue_prefix}export") == 1
        assert await Requeue(pool, broker, left_alone=timedelta(0)).publish() == 1
        async with broker.consume("export", prefetch=1) as deliveries:
            assert (await anext(deliveries)).message.body == str(job.id).encode()
        async with _running(_worker(pool, broker, ScriptedWork(pool))):
            await _ends(pool, job)


async def test_a_worker_takes_waiting_jobs_without_a_message_when_it_begins(pool: Pool) -> None:
    jobs = [await queued(pool) for _ in range(3)]
    async with _running(_worker(pool, MemoryBroker(), Together(pool, 3), concurrency=3)):
        for job in jobs:
            await _ends(pool, job)


async def test_a_worker_takes_the_next_job_after_each_whatever_messages_there_are(pool: Pool) -> None:
    broker, work = MemoryBroker(), ScriptedWork(pool)
    work.released.clear()
    async with _running(_worker(pool, broker, work)):
        await _announced(pool, broker)
        await work.started.wait()
        jobs = [await queued(pool) for _ in range(3)]
        work.released.set()
        for job in jobs:
            await _ends(pool, job)


async def test_an_idle_worker_finds_a_job_of_which_no_message_tells(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_IDLE", QUICK)
    broker = Watched()
    async with _running(_worker(pool, broker, ScriptedWork(pool))):
        await broker.asked.wait()
        await _ends(pool, await queued(pool))


async def test_a_message_wakes_a_worker_for_the_job_that_is_next(pool: Pool) -> None:
    broker, work = Watched(), ScriptedWork(pool)
    work.released.clear()
    async with _running(_worker(pool, broker, work)):
        await broker.asked.wait()
        first, second = await queued(pool), await queued(pool)
        await outbox.announce(broker, second)
        await work.started.wait()
        assert [await state_of(pool, job.id) for job in (first, second)] == ["running", "queued"]
        work.released.set()
        await _ends(pool, second)


async def test_a_worker_is_known_with_its_slots_while_it_runs(pool: Pool) -> None:
    broker = Watched()
    async with _running(_worker(pool, broker, ScriptedWork(pool), concurrency=3)):
        await broker.asked.wait()
        assert await pool.fetchval("SELECT slots FROM job_workers WHERE kind = 'export'") == 3
    assert await pool.fetchval("SELECT count(*) FROM job_workers") == 0


async def test_a_message_that_cannot_be_rejected_now_does_not_end_the_worker(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reject, tries = memory._Delivery.reject, 0

    async def away(delivery: memory._Delivery, reason: str) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise BrokerError("away")
        await reject(delivery, reason)

    monkeypatch.setattr(memory._Delivery, "reject", away)
    broker = Watched()
    async with _running(_worker(pool, broker, ScriptedWork(pool))):
        await broker.asked.wait()
        await broker.publish("export", Message(b"nonsense", message_id="m"))
        await until(lambda: tries == 2)
        await _ends(pool, await _announced(pool, broker))
    assert len([letter async for letter in broker.dead_letters("export")]) == 1
