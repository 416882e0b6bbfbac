"""What an outage of ours does to jobs, and what one of others does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from asyncpg import ConnectionDoesNotExistError, DeadlockDetectedError
from yarl import URL

from shared.broker.base import DeadLetter, Message
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import BrokerError, ObjectMissing, StorageError
from shared.jobs import outbox, store
from shared.jobs.deadlines import Deadlines
from shared.jobs.models import Job, JobKind
from shared.jobs.storage_gate import StorageGate
from shared.jobs.worker import Worker, WorkerLimits
from shared.remote.errors import Unreachable
from shared.storage.errors import DiskNearlyFull, OperationFailed, OperationRefused
from tests.support.jobs import MINUTE, ScriptedWork, migrated, queued
from tests.support.waiting import until, until_row

DAY = timedelta(days=1)
AWAY = OperationFailed("read", "packs/ab/key", reason="Connect call failed ('10.0.0.7', 9000)")
REFUSED = OperationRefused("read", "packs/ab/key", reason="ExpiredToken", cause="ExpiredToken")
FULL = DiskNearlyFull("/var/lib/objects", free=0, wanted=1)
CUT = ConnectionDoesNotExistError("connection was closed in the middle of operation")


class Storage:
    """What the gate asks: whether the storage is there is the test's to say, and so is when to ask again."""

    def __init__(self) -> None:
        self.is_there = True
        self.answers = asyncio.Event()
        self.answers.set()
        self.probes = 0
        self.asked = asyncio.Event()
        self.again = asyncio.Event()
        self.gate = StorageGate(self._check, sleep=self._sleep)

    async def _check(self) -> None:
        self.probes += 1
        await self.answers.wait()
        if not self.is_there:
            raise StorageError("away")

    async def _sleep(self, _: float) -> None:
        self.asked.set()
        await self.again.wait()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    made = Storage()
    yield made
    await made.gate.close()


@asynccontextmanager
async def _working(
    pool: Pool, work: ScriptedWork, storage: Storage, *, ttl: timedelta = MINUTE
) -> AsyncIterator[MemoryBroker]:
    """Run a worker; a job that is postponed with a pause waits for longer than the test."""
    broker = MemoryBroker()
    limits = WorkerLimits(
        concurrency=1, ttl=ttl, drain=MINUTE, first_delay=DAY, outage_pause=DAY,
        deadlines=Deadlines(total=DAY),
    )  # fmt: skip
    worker = Worker(
        pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits, storage=storage.gate
    )
    task = asyncio.create_task(worker.run())
    try:
        yield broker
    finally:
        worker.stop()
        await task


async def _found(pool: Pool, job: Job) -> Job:
    found = await store.find(pool, job.id)
    assert found is not None
    return found


async def _postponed(pool: Pool, job: Job) -> Job:
    await until_row(pool, "SELECT state = 'queued' AND lease > 0 FROM jobs WHERE id = $1", job.id)
    return await _found(pool, job)


async def _dead_letters(broker: MemoryBroker) -> list[DeadLetter]:
    return [letter async for letter in broker.dead_letters("export")]


