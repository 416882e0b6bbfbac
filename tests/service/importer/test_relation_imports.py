from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.errors import CrossdockError, LeaseLost
from shared.jobs import store as jobs
from shared.jobs.progress import Progress
from shared.snapshots import appending, lifecycle
from shared.snapshots.errors import SnapshotGone, SnapshotOutdated
from tests.support.archives import file, packed
from tests.support.interrupted import Interrupted
from tests.support.jobs import claimed
from tests.support.projects import Dock, archive, bundle, files, ndjson, project
from tests.support.waiting import begun_and_waiting

ISSUES = "tree/project/issues.ndjson"


def issue(iid: int, title: str = "t") -> bytes:
    return b'{"iid":%d,"title":"%s"}' % (iid, title.encode())


async def issues_of(dock: Dock) -> list[bytes]:
    return files(await dock.run_export())[ISSUES].splitlines()


async def _die() -> None:
    raise asyncio.CancelledError


async def test_new_records_follow_on_those_that_are_there_and_known_iids_are_skipped(dock: Dock) -> None:
    await dock.run_import(project(issues=ndjson(issue(1, "old"), issue(2))))
    done = await dock.run_relation(project(issues=ndjson(issue(3), issue(1, "new"), issue(4), issue(3))))
    assert done.error is None
    assert await issues_of(dock) == [issue(1, "old"), issue(2), issue(3), issue(4)]
    assert done.progress.relations["issues"].lines == 2


async def test_everything_else_of_the_project_stays_and_no_byte_of_it_is_copied(dock: Dock) -> None:
    before = project(("uploads/s/a.txt", b"a" * 900), ("project.bundle", bundle()), labels=b'{"title":"l"}\n')
    await dock.run_import(before)
    had = files(await dock.run_export())
    await dock.run_relation(project(("uploads/s/b.txt", b"b"), issues=ndjson(issue(1)), labels=b"{}\n"))
    assert files(await dock.run_export()) == had | {ISSUES: issue(1) + b"\n"}
    await dock.collect()
    sizes = await dock.pool.fetch("SELECT size FROM objects WHERE kind = 'pack' ORDER BY id")
    assert len(sizes) == 2
    assert sizes[1]["size"] < 100
    assert files(await dock.run_export())["uploads/s/a.txt"] == b"a" * 900


async def test_the_archive_needs_no_version(dock: Dock) -> None:
    await dock.run_import(project())
    done = await dock.run_relation(archive([(ISSUES, ndjson(issue(1)))]))
    assert done.error is None
    assert await issues_of(dock) == [issue(1)]


async def test_a_relation_the_archive_does_not_have_leaves_the_project_as_it_is(dock: Dock) -> None:
    await dock.run_import(project(issues=ndjson(issue(1))))
    assert (await dock.run_relation(project(), "milestones")).error is None
    assert await issues_of(dock) == [issue(1)]


async def test_a_project_without_content_gets_the_relation(dock: Dock) -> None:
    assert (await dock.run_relation(project(issues=ndjson(issue(7))))).error is None
    assert await issues_of(dock) == [issue(7)]


async def test_records_without_an_iid_cannot_be_known_and_are_added(dock: Dock) -> None:
    await dock.run_import(project(issues=b'{"title":"t"}\n'))
    await dock.run_relation(project(issues=b'{"title":"t"}\n'))
    assert len(await issues_of(dock)) == 2


async def test_what_is_added_begins_on_a_line_of_its_own(dock: Dock) -> None:
    await dock.run_import(project(issues=issue(1)))  # no newline at its end
    await dock.run_relation(project(issues=issue(2)))
    assert await issues_of(dock) == [issue(1), issue(2)]


async def test_a_bad_line_is_a_failed_relation_and_the_rest_goes_in(dock: Dock) -> None:
    done = await dock.run_relation(project(issues=ndjson(issue(1), b"{", issue(2))))
    assert [(failure.relation, failure.line_number) for failure in await dock.failures(done)] == [
        ("issues", 1)
    ]
    assert await issues_of(dock) == [issue(1), issue(2)]


async def test_several_segments_stay_in_order(dock: Dock) -> None:
    lines = [b'{"iid":%d,"title":"t","description":"%s"}' % (n, b"x" * 300_000) for n in range(1, 9)]
    await dock.run_import(project(issues=ndjson(*lines[:5])))
    await dock.run_relation(project(issues=ndjson(*lines[3:])))
    assert await issues_of(dock) == lines


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(packed(file(ISSUES, ndjson(issue(1))))[:-30], id="truncated"),
        pytest.param(packed(file("../x", b"x"), file(ISSUES, ndjson(issue(1)))), id="parent"),
        pytest.param(b"no gzip", id="no gzip"),
    ],
)
async def test_an_unusable_archive_fails_the_job_and_changes_nothing(dock: Dock, hostile: bytes) -> None:
    await dock.run_import(project(issues=ndjson(issue(9))))
    assert (await dock.run_relation(hostile)).error
    assert await issues_of(dock) == [issue(9)]
    await dock.collect()
    assert len(dock.stored("packs")) == 1


