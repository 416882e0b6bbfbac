"""Overwrites of one path that meet each other, or changes of their target: in lock step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.database.pool import Connection, Pool
from shared.errors import LeaseLost
from shared.jobs import store as jobs
from shared.jobs.models import Job
from shared.jobs.progress import Progress
from shared.projects import changes, content, store
from shared.projects.changes import ProjectChanges
from shared.projects.overwrites import OverwriteExpiry
from tests.support.jobs import claimed
from tests.support.projects import Dock, files, project
from tests.support.waiting import until_row

HALF_HOUR = timedelta(minutes=30)
BLOCKED = "SELECT true FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
AGED = "UPDATE jobs SET finished_at = finished_at - interval '31 minutes'"


async def _temporary(dock: Dock, path: str = "p") -> int:
    return await dock.add_project(f"{path}-{uuid4().hex}")


async def _overwrite(dock: Dock, name: str) -> Job:
    """Order an import that is to take the place of ann/p."""
    new = await _temporary(dock)
    return await dock.order_import(project((name, name.encode())), project_id=new, replaces="ann/p")


async def _paths(pool: Pool) -> list[str]:
    return [row["path"] for row in await pool.fetch("SELECT path FROM projects ORDER BY id")]


async def _content_of_place(dock: Dock) -> dict[str, bytes]:
    number = await dock.pool.fetchval("SELECT id FROM projects WHERE path = 'p'")
    return files(await dock.run_export(project_id=number))


@asynccontextmanager
async def _held_open(pool: Pool, change: Callable[[Connection], Awaitable[object]]) -> AsyncIterator[None]:
    """Make a change in a transaction; once somebody waits for it, the block has ended and it is committed."""
    async with pool.acquire() as db, db.transaction():
        await change(db)
        yield
        await until_row(pool, BLOCKED)


async def test_two_overwrites_that_commit_at_once_take_place_one_after_the_other(dock: Dock) -> None:
    await dock.run_import(project(("old", b"o")))
    first, second = await _overwrite(dock, "first"), await _overwrite(dock, "second")
    lease = await claimed(dock.pool, second)

    async def take(db: Connection) -> None:
        await jobs.hold(db, await claimed(db, first))
        await content.take_place(db, first.project_id, path="p", user_id=1)

    async with _held_open(dock.pool, take):
        running = asyncio.create_task(dock.importer.run(second, lease, Progress()))
    await running

    assert await _paths(dock.pool) == ["p"]
    assert "second" in await _content_of_place(dock)


@pytest.mark.parametrize("count", [2, 5])
async def test_of_overwrites_at_once_the_last_one_stands_and_none_is_left(dock: Dock, count: int) -> None:
    await dock.run_import(project(("old", b"o")))
    ordered = [await _overwrite(dock, f"new{number}") for number in range(count)]
    leases = [await claimed(dock.pool, job) for job in ordered]

    await asyncio.gather(
        *(dock.importer.run(job, lease, Progress()) for job, lease in zip(ordered, leases, strict=True))
    )

    assert await _paths(dock.pool) == ["p"]
    ends = await dock.pool.fetch("SELECT job_id FROM events WHERE name = 'import.finished' ORDER BY id")
    assert {row["job_id"] for row in ends} >= {job.id for job in ordered}
    last = await dock.pool.fetchval("SELECT max(id) FROM projects")
    assert last == ordered[[job.id for job in ordered].index(ends[-1]["job_id"])].project_id


async def test_an_overwrite_takes_the_path_of_a_project_that_was_deleted_meanwhile(dock: Dock) -> None:
    job = await _overwrite(dock, "new")
    lease = await claimed(dock.pool, job)
    async with _held_open(dock.pool, lambda db: store.delete(db, 1)):
        running = asyncio.create_task(dock.importer.run(job, lease, Progress()))
    await running
    assert await _paths(dock.pool) == ["p"]
    assert await dock.pool.fetchval("SELECT name FROM projects") == "p"


async def test_a_project_that_is_renamed_while_it_is_overwritten_keeps_its_content(dock: Dock) -> None:
    await dock.run_import(project(("old", b"o")))
    job = await _overwrite(dock, "new")
    lease = await claimed(dock.pool, job)
    async with _held_open(dock.pool, lambda db: changes.change(db, 1, ProjectChanges(name="q", path="q"))):
        running = asyncio.create_task(dock.importer.run(job, lease, Progress()))
    await running
    assert await _paths(dock.pool) == ["q", "p"]
    assert "old" in files(await dock.run_export())
    assert "new" in await _content_of_place(dock)


async def test_a_change_of_its_target_and_an_overwrite_are_no_deadlock(dock: Dock) -> None:
    job = await _overwrite(dock, "new")
    lease = await claimed(dock.pool, job)

    async def describe() -> None:
        async with dock.pool.acquire() as db, db.transaction():
            await changes.change(db, 1, ProjectChanges(description="x"))

    async with dock.pool.acquire() as db, db.transaction():
        assert await store.lock(db, 1)
        changing = asyncio.create_task(describe())
        await until_row(dock.pool, BLOCKED)
        running = asyncio.create_task(dock.importer.run(job, lease, Progress()))
        await until_row(dock.pool, f"{BLOCKED} OFFSET 1")
    await changing
    await running
    assert await _paths(dock.pool) == ["p"]


async def test_an_overwrite_waits_for_a_job_of_its_target_that_is_about_to_end(dock: Dock) -> None:
    ended = await dock.order_import(project(("old", b"o")))
    ending = await claimed(dock.pool, ended)
    job = await _overwrite(dock, "new")
    lease = await claimed(dock.pool, job)

    async with dock.pool.acquire() as db, db.transaction():
        await jobs.hold(db, ending)
        running = asyncio.create_task(dock.importer.run(job, lease, Progress()))
        await until_row(dock.pool, BLOCKED)
        await store.lock(db, 1)  # a deadlock, if the overwrite had locked the project
        await jobs.finish(db, ending, progress={})
    await running
    assert await _paths(dock.pool) == ["p"]


async def test_a_delete_waits_for_a_job_that_is_about_to_end(dock: Dock) -> None:
    ending = await claimed(dock.pool, await dock.order_import(project()))
    async with dock.pool.acquire() as db, db.transaction():
        await jobs.hold(db, ending)
        deleting = asyncio.create_task(store.delete(dock.pool, 1))
        await until_row(dock.pool, BLOCKED)
        await store.lock(db, 1)
        await jobs.finish(db, ending, progress={})
    await deleting
    assert await _paths(dock.pool) == []


async def test_an_overwrite_whose_path_a_group_has_taken_fails_and_says_so(dock: Dock) -> None:
    await dock.pool.execute(
        "INSERT INTO namespaces (kind, path, name, full_path, full_name) VALUES ('group', 'g', 'g', '', '')"
    )
    await dock.pool.execute("UPDATE projects SET namespace_id = 2, path = 'p-' || repeat('0', 32)")
    await dock.pool.execute(
        """INSERT INTO namespaces (kind, parent_id, path, name, full_path, full_name)
           VALUES ('group', 2, 'p', 'p', '', '')"""
    )
    imported = await dock.run_import(project(), replaces="g/p")
    assert imported.error is not None
    assert imported.error.endswith(" - Path has already been taken")


async def test_a_job_that_overwrites_ends_the_jobs_of_its_target_and_they_say_so(dock: Dock) -> None:
    slow = await dock.order_import(project(("slow", b"s")))
    slow_lease = await claimed(dock.pool, slow)
    await dock.attempt(await _overwrite(dock, "new"))

    with pytest.raises(LeaseLost):
        await dock.importer.run(slow, slow_lease, Progress())

    word = await dock.pool.fetchrow(
        "SELECT name, data FROM events WHERE job_id = $1 ORDER BY id DESC", slow.id
    )
    assert word is not None
    assert (word["name"], word["data"]["error_code"]) == ("import.canceled", "project_deleted")


async def _end(dock: Dock, job: Job, end: str) -> None:
    if end != "canceled in the queue":
        lease = await claimed(dock.pool, job)
    if end == "failed":
        await jobs.fail(dock.pool, lease, error="x", code="storage")
    else:
        assert await jobs.cancel(dock.pool, job.id)


@pytest.mark.parametrize("end", ["failed", "canceled", "canceled in the queue"])
async def test_the_project_of_an_overwrite_that_did_not_take_place_goes_after_a_while(
    dock: Dock, end: str
) -> None:
    await _end(dock, await _overwrite(dock, "new"), end)
    expiry = OverwriteExpiry(dock.pool, kept=HALF_HOUR)
    assert await expiry.delete_left() == 0
    await dock.pool.execute(AGED)
    assert await expiry.delete_left() == 1
    assert await _paths(dock.pool) == ["p"]
    await dock.collect()
    assert dock.stored() == []


KEPT = {
    "it has content": "UPDATE projects SET snapshot_id = (SELECT min(id) FROM snapshots) WHERE id = 2",
    "it was renamed": "UPDATE projects SET path = 'mine' WHERE id = 2",
    "it is tried again": """INSERT INTO jobs (kind, project_id, correlation_id, max_attempts)
                            VALUES ('import', 2, 'c', 5)""",
    "it was to overwrite nothing": "UPDATE jobs SET payload = payload - 'replaces' WHERE project_id = 2",
}


@pytest.mark.parametrize("why", KEPT)
async def test_a_project_that_is_something_else_by_now_stays(dock: Dock, why: str) -> None:
    await dock.run_import(project(("old", b"o")))
    await _end(dock, await _overwrite(dock, "new"), "failed")
    await dock.pool.execute(AGED)
    await dock.pool.execute(KEPT[why])
    assert await OverwriteExpiry(dock.pool, kept=HALF_HOUR).delete_left() == 0
    assert len(await _paths(dock.pool)) == 2


async def test_a_retry_that_comes_first_keeps_the_project(dock: Dock) -> None:
    job = await _overwrite(dock, "new")
    await _end(dock, job, "failed")
    await dock.pool.execute(AGED)
    async with dock.pool.acquire() as db, db.transaction():
        assert await store.lock(db, job.project_id)
        assert await OverwriteExpiry(dock.pool, kept=HALF_HOUR).delete_left() == 0
    assert len(await _paths(dock.pool)) == 2
