"""An export with a map of people has who members are, and lines in texts; the rest is as without one."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from services.exporter import people_mapper
from shared.database.pool import Pool
from shared.errors import CrossdockError, LeaseLost
from shared.exports import archives
from shared.jobs.progress import Progress
from shared.ledger.collector import Collector
from shared.people import appearances
from shared.people.people_map import PeopleMap, Row
from shared.projects.content import ProjectGone
from shared.projects.people_maps import MapOwner, delete_map, set_map
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.derived import open_derived
from shared.snapshots.errors import SnapshotGone
from tests.support.counting import CountingStore
from tests.support.described_contents import content_of, digest_of
from tests.support.jobs import claimed
from tests.support.projects import Dock, files, ndjson
from tests.support.projects import project as packed_project

MEMBERS = "tree/project/project_members.ndjson"
ISSUES = "tree/project/issues.ndjson"
JANE = Row(source_user_identifier="7", gitlab_username="jane.doe", gitlab_public_email="jane@example.org")
JO = Row(source_user_identifier="8", gitlab_username="jo", gitlab_public_email="jo@example.org")
MEMBER = {"access_level": 30, "user_id": 7, "user": {"id": 7, "username": "jane", "public_email": None}}
KNOWN = {
    "access_level": 30,
    "user_id": 6,
    "user": {"id": 6, "username": "sam", "public_email": "sam@example.com"},
}
NOTE = {"note": "hello", "author_id": 8, "author": {"name": "Jo"}, "system": False}
ISSUE = {"title": "t", "iid": 1, "author_id": 7, "description": "mine", "notes": [NOTE]}
OTHER = {"title": "u", "iid": 2, "author_id": 6, "description": "sam's"}
PROJECT = MapOwner(project_id=1)


def lines(*records: object) -> bytes:
    return ndjson(*(json.dumps(each).encode() for each in records))


PACKED = packed_project(
    ("uploads/a/b", b"x" * 2000),
    issues=lines(ISSUE, OTHER), project_members=lines(MEMBER, KNOWN), labels=lines({"title": "bug"}),
)  # fmt: skip


def records(packed: bytes, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files(packed)[name].splitlines()]


def users(packed: bytes) -> list[tuple[int, str, str | None]]:
    found = [each["user"] for each in records(packed, MEMBERS)]
    return [(each["id"], each["username"], each["public_email"]) for each in found]


async def imported(dock: Dock, packed: bytes = PACKED) -> bytes:
    """Import, and give what is exported without a map."""
    assert (await dock.run_import(packed)).error is None
    return await dock.run_export()


async def map_people(dock: Dock, *rows: Row, owner: MapOwner = PROJECT) -> None:
    await set_map(dock.pool, owner, PeopleMap(rows), author="ann")


async def snapshots(dock: Dock) -> int:
    count: int = await dock.pool.fetchval("SELECT count(*) FROM snapshots")
    return count


async def test_members_are_who_they_are_there_and_texts_of_others_say_by_whom_they_are(dock: Dock) -> None:
    plain = await imported(dock)
    await map_people(dock, JANE)
    mapped = await dock.run_export()
    assert users(mapped) == [(7, "jane.doe", "jane@example.org"), (6, "sam", "sam@example.com")]
    issue = records(mapped, ISSUES)[0]
    assert issue["description"] == "mine"
    assert issue["notes"] == [NOTE | {"note": "*Created by: Jo*\n\nhello"}]
    assert files(mapped)[ISSUES].splitlines()[1] == files(plain)[ISSUES].splitlines()[1]
    untouched = files(plain).keys() - {MEMBERS, ISSUES}
    assert {name: files(mapped)[name] for name in untouched} == {
        name: files(plain)[name] for name in untouched
    }
    assert files(mapped).keys() == files(plain).keys()


async def test_who_is_mapped_and_no_member_becomes_one(dock: Dock) -> None:
    plain = await imported(dock)
    await map_people(dock, JANE, JO)
    mapped = await dock.run_export()
    assert users(mapped)[-1] == (8, "jo", "jo@example.org")
    assert files(mapped)[ISSUES] == files(plain)[ISSUES]


async def test_an_archive_without_members_gets_them(dock: Dock) -> None:
    await imported(dock, packed_project(issues=lines(ISSUE)))
    await map_people(dock, JANE)
    assert users(await dock.run_export()) == [(7, "jane.doe", "jane@example.org")]


async def test_a_last_line_without_its_newline_is_followed_by_others(dock: Dock) -> None:
    await imported(dock, packed_project(issues=lines(ISSUE), project_members=lines(KNOWN)[:-1]))
    await map_people(dock, JANE)
    assert [number for number, *_ in users(await dock.run_export())] == [6, 7]


async def test_without_a_map_an_export_is_what_it_was(dock: Dock) -> None:
    plain = await imported(dock)
    await map_people(dock, JANE)
    assert await dock.run_export() != plain
    await delete_map(dock.pool, PROJECT)
    assert await dock.run_export() == plain


async def test_a_map_of_a_namespace_counts_where_the_project_has_none(dock: Dock) -> None:
    await imported(dock)
    namespace = await dock.pool.fetchval("SELECT namespace_id FROM projects WHERE id = 1")
    await map_people(dock, JO, owner=MapOwner(namespace_id=namespace))
    assert users(await dock.run_export())[-1] == (8, "jo", "jo@example.org")
    await map_people(dock, JANE)
    assert users(await dock.run_export())[0] == (7, "jane.doe", "jane@example.org")


async def test_a_map_that_concerns_nobody_changes_no_byte(dock: Dock) -> None:
    plain = await imported(dock, packed_project(project_members=lines(KNOWN)))
    await map_people(dock, JANE)
    assert await dock.run_export() == plain
    assert await snapshots(dock) == 1


async def test_the_second_export_with_a_map_reads_no_byte_and_is_the_same(
    dock: Dock, store: CountingStore
) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    first = await dock.run_export()
    store.reads.clear()
    job = await dock.order_export()
    await dock.exporter.run(job, await claimed(dock.pool, job), Progress())
    assert store.reads == []
    again = await archives.find_by_job(dock.pool, job.id)
    assert again is not None
    assert await dock.archive(again) == first


async def test_the_digest_of_the_content_is_that_of_what_was_exported(dock: Dock) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    job = await dock.order_export()
    packed = await dock.exported(job, await claimed(dock.pool, job))
    told = await dock.pool.fetchval("SELECT content_of_job(j) FROM jobs j WHERE id = $1", job.id)
    assert told == digest_of(content_of(packed))


async def test_another_map_makes_another_snapshot_and_the_one_before_is_collected(dock: Dock) -> None:
    await imported(dock)
    collector = Collector(dock.pool, dock.store, grace=timedelta(0))
    for row in (JANE, JO):
        await map_people(dock, row)
        await dock.run_export()
    await dock.pool.execute("UPDATE snapshots SET read_until = now() - interval '1 minute'")
    assert await snapshots(dock) == 3
    assert await collector.collect_snapshots() == 1
    await dock.pool.execute("DELETE FROM archives")
    assert await collector.collect_snapshots() == 0
    await dock.pool.execute("UPDATE projects SET snapshot_id = NULL")
    assert await collector.collect_snapshots() + await collector.collect_snapshots() == 2


async def test_a_content_that_replaces_another_is_mapped_anew(dock: Dock) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    await dock.run_export()
    await dock.run_import(packed_project(issues=lines(ISSUE | {"title": "new"})))
    assert records(await dock.run_export(), ISSUES)[0]["title"] == "new"


async def test_a_snapshot_without_layout_is_mapped_as_well(dock: Dock) -> None:
    await imported(dock)
    await dock.pool.execute("DELETE FROM archives; DELETE FROM runs; UPDATE snapshots SET layout = NULL")
    await map_people(dock, JANE)
    assert users(await dock.run_export())[0] == (7, "jane.doe", "jane@example.org")


async def test_an_attempt_that_was_overtaken_makes_nothing_that_others_find(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    job = await dock.order_export()
    lease = await claimed(dock.pool, job)

    async def overtaken(pool: Pool, snapshot_id: int) -> bytes:
        await pool.execute("UPDATE jobs SET lease = lease + 1 WHERE id = $1", job.id)
        return await make_manifest_digest(pool, snapshot_id)

    monkeypatch.setattr(people_mapper, "make_manifest_digest", overtaken)
    with pytest.raises(LeaseLost):
        await dock.exporter.run(job, lease, Progress())
    assert await dock.pool.fetchval("SELECT count(*) FROM mapped_snapshots") == 0
    await dock.pool.execute("UPDATE snapshots SET read_until = now() - interval '1 minute'")
    assert await Collector(dock.pool, dock.store, grace=timedelta(0)).collect_snapshots() == 1


@pytest.mark.parametrize("gone", ["project", "snapshot"])
async def test_what_goes_while_a_snapshot_is_mapped_is_told(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    job = await dock.order_export()
    lease = await claimed(dock.pool, job)

    async def deleted(pool: Pool, snapshot_id: int) -> bytes:
        await pool.execute("DELETE FROM snapshots WHERE id = $1", snapshot_id)
        return b""

    async def opened(pool: Pool, *, project_id: int) -> object:
        await pool.execute("DELETE FROM projects WHERE id = $1", project_id)
        return await open_derived(pool, project_id=project_id)

    if gone == "snapshot":
        monkeypatch.setattr(people_mapper, "make_manifest_digest", deleted)
    else:
        monkeypatch.setattr(people_mapper, "open_derived", opened)
    with pytest.raises(SnapshotGone if gone == "snapshot" else ProjectGone):
        await dock.exporter.run(job, lease, Progress())


async def test_a_map_that_changes_during_an_export_counts_from_the_next_one_on(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await imported(dock)
    await map_people(dock, JANE)

    async def changed(pool: Pool, snapshot_id: int) -> bytes:
        await set_map(pool, PROJECT, PeopleMap((JO,)), author="ann")
        return await make_manifest_digest(pool, snapshot_id)

    with monkeypatch.context() as patched:
        patched.setattr(people_mapper, "make_manifest_digest", changed)
        assert users(await dock.run_export())[0] == (7, "jane.doe", "jane@example.org")
    assert users(await dock.run_export())[-1] == (8, "jo", "jo@example.org")


async def test_exports_at_the_same_time_make_a_snapshot_each_and_one_is_kept(dock: Dock) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    await dock.pool.execute("INSERT INTO users (username, name) VALUES ('bob', 'Bob')")
    ordered = [await dock.order_export(user_id=number) for number in (1, 2)]
    leases = [await claimed(dock.pool, job) for job in ordered]
    packed = await asyncio.gather(*(dock.exported(*each) for each in zip(ordered, leases, strict=True)))
    assert [users(each)[0][1] for each in packed] == ["jane.doe"] * 2
    assert await dock.pool.fetchval("SELECT count(*) FROM mapped_snapshots") == 1


async def test_a_project_of_too_many_people_is_not_exported_with_a_map(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    monkeypatch.setattr(appearances, "MOST", 1)
    with pytest.raises(CrossdockError, match="over 1 people"):
        await dock.run_export()


async def test_an_attempt_that_is_canceled_half_way_leaves_nothing_and_the_next_maps(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await imported(dock)
    await map_people(dock, JANE)
    job = await dock.order_export()
    lease, reached = await claimed(dock.pool, job), asyncio.Event()

    async def stuck(*_: object) -> bytes:
        reached.set()
        await asyncio.Event().wait()
        return b""

    with monkeypatch.context() as patched:
        patched.setattr(people_mapper, "make_manifest_digest", stuck)
        attempt = asyncio.create_task(dock.exporter.run(job, lease, Progress()))
        await reached.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
    assert users(await dock.exported(job, lease))[0] == (7, "jane.doe", "jane@example.org")
    await dock.pool.execute("UPDATE snapshots SET read_until = now() - interval '1 minute'")
    assert await Collector(dock.pool, dock.store, grace=timedelta(0)).collect_snapshots() == 1
