from __future__ import annotations

import asyncpg
import pytest

from shared.database.outages import DATABASE_ERRORS, is_outage
from shared.database.pool import Pool, database

_ADD = "INSERT INTO things DEFAULT VALUES RETURNING *"


async def _add(pool: Pool) -> asyncpg.Record | None:
    async with pool.acquire() as connection, connection.transaction():
        return await connection.fetchrow(_ADD)


async def test_a_statement_that_a_migration_made_stale_fails_once_and_passes(database_url: str) -> None:
    async with database(database_url, size=1) as pool:
        await pool.execute("CREATE TABLE things (id integer DEFAULT 1)")
        await _add(pool)
        await pool.execute("ALTER TABLE things ADD COLUMN name text")
        with pytest.raises(asyncpg.PostgresError) as stale:
            await _add(pool)
        assert is_outage(stale.value)
        assert dict(await _add(pool) or {}) == {"id": 1, "name": None}


def test_a_connection_that_is_cut_while_it_is_cleaned_up_is_an_outage() -> None:
    """asyncpg's own class for it has no base among its others; unknown, it ended the process."""
    error = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert isinstance(error, DATABASE_ERRORS)
    assert is_outage(error)
