from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.exporter.exporter import UserGone
from shared.assembly.blocks import BlockCorrupt
from shared.errors import CrossdockError, LeaseLost, ObjectMissing
from shared.exports import archives
from shared.jobs import store as jobs
from shared.jobs.progress import Progress
from shared.settings.application import ApplicationSettings
from shared.storage.base import ObjectInfo
from shared.storage.filesystem import FilesystemStore
from tests.support.contents import assert_accepted_by_gnu
from tests.support.counting import flip
from tests.support.jobs import claimed, state_of
from tests.support.projects import MINIMAL, Dock, archive, files, members, ndjson, project

RICH = archive(
    [
        ("uploads/empty/", b""),
        ("tree/project/issues.ndjson", ndjson(b'{"title":"a"}', b'{"title":"b"}')),
        ("uploads/z", b"large" * 1000),
        ("uploads/a-b", b""),
        ("tree/project/auto_devops.ndjson", b"null"),
        ("uploads/a/b", b"small"),
        ("lfs-objects.json", b"{}"),
        ("tree/project/labels.ndjson", b""),
        ("GITLAB_VERSION", b"18.9.0"),
        ("GITLAB_REVISION", b"0123456789a"),
        ("tree/project.json", b'{ "description" : "D", "x": 1.50 }\n'),
        ("VERSION", b"0.2.4\n"),
    ]
)


async def test_one_snapshot_gives_the_same_bytes_every_time(dock: Dock) -> None:
    await dock.run_import(RICH)
    first = await dock.run_export()
    assert await dock.run_export() == first
    assert (await dock.run_import(first, project_id=await dock.add_project("q"))).error is None
    assert await dock.run_export(project_id=2) == first


async def test_entries_come_after_the_head_in_the_order_in_which_they_came(dock: Dock) -> None:
    await dock.run_import(RICH)
    exported = await dock.run_export()
    assert list(files(exported)) == [
        "./", "VERSION", "tree/project.json", "uploads/empty/", "tree/project/issues.ndjson", "uploads/z",
        "uploads/a-b", "tree/project/auto_devops.ndjson", "uploads/a/b", "lfs-objects.json",
        "tree/project/labels.ndjson", "GITLAB_VERSION", "GITLAB_REVISION",
    ]  # fmt: skip
    (dock.root / "out").write_bytes(exported)
    assert len(assert_accepted_by_gnu(dock.root / "out")) == 13


async def test_headers_are_those_of_gitlab(dock: Dock) -> None:
    await dock.run_import(RICH)
    for member in members(await dock.run_export()):
        assert (member.uname, member.gname) == ("git", "git")
        assert member.mode == (0o700 if member.isdir() else 0o644)
        assert (member.name + "/").startswith("./")


async def test_the_version_is_ours_and_the_rest_as_it_came(dock: Dock) -> None:
    await dock.run_import(RICH)
    after = files(await dock.run_export())
    assert after.pop("VERSION") == b"0.2.4"
    assert {name: after.get(name, b"") for name in files(RICH) if name != "VERSION"} == {
        name: data for name, data in files(RICH).items() if name != "VERSION"
    }


async def test_a_description_of_the_order_wins_and_is_gone_after_it(dock: Dock) -> None:
    await dock.run_import(RICH, override_params={"description": "override", "jobs_enabled": False})
    document = files(await dock.run_export(description="<order>"))["tree/project.json"]
    assert document == b'{"description":"\\u003corder\\u003e","x":1.50,"jobs_enabled":false}'
    document = files(await dock.run_export())["tree/project.json"]
    assert document == b'{"description":"override","x":1.50,"jobs_enabled":false}'
    assert json.loads(document)["description"] == "override"


async def test_a_project_without_content_is_an_archive_that_can_be_imported(dock: Dock) -> None:
    await dock.pool.execute("UPDATE projects SET description = 'D&', visibility = 20")
    exported = await dock.run_export()
    assert files(exported) == {
        "./": b"", "VERSION": b"0.2.4", "lfs-objects.json": b"{}",
        "tree/project.json": b'{"description":"D\\u0026","visibility_level":20}',
    }  # fmt: skip
    number = await dock.add_project("q")
    assert (await dock.run_import(exported, project_id=number)).error is None
    row = await dock.pool.fetchrow("SELECT description, visibility FROM projects WHERE id = $1", number)
    assert row
    assert tuple(row) == ("D&", 20)
    assert files(await dock.run_export(project_id=number)) == files(exported)


async def test_an_export_reads_the_snapshot_of_its_first_attempt(dock: Dock) -> None:
    await dock.run_import(RICH)
    before = await dock.run_export()
    job = await dock.order_export()
    lease = await claimed(dock.pool, job)
    named = await dock.pool.fetchval("SELECT key FROM objects WHERE kind = 'blob'")
    kept = (dock.root / named).rename(dock.root / "kept")
    await dock.pool.execute("UPDATE objects SET seen_at = NULL")
    with pytest.raises(ObjectMissing):
        await dock.exporter.run(job, lease, Progress())
    kept.rename(dock.root / named)
    await jobs.retry(dock.pool, lease, code="storage", error="x", delay=timedelta(0))
    await dock.run_import(project(("new", b"1")))
    await dock.collect()
    assert await dock.exported(job, await claimed(dock.pool, job)) == before
    await dock.collect()
    assert len(await dock.snapshots()) == 2
    assert "new" in files(await dock.run_export())
    await dock.collect()
    assert len(await dock.snapshots()) == 1


