from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.broker.base import Message
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import BrokerError
from shared.jobs import outbox, store
from shared.jobs.models import Job
from shared.jobs.requeue import Requeue
from tests.support.jobs import claim, claimed, migrated, queued
from tests.support.statements import tapped

NOW = timedelta(0)


class Meanwhile(MemoryBroker):
    """Lets the job be claimed and put back before its publisher hears of the confirm."""

    def __init__(self, pool: Pool, job: Job) -> None:
        super().__init__()
        self._pool, self._job = pool, job

    async def publish(self, queue: str, message: Message) -> None:
        await super().publish(queue, message)
        await store.hand_back(self._pool, await claimed(self._pool, self._job))


class Away(MemoryBroker):
    """Takes nothing, and counts how often it was asked."""

    asked = 0

    async def publish(self, queue: str, message: Message) -> None:
        self.asked += 1
        raise BrokerError(f"{queue}: {message.message_id} not confirmed")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


async def _waiting(broker: MemoryBroker) -> int:
    count = 0
    async with broker.consume("export", prefetch=1000) as deliveries:
        while True:
            try:
                async with asyncio.timeout(0.05):
                    await anext(deliveries)
            except TimeoutError:
                return count
            count += 1


async def _is_published(pool: Pool, job: Job) -> bool:
    return bool(await pool.fetchval("SELECT published_at IS NOT NULL FROM jobs WHERE id = $1", job.id))


async def test_a_job_put_back_while_it_was_published_is_still_to_be_published(pool: Pool) -> None:
    job = await queued(pool)
    assert await Requeue(pool, Meanwhile(pool, job), left_alone=NOW).publish() == 1
    assert not await _is_published(pool, job)
    assert await Requeue(pool, MemoryBroker()).publish() == 1


async def test_a_job_is_safe_where_the_broker_is_away(pool: Pool) -> None:
    job = await queued(pool)
    assert not await outbox.announce(Away(), job)
    assert not await _is_published(pool, job)


async def test_a_new_job_is_left_for_a_moment_to_who_queued_it(pool: Pool) -> None:
    await queued(pool)
    requeue = Requeue(pool, MemoryBroker())
    assert await requeue.publish() == 0
    await pool.execute("UPDATE jobs SET created_at = now() - interval '6 s'")
    assert await requeue.publish() == 1
    assert await requeue.publish() == 0


async def test_a_job_that_is_due_again_is_left_to_nobody(pool: Pool) -> None:
    await store.hand_back(pool, await claimed(pool, await queued(pool)))
    assert await Requeue(pool, MemoryBroker()).publish() == 1


async def test_wake_ups_of_many_jobs_are_recorded_by_one_statement(database_url: str) -> None:
    async with tapped(database_url) as sent, migrated(sent.url) as pool:
        for _ in range(20):
            await queued(pool)
        requeue = Requeue(pool, MemoryBroker(), left_alone=NOW)
        assert await requeue.publish() == 20
        await pool.execute("UPDATE jobs SET published_at = NULL")
        sent.clear()
        assert await requeue.publish() == 20
        assert sent.count == 2, sent.table()


async def test_publishing_ends_at_the_first_job_that_the_broker_does_not_take(pool: Pool) -> None:
    for _ in range(3):
        await queued(pool)
    broker = Away()
    assert await Requeue(pool, broker, left_alone=NOW).publish() == 0
    assert broker.asked == 1


@pytest.mark.parametrize(
    ("due", "published", "again"),
    [(30, 30, 0), (31, 31, 1), (90, 31, 0), (90, 60, 1)],
    ids=["just out", "out for long", "out again not for long", "out again for as long as before"],
)
async def test_a_waiting_job_is_announced_again_each_time_that_it_waited_twice_as_long(
    pool: Pool, due: int, published: int, again: int
) -> None:
    await queued(pool)
    await pool.execute(
        """UPDATE jobs SET not_before = now() - $1 * interval '1 s' + interval '0.5 s',
                  published_at = now() - $2 * interval '1 s' + interval '0.5 s'""",
        due, published,
    )  # fmt: skip
    assert await Requeue(pool, MemoryBroker(), republish_after=timedelta(seconds=30)).publish() == again


async def test_what_an_in_process_broker_took_with_it_is_announced_again_at_once(pool: Pool) -> None:
    await queued(pool)
    requeue = Requeue(pool, MemoryBroker(), left_alone=NOW)
    assert await requeue.publish() == 1
    assert await requeue.publish() == 0
    await outbox.mark_unpublished(pool)
    assert await requeue.publish() == 1


async def test_jobs_of_a_newer_version_are_left_to_it(pool: Pool) -> None:
    await queued(pool)
    await pool.execute("ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check")
    await pool.execute("UPDATE jobs SET kind = 'teleport'")
    assert await Requeue(pool, MemoryBroker(), left_alone=NOW).publish() == 0


async def test_a_requeued_job_is_published(pool: Pool) -> None:
    job, broker = await queued(pool), MemoryBroker()
    await claimed(pool, job, ttl=NOW)
    requeue = Requeue(pool, broker)
    await requeue.requeue_lost()
    await requeue.publish()
    assert await _waiting(broker) == 1
    assert await claim(pool, job.id) is not None
