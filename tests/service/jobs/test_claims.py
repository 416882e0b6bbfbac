"""Which job is next, and that none is missed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from shared.database.pool import Pool
from shared.jobs import claims, presence, store
from shared.jobs.claims import Shares, claim_next
from shared.jobs.models import Job, JobKind, Lease
from shared.jobs.presence import Presence, PresenceExpiry
from tests.support.jobs import MINUTE, migrated
from tests.support.statements import tapped
from tests.support.waiting import begun_and_waiting

ALL = Shares(percent=100)
MANY = 1000


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        await opened.execute(
            "INSERT INTO users (username, name) SELECT 'user' || n, '' FROM generate_series(2, 9) AS n"
        )
        await _slots(opened, MANY)
        yield opened


async def _slots(pool: Pool, slots: int, *, name: str = "w") -> None:
    await presence.report(pool, Presence(kind=JobKind.EXPORT, name=name, slots=slots))


async def _queue(pool: Pool, user: int, jobs: int = 1) -> None:
    await pool.execute(
        """INSERT INTO jobs (kind, project_id, user_id, correlation_id, max_attempts)
           SELECT 'export', 1, $1, 'c', 5 FROM generate_series(1, $2)""",
        user, jobs,
    )  # fmt: skip


async def _claim(pool: Pool, shares: Shares = ALL) -> Job | None:
    return next(iter(await _claim_many(pool, 1, shares)), None)


async def _claim_many(pool: Pool, most: int, shares: Shares = ALL) -> Sequence[Job]:
    return await claim_next(pool, JobKind.EXPORT, worker="w", ttl=MINUTE, shares=shares, most=most)


async def _users_served(pool: Pool, *, slots: int, jobs: int, shares: Shares = ALL) -> list[int | None]:
    """Whose jobs are claimed, as a worker with so many slots ends the one that it began first."""
    served: list[int | None] = []
    running: list[Lease] = []
    for _ in range(jobs):
        if len(running) == slots:
            await store.finish(pool, running.pop(0), progress={})
        job = await _claim(pool, shares)
        assert job is not None
        running.append(Lease(job.id, job.lease))
        served.append(job.user_id)
    return served


async def test_one_export_does_not_wait_for_the_200_of_another_user(pool: Pool) -> None:
    await _queue(pool, 1, 200)
    first = await _users_served(pool, slots=1, jobs=3)
    await _queue(pool, 2)
    assert first == [1, 1, 1]
    assert await _users_served(pool, slots=1, jobs=1) == [2]


@pytest.mark.parametrize(("slots", "jobs"), [(1, 5), (2, 3), (4, 2)])
async def test_a_fifth_user_does_not_wait_for_the_jobs_of_four(pool: Pool, slots: int, jobs: int) -> None:
    for user in (1, 2, 3, 4):
        await _queue(pool, user, 200)
    running: list[Lease] = []
    for _ in range(slots):
        job = await _claim(pool)
        assert job is not None
        running.append(Lease(job.id, job.lease))
    await _queue(pool, 5)
    served = []
    while 5 not in served:
        await store.finish(pool, running.pop(0), progress={})
        job = await _claim(pool)
        assert job is not None
        running.append(Lease(job.id, job.lease))
        served.append(job.user_id)
    assert len(served) <= jobs


async def test_claims_at_once_miss_nothing(pool: Pool) -> None:
    await _queue(pool, 1, 100)

    async def claim_ten() -> list[Job | None]:
        return [await _claim(pool) for _ in range(10)]

    taken = [job for jobs in await asyncio.gather(*(claim_ten() for _ in range(8))) for job in jobs]
    assert None not in taken
    assert len({job.id for job in taken if job}) == 80


async def test_a_share_is_kept_by_claims_at_once(pool: Pool) -> None:
    await _slots(pool, 10)
    await _queue(pool, 1, 20)
    taken = await asyncio.gather(*(_claim(pool, Shares(percent=90)) for _ in range(20)))
    assert sum(job is not None for job in taken) == 9


@pytest.mark.parametrize(("slots", "most"), [(1, 1), (2, 2), (3, 3), (10, 9), (20, 18)])
async def test_a_tenth_of_ten_or_more_slots_stays_free_for_others(pool: Pool, slots: int, most: int) -> None:
    await _slots(pool, slots)
    await _queue(pool, 1, slots + 1)
    taken = [await _claim(pool, Shares(percent=90)) for _ in range(slots + 1)]
    assert sum(job is not None for job in taken) == most
    await _queue(pool, 2)
    assert (await _claim(pool, Shares(percent=90))) is not None


async def test_slots_of_all_workers_that_are_there_count(pool: Pool) -> None:
    await _slots(pool, 1)
    await _slots(pool, 1, name="another")
    await _slots(pool, 8, name="silent")
    await pool.execute("UPDATE job_workers SET seen_at = now() - interval '2 min' WHERE name = 'silent'")
    await _queue(pool, 1, 5)
    taken = [await _claim(pool) for _ in range(3)]
    assert sum(job is not None for job in taken) == 2


async def test_a_worker_that_went_without_a_word_is_forgotten(pool: Pool) -> None:
    await _slots(pool, 1, name="silent")
    await pool.execute("UPDATE job_workers SET seen_at = now() - interval '25 h' WHERE name = 'silent'")
    assert await PresenceExpiry(pool).remove_workers() == 1
    assert await pool.fetchval("SELECT name FROM job_workers") == "w"


@pytest.mark.parametrize("slots", [1, 4, 8])
async def test_a_user_of_weight_3_is_served_thrice_as_often(pool: Pool, slots: int) -> None:
    for user in (1, 2):
        await _queue(pool, user, 60)
    served = await _users_served(pool, slots=slots, jobs=40, shares=Shares(percent=100, weights={"Ann": 3}))
    counts = Counter(served)
    assert abs(counts[1] - 30) <= 2


async def test_a_job_that_is_not_due_is_passed_over(pool: Pool) -> None:
    await _queue(pool, 1)
    await _queue(pool, 2)
    await pool.execute("UPDATE jobs SET not_before = now() + interval '1 min' WHERE user_id = 1")
    assert [job and job.user_id for job in [await _claim(pool) for _ in range(2)]] == [2, None]


async def test_a_job_that_waits_for_its_retry_does_not_hide_a_due_one_of_the_same_user(pool: Pool) -> None:
    await _queue(pool, 1, 2)
    await pool.execute("UPDATE jobs SET not_before = now() + interval '1 min' WHERE id = 1")
    job = await _claim(pool)
    assert job is not None
    assert job.id == 2


async def test_jobs_of_users_who_were_deleted_are_done_too(pool: Pool) -> None:
    await _queue(pool, 1, 2)
    await pool.execute("UPDATE jobs SET user_id = NULL")
    assert None not in [await _claim(pool) for _ in range(2)]


async def test_other_kinds_are_left_alone(pool: Pool) -> None:
    await _queue(pool, 1)
    await pool.execute("UPDATE jobs SET kind = 'import'")
    assert await _claim(pool) is None


async def test_a_job_that_is_being_canceled_holds_nobody_up(pool: Pool) -> None:
    await _queue(pool, 1)
    await _queue(pool, 2)
    async with pool.acquire() as db, db.transaction(), asyncio.timeout(10):
        await store.cancel(db, 1)
        job = await _claim(pool)
    assert job is not None
    assert job.user_id == 2


async def test_a_job_whose_wake_up_is_just_noted_as_published_is_waited_for(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_PATIENCE_FOR_LOCKS", MINUTE)
    await _queue(pool, 1)
    async with pool.acquire() as db, pool.acquire() as watching:
        async with db.transaction():
            await db.execute("UPDATE jobs SET published_at = now()")
            waiting = await begun_and_waiting(watching, _claim(pool))
        assert await waiting is not None


async def test_a_job_that_was_canceled_while_it_was_waited_for_is_not_claimed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_PATIENCE_FOR_LOCKS", MINUTE)
    await _queue(pool, 1)
    async with pool.acquire() as db, pool.acquire() as watching:
        async with db.transaction():
            await store.cancel(db, 1)
            waiting = await begun_and_waiting(watching, _claim(pool))
        assert await waiting is None


async def test_a_job_that_stays_locked_holds_its_claim_up_for_a_moment_only(pool: Pool) -> None:
    await _queue(pool, 1)
    async with pool.acquire() as db, db.transaction():
        await db.execute("UPDATE jobs SET published_at = now()")
        assert await _claim(pool) is None
    assert await _claim(pool) is not None


_GATE = "SELECT pg_advisory_xact_lock(hashtextextended('crossdock.claim.' || $1, 0))"


async def test_claims_of_one_kind_wait_for_each_other_and_for_no_other_kind(pool: Pool) -> None:
    await _queue(pool, 1, 2)
    async with pool.acquire() as db, pool.acquire() as watching:
        async with db.transaction():
            await db.execute(_GATE, "import")
            assert await _claim(pool) is not None
            await db.execute(_GATE, "export")
            waiting = await begun_and_waiting(watching, _claim(pool))
        assert await waiting is not None


async def test_a_claim_is_one_statement_however_many_jobs_it_takes(database_url: str) -> None:
    async with tapped(database_url) as sent, migrated(sent.url) as pool:
        await _slots(pool, MANY)
        await _queue(pool, 1, 10)
        assert len(await _claim_many(pool, 4)) == 4  # the pool has its connection, and the statement its plan
        sent.clear()
        assert len(await _claim_many(pool, 4)) == 4
        assert sent.count == 1, sent.table()


async def test_where_nothing_waits_a_claim_takes_no_turn(pool: Pool) -> None:
    async with pool.acquire() as db, db.transaction(), asyncio.timeout(10):
        await db.execute(_GATE, "export")
        assert await _claim(pool) is None


async def test_a_claim_takes_as_many_jobs_as_it_is_asked_for_and_16_at_most(pool: Pool) -> None:
    await _queue(pool, 1, 30)
    assert [len(await _claim_many(pool, most)) for most in (3, 100, 100, 100)] == [3, 16, 11, 0]


async def test_jobs_that_are_claimed_together_are_those_that_would_be_one_after_the_other(pool: Pool) -> None:
    for user in (1, 2, 3):
        await _queue(pool, user, 3)
    taken = await _claim_many(pool, 5)
    assert [job.user_id for job in taken] == [1, 2, 3, 1, 2]


async def test_the_costs_of_a_claim_grow_with_users_and_not_with_jobs(pool: Pool) -> None:
    for user in (1, 2, 3):
        await _queue(pool, user, 2000)
    await pool.execute("VACUUM ANALYZE jobs")
    async with pool.acquire() as db, db.transaction():
        assert await claim_next(db, JobKind.EXPORT, worker="w", ttl=MINUTE, shares=ALL)
        read = await db.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
        )
    assert read < 50


@dataclass(slots=True)
class Model:
    """The rule in the words of its description."""

    waiting: dict[int, int] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)
    last_claim: dict[int, int] = field(default_factory=dict)
    claims: int = 0

    def claim(self, most: int) -> int | None:
        runs = Counter(self.running.values())
        free = [job for job, user in self.waiting.items() if runs[user] < most]
        if not free:
            return None
        job = min(free, key=lambda job: self._rank(job, runs))
        user = self.running[job] = self.waiting.pop(job)
        self.claims += 1
        self.last_claim[user] = self.claims
        return job

    def _rank(self, job: int, runs: Counter[int]) -> tuple[int, int, int]:
        user = self.waiting[job]
        return runs[user], self.last_claim.get(user, 0), job


@pytest.mark.parametrize("seed", range(3))
async def test_any_sequence_of_jobs_and_ends_gives_the_claims_of_the_rule(pool: Pool, seed: int) -> None:
    chance, model = random.Random(seed), Model()  # noqa: S311  # no secret
    await _slots(pool, 5)
    leases: dict[int, Lease] = {}
    for _ in range(150):
        move = chance.choice(("queue", "claim", "claim", "end"))
        if move == "queue":
            user = chance.randint(1, 5)
            await _queue(pool, user)
            model.waiting[await pool.fetchval("SELECT max(id) FROM jobs")] = user
        elif move == "claim":
            job = await _claim(pool, Shares(percent=60))
            assert (job and job.id) == model.claim(3)
            if job:
                leases[job.id] = Lease(job.id, job.lease)
        elif model.running:
            ended = chance.choice(list(model.running))
            del model.running[ended]
            await store.finish(pool, leases.pop(ended), progress={})
