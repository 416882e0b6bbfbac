"""An import of some relations takes their files and no others, and does nothing with these."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.gitlab.relation_selection import SELECTABLE, RelationSelection
from shared.jobs import store as jobs
from tests.support.jobs import claimed
from tests.support.projects import Dock, archive, bundle, files, ndjson

OID = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
MERGE_REQUEST = b'{"title":"m","source_branch":"a","target_branch":"b"}'
BROKEN = archive(
    [
        ("VERSION", b"0.2.4"),
        ("tree/project.json", b"{}"),
        ("project.bundle", b"no bundle"),
        ("uploads/", b""),
        ("uploads/a/one", b"one"),
        ("lfs-objects/" + "0" * 64, b"not what it says"),
        ("lfs-objects.json", b"[]"),
        ("tree/project/issues.ndjson", ndjson(b'{"title":"a"}', b"no record")),
        ("tree/project/labels.ndjson", ndjson(b'{"title":"bug"}', b"nor this")),
        ("tree/project/merge_requests.ndjson", ndjson(MERGE_REQUEST)),
    ]
)  # fmt: skip
WHOLE = archive(
    [
        ("VERSION", b"0.2.4"),
        ("project.bundle", bundle()),
        ("uploads/", b""),
        ("uploads/a/one", b"one"),
        ("tree/", b""),
        ("tree/project/issues.ndjson", ndjson(b'{"title":"a"}')),
        ("uploads/a/two", b"x" * 5000),
        ("lfs-objects/" + OID, b"x"),
        ("avatar/picture.png", b"png"),
        ("tree/project/labels.ndjson", ndjson(b'{"title":"bug"}')),
        ("other/file", b"o"),
        ("tree/project.json", b'{"description":"D"}'),
    ]
)
_NAMES = st.sets(st.sampled_from(SELECTABLE)).map(tuple)


def only(*relations: str) -> RelationSelection:
    return RelationSelection(relations=relations)


def but(*relations: str) -> RelationSelection:
    return RelationSelection(excluded_relations=relations)


async def test_only_the_relations_that_are_named_are_imported(dock: Dock) -> None:
    imported = await dock.run_import(BROKEN, selection=only("issues", "uploads"))
    assert imported.error is None
    assert [each.relation for each in await dock.failures(imported)] == ["issues"]
    assert set(files(await dock.run_export())) == {
        "./", "VERSION", "tree/project.json", "uploads/", "uploads/a/one", "tree/project/issues.ndjson"
    }  # fmt: skip


async def test_what_is_left_out_is_no_failure_however_broken_it_is(dock: Dock) -> None:
    broken = ("repository", "lfs_objects", "issues", "labels")
    imported = await dock.run_import(BROKEN, selection=but(*broken))
    assert (imported.error, await dock.failures(imported)) == (None, [])
    assert imported.progress.report()["relations"] == {
        "merge_requests": {"bytes": 54, "lines": 1, "failed": 0}
    }


async def test_what_is_left_out_is_counted_and_who_refers_to_it_is_told(dock: Dock) -> None:
    imported = await dock.run_import(BROKEN, selection=but("repository", "uploads", "boards"))
    assert imported.progress.report()["selection"] == {
        "left_out": {"repository": {"files": 1, "bytes": 9}, "uploads": {"files": 1, "bytes": 3}},
        "missed": [
            {"relation": "issues", "refers_to": "uploads"},
            {"relation": "merge_requests", "refers_to": "repository"},
            {"relation": "merge_requests", "refers_to": "uploads"},
            {"relation": "lfs_objects", "refers_to": "repository"},
        ],
    }


async def test_what_was_left_out_of_the_archive_already_is_not_missing_where_it_is_left_out_again(
    dock: Dock,
) -> None:
    issue = b'{"title":"a","description":"![x](/uploads/00112233445566778899aabbccddeeff/x.png)"}'
    partial = archive([("VERSION", b"0.2.4"), ("tree/project.json", b"{}"),
                       ("tree/project/issues.ndjson", ndjson(issue))])  # fmt: skip
    whole = await dock.run_import(partial)
    assert [each.relation for each in await dock.failures(whole)] == ["uploads"]
    chosen = await dock.run_import(partial, selection=but("uploads"))
    assert await dock.failures(chosen) == []


async def test_what_is_left_out_is_not_stored(dock: Dock) -> None:
    await dock.run_import(WHOLE, selection=but("uploads"))
    assert dock.stored("blobs") == []
    await dock.run_import(WHOLE)
    assert len(dock.stored("blobs")) == 1


async def test_a_file_that_is_left_out_may_come_twice(dock: Dock) -> None:
    twice = archive(
        [("VERSION", b"0.2.4"), ("tree/project.json", b"{}"), ("uploads/a", b"1"), ("uploads/a", b"22")]
    )
    imported = await dock.run_import(twice, selection=but("uploads"))
    assert (imported.error, imported.progress.notes) == (None, {})
    assert set(files(await dock.run_export())) == {"./", "VERSION", "tree/project.json"}


async def test_a_later_attempt_leaves_out_the_same(dock: Dock) -> None:
    job = await dock.order_import(WHOLE, selection=only("labels"))
    lease = await claimed(dock.pool, job)
    await jobs.retry(dock.pool, lease, code="storage", error="x", delay=timedelta(0))
    again = await jobs.find(dock.pool, job.id)
    assert again is not None
    assert (await dock.attempt(again)).error is None
    assert "tree/project/issues.ndjson" not in files(await dock.run_export())


@settings(
    max_examples=20, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    st.builds(RelationSelection, relations=_NAMES) | st.builds(RelationSelection, excluded_relations=_NAMES)
)
async def test_a_selection_means_the_same_on_the_way_in_and_out(
    dock: Dock, selection: RelationSelection
) -> None:
    await dock.run_import(WHOLE)
    out = files(await dock.run_export(selection=selection))
    assert (await dock.run_import(WHOLE, selection=selection)).error is None
    assert files(await dock.run_export()) == out
