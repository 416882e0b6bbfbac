from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.errors import LeaseLost, StorageError
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Progress
from shared.storage.filesystem import FilesystemStore
from tests.support.interrupted import Interrupted
from tests.support.jobs import claimed, state_of
from tests.support.projects import MINIMAL, Dock, Imported, archive, files, ndjson, project

LINES = ndjson(*(b'{"title":"%d"}' % n if n % 3 else b"bad" for n in range(3000)))
PACKED = archive(
    [
        *MINIMAL,
        ("tree/project/issues.ndjson", LINES),
        *((f"uploads/{n}", b"%d" % n) for n in range(1500)),
        ("z/large", b"z" * 5000),
    ]
)
KEPT = sum(n % 3 != 0 for n in range(3000))


async def _run(dock: Dock, job: Job, lease: Lease) -> None:
    await dock.importer.run(job, lease, Progress())


async def _lose(dock: Dock, job: Job) -> None:
    """What the sweeper does with an expired lease."""
    await dock.pool.execute("UPDATE jobs SET state = 'queued', lease_expires_at = NULL WHERE id = $1", job.id)


async def _die() -> None:
    raise asyncio.CancelledError


async def _break() -> None:
    raise StorageError("the store went away")


async def _is_untouched(dock: Dock) -> bool:
    return (
        await dock.pool.fetchval("SELECT snapshot_id IS NULL AND description IS NULL FROM projects") is True
    )


async def _one_result(dock: Dock, job: Job) -> None:
    """The job is finished, once: one snapshot, each failure once, no object too many."""
    found = await jobs.find(dock.pool, job.id)
    assert found
    assert found.state.value == "finished"
    assert len(await dock.snapshots()) == 1
    failures = await dock.failures(Imported(found, Progress(), None))
    assert [failure.line_number for failure in failures] == list(range(0, 3000, 3))
    await dock.collect()
    assert [key.partition("/")[0] for key in dock.stored()] == ["blobs", "packs"]
    out = files(await dock.run_export())
    assert out["z/large"] == b"z" * 5000
    assert out["tree/project/issues.ndjson"].count(b"\n") == KEPT
    assert sum(name.startswith("uploads/") for name in out) == 1500


@pytest.mark.parametrize("commits", [None, 1, 0], ids=["while reading", "at the blob", "at the pack"])
async def test_an_attempt_that_dies_half_way_leaves_nothing_twice(dock: Dock, commits: int | None) -> None:
    job = await dock.order_import(PACKED)
    good, dock.store = dock.store, Interrupted(dock, _die, commits=commits)
    lease = await claimed(dock.pool, job)
    with pytest.raises(asyncio.CancelledError):
        await _run(dock, job, lease)
    assert await dock.pool.fetchval("SELECT count(*) FROM failed_relations") > 0
    assert await _is_untouched(dock)
    dock.store = good
    await _lose(dock, job)
    await _run(dock, job, await claimed(dock.pool, job))
    await _one_result(dock, job)


@pytest.mark.parametrize("commits", [None, 1, 0], ids=["while reading", "at the blob", "at the pack"])
async def test_a_storage_error_passes_as_it_is_and_a_retry_helps(dock: Dock, commits: int | None) -> None:
    job = await dock.order_import(PACKED)
    good, dock.store = dock.store, Interrupted(dock, _break, commits=commits)
    lease = await claimed(dock.pool, job)
    with pytest.raises(StorageError) as raised:
        await _run(dock, job, lease)
    assert raised.value.retryable
    assert asyncio.all_tasks() == {asyncio.current_task()}  # no upload is kept any more
    assert await _is_untouched(dock)
    dock.store = good
    await jobs.retry(dock.pool, lease, code="storage", error="x", delay=timedelta(0))
    await _run(dock, job, await claimed(dock.pool, job))
    await _one_result(dock, job)


async def test_a_lease_lost_on_the_way_stops_without_effect(dock: Dock) -> None:
    job = await dock.order_import(PACKED, override_params={"description": "mine"})

    async def lose() -> None:
        await _lose(dock, job)

    dock.store = Interrupted(dock, lose)
    lease = await claimed(dock.pool, job)
    with pytest.raises(LeaseLost):
        await _run(dock, job, lease)
    assert await _is_untouched(dock)
    assert await state_of(dock.pool, job.id) == "queued"


@pytest.mark.parametrize("commits", [None, 1, 0], ids=["while reading", "at the blob", "at the pack"])
async def test_a_worker_that_was_overtaken_changes_nothing(dock: Dock, commits: int | None) -> None:
    job = await dock.order_import(PACKED)
    good = dock.store

    async def overtake() -> None:
        await _lose(dock, job)
        late, dock.store = dock.store, good
        await _run(dock, job, await claimed(dock.pool, job))
        dock.store = late

    lease = await claimed(dock.pool, job)
    dock.store = Interrupted(dock, overtake, commits=commits)
    with pytest.raises(LeaseLost):
        await _run(dock, job, lease)
    dock.store = good
    await _one_result(dock, job)


async def test_a_canceled_import_stops_without_effect(dock: Dock) -> None:
    job = await dock.order_import(PACKED)

    async def cancel() -> None:
        await jobs.cancel(dock.pool, job.id)

    dock.store = Interrupted(dock, cancel)
    lease = await claimed(dock.pool, job)
    with pytest.raises(LeaseLost):
        await _run(dock, job, lease)
    dock.store = FilesystemStore(dock.root)
    await dock.collect()
    assert await _is_untouched(dock)
    assert (await dock.snapshots(), dock.stored()) == ([], [])


async def test_a_broken_archive_leaves_what_was_there(dock: Dock) -> None:
    await dock.run_import(project(("uploads/old", b"1")))
    before = await dock.run_export()
    for packed in (PACKED[:-1], PACKED[: len(PACKED) // 2], PACKED[:-8] + bytes(8), PACKED + b"x"):
        imported = await dock.run_import(packed)
        assert imported.error
        assert not imported.job.error or imported.job.state.value == "failed"
    assert files(await dock.run_export()) == files(before)
    await dock.collect()
    assert len(await dock.snapshots()) == 1


async def test_an_import_of_the_same_project_again_takes_its_place(dock: Dock) -> None:
    await dock.run_import(project(("a", b"1")))
    await dock.run_import(project(("b", b"2" * 3000)))
    await dock.collect()
    assert len(await dock.snapshots()) == 1
    assert [key.partition("/")[0] for key in dock.stored()] == ["blobs", "packs"]
    out = files(await dock.run_export())
    assert "a" not in out
    assert out["b"] == b"2" * 3000
