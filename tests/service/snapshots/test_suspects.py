"""The collector looks at what may be garbage, and at nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.database.pool import Pool, database
from shared.ledger import objects, suspects
from shared.ledger.collector import Collector
from shared.storage.filesystem import FilesystemStore
from tests.support.jobs import migrated

NOW = timedelta(0)
MANY = 3000
_READ = """SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_user_tables
           WHERE relname IN ('objects', 'entries', 'runs', 'archives', 'suspects')"""


@pytest.fixture
async def single(database_url: str) -> AsyncIterator[Pool]:
    """A pool of one connection, whose own work Postgres' statistics show once it is asked to write them."""
    async with migrated(database_url), database(database_url, size=1) as pool:
        yield pool


async def _store(pool: Pool, *, referred: int) -> None:
    """Make stored blobs that a snapshot refers to."""
    await pool.execute("INSERT INTO snapshots DEFAULT VALUES")
    await pool.execute(
        """WITH made AS (INSERT INTO objects (key, kind, state, size)
                         SELECT 'blobs/' || n, 'blob', 'stored', 1 FROM generate_series(1, $1) n RETURNING id)
           INSERT INTO entries (snapshot_id, name, kind, mtime, object_id, raw_size)
           SELECT 1, 'uploads/' || id, 'blob', 0, id, 1 FROM made""",
        referred,
    )
    await pool.execute("ANALYZE")


async def _rows_read(pool: Pool, collector: Collector) -> int:
    """Collect, and give how many rows were read for that."""
    await pool.execute("SELECT pg_stat_force_next_flush()")
    before: int = await pool.fetchval(_READ)
    await collector.collect_objects()
    await pool.execute("SELECT pg_stat_force_next_flush()")
    after: int = await pool.fetchval(_READ)
    return after - before


async def test_what_is_stored_and_referred_to_costs_a_round_nothing(
    single: Pool, store: FilesystemStore
) -> None:
    collector = Collector(single, store, grace=NOW)
    await _store(single, referred=MANY)
    assert await _rows_read(single, collector) >= MANY  # each is looked at once, as it is new
    assert await _rows_read(single, collector) == 0


async def test_a_round_costs_as_much_as_there_is_garbage(single: Pool, store: FilesystemStore) -> None:
    collector = Collector(single, store, grace=NOW)
    await _store(single, referred=MANY)
    await collector.collect_objects()
    await single.execute("DELETE FROM entries WHERE name IN ('uploads/5', 'uploads/7')")
    assert 0 < await _rows_read(single, collector) < 100
    assert await single.fetchval("SELECT count(*) FROM objects") == MANY - 2


async def test_suspects_that_are_due_are_found_by_an_index(single: Pool) -> None:
    await single.execute(
        """INSERT INTO suspects (object_id, due_at)
           SELECT n, now() + interval '1 h' FROM generate_series(1, $1) n""",
        MANY,
    )
    await single.execute("ANALYZE suspects")
    plan = "\n".join(row[0] for row in await single.fetch(f"EXPLAIN {suspects.TAKE}"))
    assert "Index Scan using suspects_due" in plan


GOES = {
    "an entry": "DELETE FROM entries",
    "a snapshot": "DELETE FROM snapshots",
    "a run": "DELETE FROM runs",
    "an archive": "DELETE FROM archives",
    "the job of an archive": "DELETE FROM jobs",
    "the project of an archive": "DELETE FROM projects",
}
_NAMED_BY = {
    "an entry": """INSERT INTO entries (snapshot_id, name, kind, mtime, object_id, raw_size)
                   VALUES (1, 'uploads/1', 'blob', 0, 1, 1)""",
    "a run": """INSERT INTO runs (snapshot_id, start, lead, object_id, position, size, raw_size, crc32)
                VALUES (1, 0, '', 1, 0, 1, 1, 0)""",
    "an archive": """WITH job AS (INSERT INTO jobs (kind, project_id, correlation_id, max_attempts)
                                  VALUES ('export', 1, 'c', 5) RETURNING id)
                     INSERT INTO archives
                         (project_id, user_id, job_id, object_id, file_name, size, expires_at)
                     SELECT 1, 1, id, 1, 'a', 1, now() + interval '1 h' FROM job""",
}
_NAMED_BY |= {
    "a snapshot": _NAMED_BY["an entry"],
    "the job of an archive": _NAMED_BY["an archive"],
    "the project of an archive": _NAMED_BY["an archive"],
}


@pytest.mark.parametrize("reference", GOES)
async def test_an_object_that_was_settled_is_looked_at_again_when_its_reference_goes(
    pool: Pool, store: FilesystemStore, reference: str
) -> None:
    collector = Collector(pool, store, grace=NOW)
    await pool.execute("INSERT INTO snapshots (project_id) VALUES (1)")
    await objects.register(pool, kind="pack")
    await pool.execute(_NAMED_BY[reference])
    for _ in range(3):
        assert await collector.collect_objects() == 0
    assert await pool.fetchval("SELECT count(*) FROM suspects") == 0

    await pool.execute(GOES[reference])

    assert await collector.collect_objects() == 1
    assert await pool.fetchval("SELECT count(*) FROM objects") == 0


async def test_a_reference_that_goes_while_the_collector_looks_is_seen_the_next_time(
    pool: Pool, store: FilesystemStore
) -> None:
    await _store(pool, referred=1)
    async with pool.acquire() as deleting, deleting.transaction():
        await deleting.execute("DELETE FROM entries")
        async with pool.acquire() as db, db.transaction():
            assert (await suspects.look(db, grace=NOW)).count == 1  # it sees the entry
    assert await Collector(pool, store, grace=NOW).collect_objects() == 1


async def test_what_the_collector_looked_at_in_vain_stays_suspect(pool: Pool) -> None:
    await objects.register(pool, kind="upload")

    async def look_and_die() -> None:
        async with pool.acquire() as db, db.transaction():
            assert (await suspects.look(db, grace=NOW)).count == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await look_and_die()
    assert await pool.fetchval("SELECT count(*) FROM suspects") == 1


async def test_an_upload_is_suspect_for_as_long_as_its_job_alone_refers_to_it(
    pool: Pool, store: FilesystemStore
) -> None:
    upload = await objects.register(pool, kind="upload")
    await pool.execute(
        """INSERT INTO jobs (kind, project_id, correlation_id, max_attempts, object_id)
           VALUES ('import', 1, 'c', 5, $1)""",
        upload.id,
    )
    collector = Collector(pool, store, grace=NOW)
    for _ in range(3):
        assert await collector.collect_objects() == 0
    await pool.execute("UPDATE jobs SET state = 'failed', finished_at = now() - interval '25 hours'")
    assert await collector.collect_objects() == 1


async def test_new_suspects_are_many_looks_and_one_round(pool: Pool, store: FilesystemStore) -> None:
    await _store(pool, referred=2 * suspects.AT_ONCE + 1)
    await Collector(pool, store, grace=NOW).collect_objects()
    assert await pool.fetchval("SELECT count(*) FROM suspects") == 0
