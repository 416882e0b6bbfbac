"""An export of some relations has their files and no others; it is a plan, as every export is."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import LeaseLost
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.gitlab.relation_selection import SELECTABLE, RelationSelection
from shared.jobs.progress import Progress
from shared.people.people_map import PeopleMap, Row
from shared.projects.people_maps import MapOwner, set_map
from shared.snapshots.contents import make_manifest_digest
from tests.support.contents import assert_accepted_by_gnu
from tests.support.counting import CountingStore
from tests.support.jobs import claimed
from tests.support.projects import Dock, archive, bundle, files, ndjson

LARGE = b"x" * 5000
OID = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
MERGE_REQUEST = b'{"title":"m","source_branch":"a","target_branch":"b"}'
RICH = archive(
    [
        ("VERSION", b"0.2.4"),
        ("project.bundle", bundle()),
        ("uploads/", b""),
        ("uploads/a/one", b"one"),
        ("tree/", b""),
        ("tree/project/", b""),
        ("tree/project/issues.ndjson", ndjson(b'{"title":"a"}', b'{"title":"b"}')),
        ("uploads/a/two", LARGE),
        ("lfs-objects/", b""),
        (f"lfs-objects/{OID}", b"x"),
        ("lfs-objects.json", json.dumps({OID: [0]}).encode()),
        ("tree/project/labels.ndjson", ndjson(b'{"title":"bug"}')),
        ("avatar/picture.png", b"png"),
        ("tree/project/merge_requests.ndjson", ndjson(MERGE_REQUEST)),
        ("tree/project/unheard_of.ndjson", ndjson(b"{}")),
        ("GITLAB_VERSION", b"18.9.0"),
        ("tree/project.json", b'{"description":"D"}'),
    ]
)  # fmt: skip
ALWAYS = {"./", "VERSION", "tree/project.json", "GITLAB_VERSION", "tree/", "tree/project/"}
_NAMES = st.sets(st.sampled_from(SELECTABLE)).map(tuple)


def only(*relations: str) -> RelationSelection:
    return RelationSelection(relations=relations)


def but(*relations: str) -> RelationSelection:
    return RelationSelection(excluded_relations=relations)


async def exported(dock: Dock, selection: RelationSelection | None) -> tuple[FinishedArchive, Progress]:
    """Export, and give what is recorded."""
    job, progress = await dock.order_export(selection=selection), Progress()
    await dock.exporter.run(job, await claimed(dock.pool, job), progress)
    found = await archives.find_by_job(dock.pool, job.id)
    assert found is not None
    return found, progress


async def _collect(dock: Dock) -> None:
    """Collect garbage as if nobody had read anything for minutes."""
    await dock.pool.execute("UPDATE snapshots SET read_until = now() WHERE read_until IS NOT NULL")
    await dock.collect()


async def manifest_of(dock: Dock, found: FinishedArchive) -> bytes:
    return await make_manifest_digest(dock.pool, found.snapshot_id, found.documents or ())


async def test_only_the_relations_that_are_named_are_exported(dock: Dock) -> None:
    await dock.run_import(RICH)
    whole = files(await dock.run_export())
    chosen = files(await dock.run_export(selection=only("issues", "repository")))
    expected = {"project.bundle", "tree/project/issues.ndjson"}
    assert {name: data for name, data in whole.items() if name in ALWAYS | expected} == chosen


async def test_the_archive_of_a_selection_can_be_unpacked_and_imported(dock: Dock) -> None:
    await dock.run_import(RICH)
    packed = await dock.run_export(selection=but("uploads", "merge_requests"))
    (dock.root / "out").write_bytes(packed)
    assert_accepted_by_gnu(dock.root / "out")
    again = await dock.run_import(packed, project_id=await dock.add_project("q"))
    assert (again.error, await dock.failures(again)) == (None, [])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(RelationSelection, relations=_NAMES) | st.builds(RelationSelection, excluded_relations=_NAMES)
)
async def test_any_selection_gives_the_files_that_it_keeps_as_they_are(
    dock: Dock, selection: RelationSelection
) -> None:
    if not await dock.snapshots():
        await dock.run_import(RICH)
    whole = files(await dock.run_export())
    expected = {name: data for name, data in whole.items() if selection.leaves_out(name) is None}
    assert files(await dock.run_export(selection=selection)) == expected


@pytest.mark.parametrize("selection", [but("labels"), but("uploads"), only("issues")])
async def test_a_selection_moves_no_byte(
    dock: Dock, store: CountingStore, selection: RelationSelection
) -> None:
    await dock.run_import(RICH)
    before, store.bytes_read = dock.stored(), 0
    await exported(dock, selection)
    assert store.bytes_read == 0
    assert dock.stored() == before


@pytest.mark.parametrize(("packed_up_to", "laid_out_anew"), [(10, False), (1024, True)])
async def test_what_has_runs_of_its_own_is_left_out_without_another_layout(
    dock: Dock, packed_up_to: int, *, laid_out_anew: bool
) -> None:
    dock.packed_up_to = packed_up_to
    await dock.run_import(RICH)
    whole, _ = await exported(dock, None)
    chosen, _ = await exported(dock, but("repository", "labels"))
    before, after = await _runs(dock, whole), await _runs(dock, chosen)
    gone = {"project.bundle", "tree/project/labels.ndjson"}
    assert (after != [run for run in before if run[0] not in gone]) is laid_out_anew
    expected = files(await dock.archive(whole))
    assert files(await dock.archive(chosen)) == {
        name: data for name, data in expected.items() if name not in gone
    }


async def _runs(dock: Dock, found: FinishedArchive) -> list[tuple[object, ...]]:
    rows = await dock.pool.fetch(
        "SELECT name, object_id, position, size FROM runs WHERE snapshot_id = $1 ORDER BY start",
        found.snapshot_id,
    )
    return [tuple(row) for row in rows]


async def test_two_selections_never_share_an_entity_tag_nor_a_manifest(dock: Dock) -> None:
    await dock.run_import(RICH)
    seen = set()
    for selection in (None, but("labels"), but("uploads"), only("labels"), but("labels", "uploads"), None):
        found, _ = await exported(dock, selection)
        assert found.manifest_sha256 == await manifest_of(dock, found)
        seen.add((found.etag, found.manifest_sha256, found.crc32))
    assert len({etag for etag, _, _ in seen}) == len({manifest for _, manifest, _ in seen}) == len(seen) == 5


async def test_selections_that_leave_out_the_same_are_the_same_archive(dock: Dock) -> None:
    await dock.run_import(RICH)
    first, _ = await exported(dock, but("labels"))
    absent = {"labels", "boards"}
    others = but(*sorted(absent)), only("unheard_of", *(name for name in SELECTABLE if name not in absent))
    for selection in others:
        assert (await exported(dock, selection))[0].etag == first.etag


async def test_a_selection_that_leaves_nothing_out_is_the_whole_archive(dock: Dock) -> None:
    await dock.run_import(RICH)
    whole, progress = await exported(dock, None)
    assert progress.report().get("selection") is None
    found, progress = await exported(dock, but("boards"))
    assert (found.etag, found.snapshot_id) == (whole.etag, whole.snapshot_id)
    assert progress.report()["selection"] == {"left_out": {}, "missed": []}


async def test_what_is_left_out_is_counted_and_who_refers_to_it_is_told(dock: Dock) -> None:
    await dock.run_import(RICH)
    _, progress = await exported(dock, but("repository", "uploads", "labels", "snippets"))
    assert progress.report()["selection"] == {
        "left_out": {
            "labels": {"files": 1, "bytes": 16},
            "repository": {"files": 1, "bytes": len(bundle())},
            "uploads": {"files": 3, "bytes": 6 + len(LARGE)},
        },
        "missed": [
            {"relation": "issues", "refers_to": "uploads"},
            {"relation": "merge_requests", "refers_to": "repository"},
            {"relation": "merge_requests", "refers_to": "uploads"},
            {"relation": "lfs_objects", "refers_to": "repository"},
        ],
    }


async def test_a_map_of_people_counts_in_a_selection_as_well(dock: Dock) -> None:
    note = {"note": "hello", "author_id": 8, "author": {"name": "Jo"}, "system": False}
    issue = json.dumps({"title": "t", "iid": 1, "author_id": 8, "notes": [note]}).encode()
    labels = ("tree/project/labels.ndjson", ndjson(b'{"title":"bug"}'))
    await dock.run_import(
        archive([("VERSION", b"0.2.4"), ("tree/project.json", b"{}"),
                 ("tree/project/issues.ndjson", ndjson(issue)), labels])
    )  # fmt: skip
    somebody = Row(source_user_identifier="7", gitlab_username="jane", gitlab_public_email="jane@example.org")
    await set_map(dock.pool, MapOwner(project_id=1), PeopleMap([somebody]), author="ann")
    chosen = files(await dock.run_export(selection=only("issues")))
    assert b"*Created by: Jo*" in chosen["tree/project/issues.ndjson"]
    assert labels[0] not in chosen


async def test_a_selected_snapshot_goes_with_its_base_or_for_another_selection(dock: Dock) -> None:
    await dock.run_import(RICH)
    for selection in (but("labels"), but("uploads"), None):
        await dock.run_export(selection=selection)
    await _collect(dock)
    assert len(await dock.snapshots()) == 2
    await dock.pool.execute("DELETE FROM archives")
    await dock.run_import(RICH)
    await _collect(dock)
    await _collect(dock)
    assert len(await dock.snapshots()) == 1


async def test_an_export_that_has_lost_its_lease_commits_no_selected_snapshot(dock: Dock) -> None:
    await dock.run_import(RICH)
    job = await dock.order_export(selection=but("labels"))
    lease = await claimed(dock.pool, job)
    await dock.pool.execute("UPDATE jobs SET lease = lease + 1 WHERE id = $1", job.id)
    with pytest.raises(LeaseLost):
        await dock.exporter.run(job, lease, Progress())
    assert await dock.pool.fetchval("SELECT count(*) FROM selected_snapshots") == 0


async def test_a_project_without_content_has_nothing_to_leave_out(dock: Dock) -> None:
    found, progress = await exported(dock, but("labels"))
    assert found.snapshot_id is None
    assert progress.report()["selection"] == {"left_out": {}, "missed": []}
