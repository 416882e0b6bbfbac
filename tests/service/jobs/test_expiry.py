from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.database.pool import Pool
from shared.jobs import expiry, store
from shared.jobs.expiry import JobExpiry
from tests.support.jobs import claimed, migrated, queued

DAYS = timedelta(days=30)
_AGE = "UPDATE jobs SET finished_at = now() - interval '31 d' WHERE id = $1"
_FAILURE = """INSERT INTO failed_relations
        (job_id, lease, relation, source, exception_class, exception_message)
    SELECT $1, $2, 'issues', 's', 'c', 'm' FROM generate_series(1, $3)"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


async def _ended(pool: Pool, *, failures: int = 0) -> int:
    """A job that ended 31 days ago, in its second attempt."""
    job = await queued(pool)
    first = await claimed(pool, job)
    await pool.execute(_FAILURE, job.id, first.token, failures)
    await store.retry(pool, first, error="e", code="c", delay=timedelta(0))
    last = await claimed(pool, job)
    await pool.execute(_FAILURE, job.id, last.token, failures)
    await store.finish(pool, last, progress={})
    await pool.execute(_AGE, job.id)
    return job.id


async def _left(pool: Pool) -> list[int]:
    return [row["id"] for row in await pool.fetch("SELECT id FROM jobs ORDER BY id")]


async def test_old_jobs_go_and_the_newest_of_a_kind_stays(pool: Pool) -> None:
    old, newest = [await _ended(pool) for _ in range(2)], await _ended(pool)
    await pool.execute("UPDATE jobs SET kind = 'import' WHERE id = $1", old[0])
    assert await JobExpiry(pool, retention=DAYS).remove_jobs() == 1
    assert await _left(pool) == [old[0], newest]


async def test_a_job_of_a_project_that_went_neither_stays_as_the_newest_nor_lets_the_newest_go(
    pool: Pool,
) -> None:
    newest, former = await _ended(pool), await _ended(pool)
    await pool.execute("UPDATE jobs SET former_project_id = 7 WHERE id = $1", former)
    assert await JobExpiry(pool, retention=DAYS).remove_jobs() == 1
    assert await _left(pool) == [newest]


async def test_jobs_that_have_not_ended_or_not_long_ago_stay(pool: Pool) -> None:
    young, running = await _ended(pool), await queued(pool)
    await pool.execute("UPDATE jobs SET finished_at = now() - interval '29 d' WHERE id = $1", young)
    await claimed(pool, running)
    await queued(pool)
    assert await JobExpiry(pool, retention=DAYS).remove_jobs() == 0


async def test_a_job_whose_archive_can_be_downloaded_stays(pool: Pool) -> None:
    old, _ = await _ended(pool), await _ended(pool)
    await pool.execute("INSERT INTO objects (key, kind) VALUES ('k', 'archive')")
    await pool.execute(
        """INSERT INTO archives (project_id, user_id, job_id, object_id, file_name, size, sha256, expires_at)
           VALUES (1, 1, $1, 1, 'f', 0, '', now() + interval '1 d')""",
        old,
    )
    assert await JobExpiry(pool, retention=DAYS).remove_jobs() == 0


async def test_failures_go_with_their_job_and_earlier_attempts_of_the_newest_too(pool: Pool) -> None:
    await _ended(pool, failures=3)
    newest = await _ended(pool, failures=2)
    await JobExpiry(pool, retention=DAYS).remove_jobs()
    left = await pool.fetch("SELECT job_id, lease FROM failed_relations")
    assert [tuple(row) for row in left] == [(newest, 2)] * 2


async def test_work_is_done_in_bounded_steps_until_all_is_gone(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_PAGE", "_REMOVE_FAILURES"):
        text = getattr(expiry, name)
        monkeypatch.setattr(
            expiry, name, text.replace("LIMIT 5000", "LIMIT 4").replace("LIMIT 500", "LIMIT 2")
        )
    monkeypatch.setattr(expiry, "_FAILURES_AT_ONCE", 4)
    monkeypatch.setattr(expiry, "_JOBS_AT_ONCE", 2)
    jobs = [await _ended(pool, failures=3) for _ in range(5)]
    removing = JobExpiry(pool, retention=DAYS)
    done = [await removing.remove_jobs() for _ in range(12)]
    assert max(done) <= 4 + 4
    assert await _left(pool) == jobs[-1:]
    assert await pool.fetchval("SELECT count(*) FROM failed_relations") == 3


async def test_the_end_of_a_job_that_is_removed_makes_no_event(pool: Pool) -> None:
    await _ended(pool)
    await _ended(pool)
    before = await pool.fetchval("SELECT count(*) FROM events")
    await JobExpiry(pool, retention=DAYS).remove_jobs()
    assert await pool.fetchval("SELECT count(*) FROM events") == before