@pytest.mark.parametrize("kind", ["pack", "blob"])
async def test_an_object_that_is_missing_is_a_clear_error_and_shows_no_archive(dock: Dock, kind: str) -> None:
    await dock.run_import(RICH)
    key = await dock.pool.fetchval("SELECT key FROM objects WHERE kind = $1", kind)
    (dock.root / key).unlink()
    with pytest.raises(ObjectMissing, match=key) as raised:
        await dock.run_export()
    assert not raised.value.retryable
    assert await dock.pool.fetchval("SELECT count(*) FROM archives") == 0
    assert dock.stored("archives/") == []


async def test_a_document_that_is_read_and_corrupt_is_not_exported(dock: Dock) -> None:
    await dock.run_import(RICH, override_params={"jobs_enabled": True})
    row = await dock.pool.fetchrow(
        """SELECT o.key, e.position FROM entries e JOIN objects o ON o.id = e.object_id
           WHERE e.name = 'tree/project.json'"""
    )
    assert row
    flip(dock.root / row["key"], row["position"] + 7)
    await dock.pool.execute("UPDATE snapshots SET document = NULL")
    with pytest.raises(BlockCorrupt):
        await dock.run_export()
    await dock.pool.execute("UPDATE objects SET crc32s = NULL")
    with pytest.raises(CrossdockError, match="corrupt segment"):
        await dock.run_export()
    assert await dock.pool.fetchval("SELECT count(*) FROM archives") == 0


async def test_a_user_has_one_archive_of_a_project_and_another_user_another(dock: Dock) -> None:
    await dock.pool.execute("INSERT INTO users (username, name) VALUES ('bob', 'Bob')")
    await dock.run_import(RICH)
    for user in (1, 1, 2, 1):
        await dock.run_export(user_id=user)
    rows = await dock.pool.fetch("SELECT user_id, job_id, size, file_name FROM archives ORDER BY user_id")
    assert [(row["user_id"], row["job_id"]) for row in rows] == [(1, 5), (2, 4)]
    assert all(row["file_name"].endswith("_ann_p_export.tar.gz") for row in rows)
    await dock.collect()
    assert [row["size"] for row in rows] == [len(await dock.run_export())] * 2


async def test_an_archive_is_kept_for_as_long_as_the_settings_say_by_then(dock: Dock) -> None:
    for hours in (1, 48):
        dock.settings = ApplicationSettings(export_retention=hours)
        await dock.run_export()
        row = await dock.pool.fetchrow("SELECT expires_at - created_at AS kept FROM archives")
        assert row is not None
        assert row["kept"] == timedelta(hours=hours)


class _CancelingStore(FilesystemStore):
    """Files; something happens when one is asked for."""

    meanwhile: Callable[[], Awaitable[object]]

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        await self.meanwhile()
        return await super().stat(key)


async def test_a_lease_that_is_lost_shows_no_archive(dock: Dock) -> None:
    await dock.run_import(RICH)
    job = await dock.order_export()
    lease = await claimed(dock.pool, job)
    dock.store = store = _CancelingStore(dock.root)
    store.meanwhile = lambda: jobs.cancel(dock.pool, job.id)
    with pytest.raises(LeaseLost):
        await dock.exporter.run(job, lease, Progress())
    assert await state_of(dock.pool, job.id) == "canceled"
    assert await dock.pool.fetchval("SELECT count(*) FROM archives") == 0
    await dock.collect()
    assert dock.stored("archives/") == []


async def test_nobody_gets_an_archive_that_a_deleted_user_ordered(dock: Dock) -> None:
    await dock.pool.execute("INSERT INTO users (username, name) VALUES ('bob', 'Bob')")
    await dock.order_export(user_id=2)
    await dock.pool.execute("DELETE FROM users WHERE id = 2")
    job = await jobs.find(dock.pool, 1)
    assert job
    with pytest.raises(UserGone) as raised:
        await dock.exporter.run(job, await claimed(dock.pool, job), Progress())
    assert not raised.value.retryable


async def test_8000_small_entries_and_some_large_ones_come_out_as_they_went_in(dock: Dock) -> None:
    small = [(f"uploads/{n:05}/{n % 7}", b"%d" % n * (n % 5)) for n in range(8_000)]
    large = [(f"uploads/{n:05}/large", bytes([n]) * 3000) for n in range(0, 200, 10)]
    packed = archive([*MINIMAL, *small, *large])
    await dock.run_import(packed)
    job = await dock.order_export()
    progress = Progress()
    await dock.exporter.run(job, await claimed(dock.pool, job), progress)
    found = await archives.find_by_job(dock.pool, job.id)
    assert found is not None
    out = files(await dock.archive(found))
    assert {name: data for name, data in out.items() if not name.endswith("/")} == files(packed)
    assert progress.entries == len(out) - 1
    assert progress.bytes_done == progress.bytes_total == progress.planned_bytes == found.size
    assert {name: (each.lines, each.bytes) for name, each in progress.relations.items()} == {
        name.removeprefix("tree/project/").removesuffix(".ndjson"): (content.count(b"\n"), len(content))
        for name, content in out.items()
        if name.endswith(".ndjson")
    }
    assert [each["name"] for each in progress.report()["phases"]] == ["preparing", "writing", "committing"]  # type: ignore[attr-defined]  # a list
