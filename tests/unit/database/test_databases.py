"""What tests may count on: a database that another test had before tells nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest

from shared.database.migrate import migrate
from tests.support.databases import MigratedDatabase, migrated_databases
from tests.support.jobs import migrated, queued
from tests.support.postgres import PostgresServer


@pytest.fixture
def lending(postgres_server: PostgresServer) -> Iterator[MigratedDatabase]:
    with migrated_databases(postgres_server) as lending:
        yield lending


async def test_rows_are_gone_and_numbers_begin_anew(lending: MigratedDatabase) -> None:
    for _ in range(2):
        async with lending.lent() as url, migrated(url) as pool:
            assert (await queued(pool)).id == 1
            assert await pool.fetchval("SELECT count(*) FROM jobs") == 1


async def test_what_is_still_connected_is_ended_with_its_locks(lending: MigratedDatabase) -> None:
    async with lending.lent() as url:
        left = await asyncpg.connect(url)
        await left.execute("SELECT pg_advisory_lock(1)")
    async with lending.lent() as again, migrated(again) as pool:
        assert again == url
        assert await pool.fetchval("SELECT pg_try_advisory_lock(1)")
    assert left.is_closed()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE jobs RENAME TO gone",
        "ALTER TABLE jobs ADD COLUMN more integer",
        "ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check",
        "ALTER TABLE jobs DISABLE TRIGGER ALL",
        "DROP TABLE events CASCADE",
        "CREATE INDEX ON jobs (attempt)",
        "CREATE FUNCTION more() RETURNS integer LANGUAGE sql RETURN 1",
    ],
)
async def test_a_changed_schema_is_not_lent_again(lending: MigratedDatabase, change: str) -> None:
    async with lending.lent() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(change)
        await connection.close()
    async with lending.lent() as again:
        assert again != url
        assert (await migrate(again)).steps == []
