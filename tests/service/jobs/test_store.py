from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import LeaseLost
from shared.jobs import store
from shared.jobs.models import ImportOrder, JobKind, JobState, Lease
from shared.jobs.requeue import Requeue
from tests.support.jobs import MINUTE, claim, claimed, migrated, queued, state_of


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


async def test_an_order_comes_back_as_it_was_given(pool: Pool) -> None:
    order = ImportOrder(override_params={"description": "x", "wiki_enabled": False}, replaces="ann/old")
    job = await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c")
    found = await store.find(pool, job.id)
    assert found == job
    assert found.order == order
    assert await store.find_newest(pool, 1, JobKind.IMPORT, user_id=1) == job
    assert await store.find_newest(pool, 1, JobKind.EXPORT) is None


async def test_a_job_is_not_claimed_before_it_is_due(pool: Pool) -> None:
    job = await queued(pool)
    lease = await claimed(pool, job)
    await store.retry(pool, lease, code="storage", error="later", delay=MINUTE)
    assert await claim(pool, job.id) is None


async def test_the_fencing_token_grows_with_every_claim(pool: Pool) -> None:
    job = await queued(pool)
    first = await claimed(pool, job)
    await store.retry(pool, first, code="storage", error="again", delay=timedelta(0))
    second = await claimed(pool, job)
    assert second.token > first.token


async def test_an_old_token_writes_nothing(pool: Pool) -> None:
    job = await queued(pool)
    old = await claimed(pool, job)
    await store.retry(pool, old, code="storage", error="again", delay=timedelta(0))
    new = await claimed(pool, job)
    for write in (
        store.heartbeat(pool, old, ttl=MINUTE, progress={}),
        store.finish(pool, old, progress={}),
        store.fail(pool, old, code="storage", error="x"),
        store.retry(pool, old, code="storage", error="x", delay=timedelta(0)),
        store.hand_back(pool, old),
        store.hold(pool, old),
    ):
        with pytest.raises(LeaseLost):
            await write
    assert await state_of(pool, job.id) == "running"
    await store.finish(pool, new, progress={"entries": 1})
    assert await state_of(pool, job.id) == "finished"


async def test_a_job_handed_back_does_not_count_the_attempt(pool: Pool) -> None:
    job = await queued(pool)
    await store.hand_back(pool, await claimed(pool, job))
    again = await claim(pool, job.id)
    assert again is not None
    assert again.attempt == 1


async def test_a_job_handed_back_has_no_error_of_an_attempt_before(pool: Pool) -> None:
    job = await queued(pool)
    await store.retry(pool, await claimed(pool, job), code="storage", error="x", delay=timedelta(0))
    await store.hand_back(pool, await claimed(pool, job))
    found = await store.find(pool, job.id)
    assert found is not None
    assert found.error is None


async def test_a_canceled_job_is_lost_to_its_worker_and_claimed_by_nobody(pool: Pool) -> None:
    job = await queued(pool)
    lease = await claimed(pool, job)
    assert await store.cancel(pool, job.id)
    assert not await store.cancel(pool, job.id)
    with pytest.raises(LeaseLost):
        await store.finish(pool, lease, progress={})
    assert await claim(pool, job.id) is None


async def test_nobody_takes_a_held_job_before_the_transaction_ends(pool: Pool) -> None:
    job = await queued(pool)
    lease = await claimed(pool, job)
    async with pool.acquire() as db, db.transaction():
        await store.hold(db, lease)
        canceling = asyncio.create_task(store.cancel(pool, job.id))
        await store.finish(db, lease, progress={})
    assert not await canceling
    found = await store.find(pool, job.id)
    assert found is not None
    assert found.state is JobState.FINISHED


async def test_a_lease_of_no_job_is_lost(pool: Pool) -> None:
    with pytest.raises(LeaseLost):
        await store.heartbeat(pool, Lease(4711, 1), ttl=MINUTE, progress={})


async def test_of_many_errors_the_newest_twenty_are_kept(pool: Pool) -> None:
    job = await queued(pool, max_attempts=99)
    for number in range(25):
        lease = await claimed(pool, job)
        await store.retry(pool, lease, error="e", code=f"code_{number}", delay=timedelta(0))
    report = await store.find_report(pool, job.id)
    assert report is not None
    assert report.errors is not None
    assert [each.code for each in report.errors] == [f"code_{number}" for number in range(5, 25)]
    assert [each.attempt for each in report.errors] == list(range(6, 26))


async def test_an_attempt_whose_worker_was_lost_is_among_the_errors(pool: Pool) -> None:
    job = await queued(pool)
    await claimed(pool, job, ttl=timedelta(0))
    await Requeue(pool, MemoryBroker()).requeue_lost()
    report = await store.find_report(pool, job.id)
    assert report is not None
    assert report.errors is not None
    [error] = report.errors
    assert (error.attempt, error.code, error.error) == (
        1, "worker_lost", "the worker was lost in attempt 1 of 5"
    )  # fmt: skip


async def test_leases_that_ended_while_the_database_was_away_are_left_to_their_workers_at_first(
    pool: Pool,
) -> None:
    job = await queued(pool)
    await claimed(pool, job, ttl=timedelta(0))
    hours = timedelta(days=10_000)  # since the start of the server
    assert await Requeue(pool, MemoryBroker(), grace=hours).requeue_lost() == 0
    assert await Requeue(pool, MemoryBroker()).requeue_lost() == 1


async def test_who_knows_that_no_worker_is_alive_need_not_wait_for_leases(pool: Pool) -> None:
    running, last = await queued(pool), await queued(pool, max_attempts=1)
    for job in (running, last):
        await claimed(pool, job, ttl=MINUTE)
    assert await Requeue(pool, MemoryBroker()).requeue_running() == 2
    assert [await state_of(pool, job.id) for job in (running, last)] == ["queued", "failed"]
