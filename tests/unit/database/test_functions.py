from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from shared.database import functions
from shared.database.functions import functions_file, names_of_functions
from shared.database.migrate import migrate, migrations

BEFORE = functions_file().since - 1
"""The last migration whose functions are those that migrations made."""

_OWNER = """
WITH u AS (INSERT INTO users (username, name) VALUES ('ann', 'Ann') RETURNING id)
INSERT INTO namespaces (kind, owner_id, path, name) SELECT 'user', id, 'ann', 'Ann' FROM u"""
_PROJECT = "INSERT INTO projects (namespace_id, path, name) VALUES (1, 'p', 'p')"
_QUEUE = """INSERT INTO jobs (kind, project_id, correlation_id, max_attempts) VALUES ('export', 1, 'c', 5)
            RETURNING id"""
_FAIL = "UPDATE jobs SET state = 'failed', finished_at = now(), error = 'broken' WHERE id = $1"
_GROUP = "INSERT INTO namespaces (kind, path, name) VALUES ('group', 'g' || $1, 'g')"


@pytest.fixture
async def connection(empty_database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A database as the migrations alone made it, with a project."""
    await migrate(empty_database_url, to=BEFORE)
    async with _connected(empty_database_url) as opened:
        await opened.execute(_OWNER)
        await opened.execute(_PROJECT)
        yield opened


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    opened = await asyncpg.connect(url)
    try:
        yield opened
    finally:
        await opened.close()


async def _functions(connection: asyncpg.Connection[asyncpg.Record]) -> set[str]:
    rows = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
    )
    return {row["proname"] for row in rows}


async def _events(connection: asyncpg.Connection[asyncpg.Record], job: int) -> list[str]:
    rows = await connection.fetch("SELECT name FROM events WHERE job_id = $1 ORDER BY id", job)
    return [row["name"] for row in rows]


def test_later_migrations_make_no_functions() -> None:
    assert not names_of_functions("\n".join(step.up + step.down for step in migrations()[BEFORE:]))


def test_the_file_replaces_what_stands() -> None:
    assert re.findall(r"^CREATE (?!OR REPLACE ).*", functions_file().sql, re.MULTILINE) == []


async def test_the_file_is_all_functions_of_the_newest_schema(
    empty_database_url: str, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    assert await _functions(connection) == names_of_functions("".join(step.up for step in migrations()))
    await migrate(empty_database_url)
    assert await _functions(connection) == names_of_functions(functions_file().sql)


@pytest.mark.parametrize("number", range(BEFORE - 3, BEFORE + 1))
async def test_a_database_with_jobs_is_upgraded_and_taken_back(
    empty_database_url: str, number: int, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    await migrate(empty_database_url, to=number)
    job = await connection.fetchval(_QUEUE)
    await migrate(empty_database_url)
    assert await _events(connection, job) == ["export.queued"]
    await connection.execute(_FAIL, job)
    assert await _events(connection, job) == ["export.queued", "export.failed"]
    await migrate(empty_database_url, to=number)
    assert await _events(connection, await connection.fetchval(_QUEUE)) == ["export.queued"]


@pytest.mark.timeout(120)
async def test_no_event_is_lost_or_doubled_while_services_work_and_functions_are_exchanged(
    empty_database_url: str, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    ended = asyncio.Event()

    async def work() -> list[int]:
        jobs = []
        async with _connected(empty_database_url) as service:
            while not ended.is_set():
                async with service.transaction():
                    await service.execute(_GROUP, uuid4().hex)
                    jobs.append(await service.fetchval(_QUEUE))
                await service.execute(_FAIL, jobs[-1])
        return jobs

    services = [asyncio.create_task(work()) for _ in range(2)]
    for _ in range(3):
        assert (await migrate(empty_database_url)).functions
        assert (await migrate(empty_database_url, to=BEFORE)).steps
    ended.set()
    made = [job for jobs in await asyncio.gather(*services) for job in jobs]
    assert len(made) > 10
    for job in made:
        assert await _events(connection, job) == ["export.queued", "export.failed"]


async def test_a_table_in_use_delays_the_exchange_and_not_the_services(
    empty_database_url: str, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    await migrate(empty_database_url)
    await connection.execute("UPDATE schema_functions SET digest = ''")
    async with _connected(empty_database_url) as service:
        async with connection.transaction():
            await connection.fetchval(_QUEUE)
            migration = asyncio.create_task(migrate(empty_database_url))
            while not await service.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await service.fetchval(_QUEUE, timeout=5)
            assert not migration.done()
        assert (await migration).functions


async def test_a_later_file_may_drop_functions_and_change_their_signatures(
    empty_database_url: str, connection: asyncpg.Connection[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database_url)
    file = functions_file()
    kept = file.sql[: file.sql.index("-- The row of a job goes with its project.")]
    later = kept.replace(
        "failures_of_job(job jobs) RETURNS bigint", "failures_of_job(job jobs) RETURNS numeric"
    )
    with monkeypatch.context() as patch:
        patch.setattr(functions, "functions_file", lambda: replace(file, version=file.version + 1, sql=later))
        assert (await migrate(empty_database_url)).functions
        assert await _functions(connection) == names_of_functions(kept)
        job = await connection.fetchval(_QUEUE)
        await connection.execute(_FAIL, job)
        assert await _events(connection, job) == ["export.queued", "export.failed"]
    assert not (await migrate(empty_database_url)).functions
    await migrate(empty_database_url, to=BEFORE)
    assert (await migrate(empty_database_url)).functions
    assert await _functions(connection) == names_of_functions(file.sql)


@pytest.mark.parametrize(
    ("change", "loads"),
    [
        ("UPDATE schema_functions SET version = version + 1, digest = ''", False),
        ("UPDATE schema_functions SET digest = ''", True),
        ("UPDATE schema_functions SET version = version - 1", True),
        ("INSERT INTO schema_migrations SELECT max(number) + 1, 'newer' FROM schema_migrations", False),
        ("SELECT", False),
    ],
)
async def test_functions_are_loaded_where_they_changed_and_are_not_of_a_newer_version(
    empty_database_url: str, connection: asyncpg.Connection[asyncpg.Record], change: str, *, loads: bool
) -> None:
    await migrate(empty_database_url)
    await connection.execute(change)
    assert (await migrate(empty_database_url)).functions == loads