async def test_while_the_storage_is_away_nothing_is_claimed_and_the_job_keeps_its_place(
    pool: Pool, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.worker._IDLE", DAY)
    storage.is_there = False
    work = ScriptedWork(pool, AWAY)
    first, second = [await queued(pool) for _ in range(2)]
    async with _working(pool, work, storage) as broker:
        for job in (first, second):
            await outbox.announce(broker, job)
        await storage.asked.wait()
        assert (await _postponed(pool, first)).attempt == 0
        await outbox.announce(broker, second)
        await broker.publish("export", Message(b"nonsense", message_id="m"))
        await until(lambda: _dead_letters(broker))  # so the wake-ups before it are used up, too
        assert [(await _found(pool, each)).lease for each in (first, second)] == [1, 0]

        storage.is_there = True
        storage.again.set()
        await until_row(pool, "SELECT count(*) = 2 FROM jobs WHERE state = 'finished'")
    ends = await pool.fetch("SELECT id, attempt, error FROM jobs ORDER BY finished_at")
    assert [tuple(each) for each in ends] == [(first.id, 1, None), (second.id, 1, None)]


@pytest.mark.parametrize(
    "error", [AWAY, FULL, BrokerError("10.0.0.8"), CUT], ids=lambda each: type(each).__name__
)
async def test_an_outage_of_ours_costs_no_attempt_and_lets_others_go_first(
    pool: Pool, storage: Storage, error: Exception
) -> None:
    work = ScriptedWork(pool, error)
    job, other = await queued(pool, max_attempts=1), await queued(pool)
    async with _working(pool, work, storage) as broker:
        await outbox.announce(broker, job)
        await until_row(pool, "SELECT state = 'finished' FROM jobs WHERE id = $1", other.id)
        found = await _postponed(pool, job)
    assert found.attempt == 0
    assert found.error is not None
    assert found.error.endswith("is not available now") or "full" in found.error
    assert await pool.fetchval("SELECT not_before > now() + interval '23 h' FROM jobs WHERE id = $1", job.id)


async def test_each_attempt_that_did_not_count_doubles_the_pause_up_to_the_longest(
    pool: Pool, storage: Storage
) -> None:
    second = timedelta(seconds=1)
    limits = WorkerLimits(
        concurrency=1, ttl=MINUTE, drain=MINUTE, first_delay=second, outage_pause=10 * second
    )
    work = ScriptedWork(pool, *[AWAY] * 6)
    job = await queued(pool, max_attempts=2)
    pauses = []
    for number in range(6):
        broker = MemoryBroker()
        worker = Worker(
            pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits, storage=storage.gate
        )
        task = asyncio.create_task(worker.run())
        await until_row(pool, "SELECT state = 'queued' AND lease = $1 FROM jobs", number + 1)
        worker.stop()
        await task
        pauses.append(await pool.fetchval("SELECT not_before - now() FROM jobs"))
        await pool.execute("UPDATE jobs SET not_before = now()")
    wanted = [second * each for each in (1, 2, 4, 8, 10, 10)]
    assert all(due - second < pause <= due for due, pause in zip(wanted, pauses, strict=True)), pauses
    assert (await _found(pool, job)).attempt == 0


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_storage_that_refuses_all_is_away_and_one_that_refuses_an_object_is_not(
    pool: Pool, storage: Storage, *, is_there: bool
) -> None:
    storage.is_there = is_there
    job = await queued(pool)
    async with _working(pool, ScriptedWork(pool, REFUSED), storage) as broker:
        await outbox.announce(broker, job)
        await until_row(pool, "SELECT state <> 'running' AND lease = 1 FROM jobs")
    found = await _found(pool, job)
    assert found.state.value == ("failed" if is_there else "queued")
    assert found.error_code == "storage_refused"


@pytest.mark.parametrize(
    "error", [Unreachable(URL("https://peer.test/"), "refused"), DeadlockDetectedError(), TimeoutError()],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
async def test_a_peer_that_is_away_or_a_query_that_fails_costs_an_attempt(
    pool: Pool, storage: Storage, error: Exception
) -> None:
    job = await queued(pool, max_attempts=1)
    async with _working(pool, ScriptedWork(pool, error), storage) as broker:
        await outbox.announce(broker, job)
        await until_row(pool, "SELECT state = 'failed' FROM jobs")
    assert storage.probes == 0


async def test_a_job_keeps_its_lease_while_its_worker_asks_the_storage(pool: Pool, storage: Storage) -> None:
    storage.answers.clear()
    job = await queued(pool)
    ttl = timedelta(milliseconds=200)
    async with _working(pool, ScriptedWork(pool, AWAY), storage, ttl=ttl) as broker:
        await outbox.announce(broker, job)
        await until(lambda: storage.probes)
        asked = await pool.fetchval("SELECT lease_expires_at FROM jobs")
        await until_row(pool, "SELECT lease_expires_at > $1::timestamptz + interval '0.3 s' FROM jobs", asked)
        storage.answers.set()
        assert (await _postponed(pool, job)).lease == 1


async def test_an_outage_counts_once_the_deadline_of_the_job_is_over(pool: Pool, storage: Storage) -> None:
    job = await queued(pool, max_attempts=1)
    await pool.execute("UPDATE jobs SET started_at = now() - interval '25 h'")
    async with _working(pool, ScriptedWork(pool, AWAY), storage) as broker:
        await outbox.announce(broker, job)
        await until_row(pool, "SELECT state = 'failed' FROM jobs")
    assert (await _found(pool, job)).error_code == "storage_failed"


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    "error", [AWAY, REFUSED, FULL, BrokerError("queue at 10.0.0.8"), CUT, ObjectMissing("packs/ab/key")],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
async def test_what_a_user_reads_of_an_outage_names_nothing_of_ours(
    pool: Pool, storage: Storage, error: Exception, *, is_there: bool
) -> None:
    storage.is_there = is_there
    job = await queued(pool)
    async with _working(pool, ScriptedWork(pool, error), storage) as broker:
        await outbox.announce(broker, job)
        await until_row(pool, "SELECT state <> 'running' AND lease = 1 FROM jobs")
    told = await pool.fetch(
        """SELECT error AS told, error_code AS code FROM jobs UNION ALL SELECT errors::text, 'x' FROM jobs
           UNION ALL SELECT data::text, data ->> 'error_code' FROM events WHERE name <> 'export.queued'
           AND name <> 'export.started'"""
    )
    assert len(told) == 3
    for text, code in told:
        assert code
        for ours in ("10.0.0", "9000", "packs", "key", "/var", "closed", "Token"):
            assert ours not in text
