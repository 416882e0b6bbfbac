"""An export names every LFS object that it has: a GitLab fails on an archive whose index lacks one."""

from __future__ import annotations

import hashlib
import json

import pytest

from services.exporter import lfs_namer
from shared.errors import LeaseLost
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.progress import Progress
from shared.people.people_map import PeopleMap, Row
from shared.projects.people_maps import MapOwner, set_map
from shared.snapshots.contents import make_manifest_digest
from tests.support.counting import CountingStore
from tests.support.jobs import claimed
from tests.support.projects import Dock, bundle, files, ndjson, project

INDEX = "lfs-objects.json"
NAMED, UNNAMED, LARGE = b"named", b"unnamed", b"large" * 1000


def oid(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def lfs(data: bytes) -> tuple[str, bytes]:
    return f"lfs-objects/{oid(data)}", data


def packed(index: bytes | None, *objects: bytes, **relations: bytes) -> bytes:
    parts = [("project.bundle", bundle()), ("uploads/a/b", b"1"), *map(lfs, objects)]
    return project(*parts, *([] if index is None else [(INDEX, index)]), **relations)


async def index_of(dock: Dock) -> bytes:
    return files(await dock.run_export())[INDEX]


async def test_objects_that_the_index_lacks_get_a_name_on_export(dock: Dock) -> None:
    archive = packed(json.dumps({oid(NAMED): [0, 2]}).encode(), NAMED, UNNAMED, LARGE)
    assert (await dock.run_import(archive)).error is None
    out = files(await dock.run_export())
    assert json.loads(out[INDEX]) == {oid(NAMED): [0, 2], oid(UNNAMED): [0], oid(LARGE): [0]}
    before = files(archive)
    assert {name: data for name, data in out.items() if name != INDEX and name in before} == {
        name: data for name, data in before.items() if name != INDEX
    }


@pytest.mark.parametrize("index", [b"{}", b"{ }\n", b'{"%b":[0]}\n' % (b"0" * 64)])
async def test_an_index_keeps_its_bytes_before_the_names(dock: Dock, index: bytes) -> None:
    await dock.run_import(packed(index, UNNAMED))
    made = await index_of(dock)
    assert json.loads(made) == json.loads(index) | {oid(UNNAMED): [0]}
    assert made.startswith(index.rstrip()[:-1].rstrip())


async def test_the_export_can_be_imported_without_a_failure(dock: Dock) -> None:
    await dock.run_import(packed(b"{}", UNNAMED))
    again = await dock.run_import(await dock.run_export())
    assert (again.error, await dock.failures(again)) == (None, [])


WHOLE = json.dumps({oid(NAMED): [0]}).encode()


@pytest.mark.parametrize(
    ("archive", "index"),
    [
        pytest.param(packed(None, UNNAMED), None, id="no index"),
        pytest.param(packed(WHOLE, NAMED), WHOLE, id="whole index"),
        pytest.param(packed(b"{}"), b"{}", id="no objects"),
        pytest.param(packed(b"[", UNNAMED), None, id="unusable index"),
    ],
)
async def test_other_archives_are_exported_as_they_are(
    dock: Dock, archive: bytes, index: bytes | None
) -> None:
    await dock.run_import(archive)
    before = await dock.snapshots()
    assert files(await dock.run_export()).get(INDEX) == index
    assert await dock.snapshots() == before


@pytest.mark.parametrize("bound", ["_MOST_NAMES", "DOCUMENT_LIMIT"])
async def test_an_index_that_would_be_too_long_stays_as_it_is(
    dock: Dock, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lfs_namer, bound, 1)
    await dock.run_import(packed(b"{}", UNNAMED, NAMED))
    assert await index_of(dock) == b"{}"


async def _exported(dock: Dock) -> tuple[FinishedArchive, bytes]:
    job = await dock.order_export()
    data = await dock.exported(job, await claimed(dock.pool, job))
    found = await archives.find_by_job(dock.pool, job.id)
    assert found is not None
    return found, data


async def test_later_exports_read_no_byte_and_give_the_same(dock: Dock) -> None:
    await dock.run_import(packed(b"{}", UNNAMED))
    first, data = await _exported(dock)
    dock.store = store = CountingStore(dock.root)
    job = await dock.order_export()
    await dock.exporter.run(job, await claimed(dock.pool, job), Progress())
    assert store.reads == []
    again = await archives.find_by_job(dock.pool, job.id)
    assert again is not None
    assert (again.snapshot_id, await dock.archive(again)) == (first.snapshot_id, data)


async def _reads_of_a_plan(dock: Dock) -> int:
    dock.store = store = CountingStore(dock.root)
    job = await dock.order_export()
    await dock.exporter.run(job, await claimed(dock.pool, job), Progress())
    return len(store.reads)


async def test_an_index_that_names_all_is_not_read(dock: Dock) -> None:
    await dock.run_import(packed(WHOLE, NAMED))
    assert await _reads_of_a_plan(dock) == 0


async def test_an_index_of_an_older_snapshot_is_read_once(dock: Dock) -> None:
    await dock.run_import(packed(WHOLE, NAMED))
    await dock.pool.execute("DELETE FROM named_snapshots")
    assert [await _reads_of_a_plan(dock), await _reads_of_a_plan(dock)] == [1, 0]


async def test_the_manifest_is_that_of_the_archive_with_all_names(dock: Dock) -> None:
    await dock.run_import(packed(b"{}", UNNAMED))
    found, data = await _exported(dock)
    assert found.documents is not None
    digest = await make_manifest_digest(dock.pool, found.snapshot_id, found.documents)
    assert found.manifest_sha256 == digest
    index = await dock.pool.fetchval(
        "SELECT sha256 FROM entries WHERE snapshot_id = $1 AND name = $2", found.snapshot_id, INDEX
    )
    assert index == hashlib.sha256(files(data)[INDEX]).digest()


async def test_a_map_of_people_and_a_selection_come_on_top(dock: Dock) -> None:
    note = b'{"title":"t","notes":[{"note":"n","author_id":8,"author":{"name":"Jo"}}]}'
    await dock.run_import(packed(b"{}", UNNAMED, issues=ndjson(note)))
    async with dock.pool.acquire() as db:
        people = PeopleMap((Row(source_user_identifier="7", gitlab_username="jane"),))
        await set_map(db, MapOwner(project_id=1), people, author="a")
    out = files(await dock.run_export())
    assert oid(UNNAMED) in out[INDEX].decode()
    assert b"Created by: Jo" in out["tree/project/issues.ndjson"]
    without = RelationSelection(excluded_relations=("lfs_objects",))
    out = files(await dock.run_export(selection=without))
    assert INDEX not in out
    assert b"Created by: Jo" in out["tree/project/issues.ndjson"]


async def test_what_was_made_for_exports_goes_with_the_content(dock: Dock) -> None:
    await dock.run_import(packed(b"{}", UNNAMED))
    await dock.run_export()
    assert len(await dock.snapshots()) == 2
    await dock.collect()
    assert len(await dock.snapshots()) == 2
    await dock.run_import(project())
    await dock.pool.execute("DELETE FROM archives")
    await dock.pool.execute("UPDATE snapshots SET read_until = NULL")
    for _ in range(2):
        await dock.collect()
    assert len(await dock.snapshots()) == 1


async def test_an_exporter_that_lost_its_lease_makes_no_snapshot(dock: Dock) -> None:
    await dock.run_import(packed(b"{}", UNNAMED))
    job = await dock.order_export()
    lease = await claimed(dock.pool, job)
    await dock.pool.execute("UPDATE jobs SET lease = lease + 1 WHERE id = $1", job.id)
    with pytest.raises(LeaseLost):
        await dock.exporter.run(job, lease, Progress())
    assert await dock.pool.fetchval("SELECT count(*) FROM named_snapshots") == 0