async def test_an_attempt_that_was_given_up_is_taken_up_anew(dock: Dock) -> None:
    await dock.run_import(project(issues=ndjson(issue(1))))
    job = await dock.order_relation(project(issues=ndjson(issue(2))))
    lost = await claimed(dock.pool, job)
    await dock.pool.execute("UPDATE jobs SET state = 'queued', lease_expires_at = NULL WHERE id = $1", job.id)
    lease = await claimed(dock.pool, job)
    await dock.relation_importer.run(job, lease, Progress())
    with pytest.raises(CrossdockError):
        await dock.relation_importer.run(job, lost, Progress())
    assert await issues_of(dock) == [issue(1), issue(2)]


@pytest.mark.parametrize("commits", [None, 0], ids=["while reading", "at the pack"])
async def test_an_attempt_that_dies_half_way_leaves_nothing(dock: Dock, commits: int | None) -> None:
    await dock.run_import(project(issues=ndjson(issue(1))))
    job = await dock.order_relation(project(issues=ndjson(issue(1), issue(2))))
    good, dock.store = dock.store, Interrupted(dock, _die, commits=commits)
    lease = await claimed(dock.pool, job)
    with pytest.raises(asyncio.CancelledError):
        await dock.relation_importer.run(job, lease, Progress())
    dock.store = good
    assert await issues_of(dock) == [issue(1)]
    await jobs.retry(dock.pool, lease, code="storage", error="x", delay=timedelta(0))
    assert (await dock.attempt(job)).error is None
    assert await issues_of(dock) == [issue(1), issue(2)]
    await dock.collect()
    assert len(dock.stored("packs")) == 2  # the project's, and that of the attempt that ended well


async def test_content_that_came_meanwhile_is_not_lost(dock: Dock) -> None:
    await dock.run_import(project(issues=ndjson(issue(1))))
    job = await dock.order_relation(project(issues=ndjson(issue(2))))
    lease = await claimed(dock.pool, job)
    async with dock.pool.acquire() as db, db.transaction():
        new = await db.fetchval(
            "INSERT INTO snapshots (project_id, committed_at) VALUES (1, now()) RETURNING id"
        )
        await db.execute("UPDATE projects SET snapshot_id = $1 WHERE id = 1", new)
        running = await begun_and_waiting(db, dock.relation_importer.run(job, lease, Progress()))
    with pytest.raises(SnapshotOutdated) as raised:
        await running
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects WHERE id = 1") == new
    assert raised.value.retryable
    await jobs.retry(dock.pool, lease, code="storage", error="x", delay=timedelta(0))
    assert (await dock.attempt(job)).error is None
    assert await issues_of(dock) == [issue(2)]


async def test_what_a_content_that_is_gone_shared_is_not_taken_for_whole(dock: Dock) -> None:
    await dock.run_import(project())
    lease = await claimed(dock.pool, await dock.order_relation(project()))
    mine = await lifecycle.open_snapshot(dock.pool, lease, project_id=1)
    with pytest.raises(SnapshotGone):
        await appending.share(dock.pool, lease, base=10**6, snapshot_id=mine, but=[ISSUES])


async def test_who_has_lost_the_job_shares_nothing(dock: Dock) -> None:
    await dock.run_import(project())
    lease = await claimed(dock.pool, await dock.order_relation(project()))
    base = await lifecycle.current(dock.pool, 1)
    assert base is not None
    mine = await lifecycle.open_snapshot(dock.pool, lease, project_id=1)
    await dock.pool.execute("DELETE FROM snapshots WHERE id = $1", mine)
    with pytest.raises(LeaseLost):
        await appending.share(dock.pool, lease, base=base, snapshot_id=mine, but=[ISSUES])


async def test_null_lines_stay_and_none_are_added(dock: Dock) -> None:
    await dock.run_import(project(issues=b"null\n" + ndjson(issue(1))))
    await dock.run_relation(project(issues=b"null\n" + ndjson(issue(2))))
    assert await issues_of(dock) == [b"null", issue(1), issue(2)]


async def test_iids_too_far_apart_fail_the_job_and_change_nothing(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.gitlab.iids.MOST_PAGES", 1)
    await dock.run_import(project(issues=ndjson(issue(1))))
    assert (await dock.run_relation(project(issues=ndjson(issue(10**9))))).error
    assert await issues_of(dock) == [issue(1)]
