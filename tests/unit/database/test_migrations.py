from __future__ import annotations

import asyncio

import asyncpg

from shared.database.migrate import migrate, migrations
from shared.jobs import store
from shared.jobs.models import (
    GitHubOrder,
    ImportOrder,
    JobKind,
    PeerOrder,
    RemoteSource,
    SourceForm,
    UploadOrder,
    UploadTarget,
)
from tests.support.jobs import migrated, queued

_CATALOGUE = """
SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name NOT LIKE 'schema_%'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE 'schema_%'
UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'schema_%'
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1
"""


async def _catalogue(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(_CATALOGUE)]
    finally:
        await connection.close()


def test_no_two_migrations_have_one_number() -> None:
    numbers = [step.number for step in migrations()]
    assert numbers == sorted(set(numbers))


async def test_each_step_of_the_stairway_can_be_taken_back_and_taken_again(empty_database_url: str) -> None:
    await migrate(empty_database_url, to=0)
    below = 0
    for step in migrations():
        before = await _catalogue(empty_database_url)
        assert (await migrate(empty_database_url, to=step.number)).steps == [step.number]
        above = await _catalogue(empty_database_url)
        assert above != before
        assert (await migrate(empty_database_url, to=below)).steps == [step.number]
        assert await _catalogue(empty_database_url) == before
        assert (await migrate(empty_database_url, to=step.number)).steps == [step.number]
        assert await _catalogue(empty_database_url) == above
        below = step.number


async def test_services_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    reports = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(len(report.steps) for report in reports) == [0, 0, 0, len(migrations())]
    assert sorted(report.functions for report in reports) == [False, False, False, True]


async def test_on_the_way_down_an_upload_that_is_open_becomes_an_export_with_that_upload(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url)
    async with migrated(empty_database_url) as pool:
        order = UploadOrder(upload=UploadTarget(url="sealed"))
        export = await queued(pool)
        for _ in range(2):
            await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c", parent_id=export.id)
        await store.cancel(pool, export.id + 1)

        await migrate(empty_database_url, to=60)

        left = await pool.fetch("SELECT id, kind, payload #>> '{upload,url}' AS url FROM jobs ORDER BY id")
    kept = [(export.id, "export", None), (export.id + 2, "export", "sealed")]
    assert [tuple(row) for row in left] == kept


async def test_a_queued_import_from_elsewhere_stays_an_import_on_the_way_up_and_becomes_one_on_the_way_down(
    empty_database_url: str,
) -> None:
    order = ImportOrder(source=RemoteSource(url="sealed"))
    read = "SELECT kind, state, published_at, payload #>> '{source,url}' FROM jobs ORDER BY id"
    queued_import = ("import", "queued", None, "sealed")
    await migrate(empty_database_url)
    async with migrated(empty_database_url) as pool:
        await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c")
        await pool.execute("UPDATE jobs SET published_at = now()")

        await migrate(empty_database_url, to=62)
        assert [tuple(row) for row in await pool.fetch(read)] == [queued_import]

        await migrate(empty_database_url)
        await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c")
        left = [tuple(row) for row in await pool.fetch(read)]
    assert left == [queued_import, ("remote_import", "queued", None, "sealed")]


async def test_a_small_import_that_is_queued_becomes_an_import_on_the_way_down(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url)
    async with migrated(empty_database_url) as pool:
        await store.enqueue(pool, ImportOrder(), project_id=1, user_id=1, correlation_id="c")
        await pool.execute("UPDATE jobs SET kind = 'small_import', published_at = now()")

        await migrate(empty_database_url, to=72)

        row = await pool.fetchrow("SELECT kind, state, published_at FROM jobs")
    assert row is not None
    assert tuple(row) == ("import", "queued", None)


async def test_a_git_import_that_is_queued_becomes_a_remote_one_on_the_way_down(
    empty_database_url: str,
) -> None:
    order = ImportOrder(source=RemoteSource(url="sealed", form=SourceForm.GIT))
    await migrate(empty_database_url)
    async with migrated(empty_database_url) as pool:
        job = await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c")
        await pool.execute("UPDATE jobs SET published_at = now()")

        await migrate(empty_database_url, to=82)

        row = await pool.fetchrow("SELECT kind, state, published_at FROM jobs")
    assert job.kind is JobKind.GIT_IMPORT
    assert row is not None
    assert tuple(row) == ("remote_import", "queued", None)


async def test_a_github_import_that_is_queued_becomes_one_of_git_that_can_be_read_on_the_way_down(
    empty_database_url: str,
) -> None:
    order = ImportOrder(
        source=RemoteSource(url="sealed", form=SourceForm.GITHUB),
        github=GitHubOrder(full_name="octo/hello", repository_id=7),
    )
    await migrate(empty_database_url)
    async with migrated(empty_database_url) as pool:
        job = await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c")
        await pool.execute("UPDATE jobs SET published_at = now()")

        await migrate(empty_database_url, to=83)

        row = await pool.fetchrow("SELECT kind, state, published_at, payload #>> '{source,form}' FROM jobs")
    assert job.kind is JobKind.GITHUB_IMPORT
    assert row is not None
    assert tuple(row) == ("git_import", "queued", None, "git")


async def test_an_import_from_a_peer_becomes_one_that_can_be_read_on_the_way_down(
    empty_database_url: str,
) -> None:
    order = ImportOrder(
        source=RemoteSource(url="sealed", form=SourceForm.PEER),
        peer=PeerOrder(full_path="acme/one", project_id=7),
    )
    await migrate(empty_database_url)
    async with migrated(empty_database_url) as pool:
        job = await store.enqueue(pool, order, project_id=1, user_id=1, correlation_id="c")
        await pool.execute("UPDATE jobs SET published_at = now()")

        await migrate(empty_database_url, to=94)

        row = await pool.fetchrow("SELECT kind, state, published_at, payload #>> '{source,form}' FROM jobs")
    assert job.kind is JobKind.PEER_IMPORT
    assert row is not None
    assert tuple(row) == ("git_import", "queued", None, "git")
