from __future__ import annotations

from typing import Any

import pytest

from tests.support.projects import MINIMAL, PROJECT, VERSION, Dock, Files, archive, bundle, project

NOT_A_PROJECT: list[tuple[Files, str]] = [
    ([PROJECT], "No such file or directory (VERSION is missing)"),
    ([("uploads/VERSION", b"0.2.4"), PROJECT], "No such file or directory (VERSION is missing)"),
    ([("VERSION", b"0.2.3"), PROJECT], "Import version mismatch: Required 0.2.4 but was 0.2.3"),
    ([VERSION], "invalid import format (tree/ is missing)"),
    ([VERSION, ("project.json", b"{}")], "invalid import format (tree/ is missing)"),
    ([VERSION, ("trees/project.json", b"{}")], "invalid import format (tree/ is missing)"),
    ([VERSION, ("tree/", b"")], "Invalid file (tree/project.json is missing)"),
    ([VERSION, ("tree/project/issues.ndjson", b"")], "Invalid file (tree/project.json is missing)"),
    ([VERSION, ("tree/project.json", b"[]")], "Incorrect JSON format (tree/project.json: "),
    ([VERSION, ("tree/project.json", b"")], "Incorrect JSON format (tree/project.json: "),
    ([VERSION, ("tree/project.json", b'{"\xff":1}')], "Incorrect JSON format (tree/project.json: "),
    ([*MINIMAL, ("project.bundle", b"x")], "Invalid bundle file (project.bundle: "),
    ([*MINIMAL, ("project.wiki.bundle", bundle()[:-1])], "Invalid bundle file (project.wiki.bundle: "),
    ([*MINIMAL, ("project.design.bundle", b"")], "Invalid bundle file (project.design.bundle: "),
]


async def _row(dock: Dock) -> tuple[Any, ...]:
    row = await dock.pool.fetchrow("SELECT description, visibility, overrides FROM projects WHERE id = 1")
    assert row
    return tuple(row)


@pytest.mark.parametrize(("files", "reason"), NOT_A_PROJECT)
async def test_what_is_no_project_is_refused_and_leaves_nothing(
    dock: Dock, files: Files, reason: str
) -> None:
    imported = await dock.run_import(archive(files))
    assert imported.error
    assert imported.error.startswith(f"Error importing repository  into ann/p - {reason}")
    assert (imported.job.state.value, imported.job.error) == ("failed", imported.error)
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects WHERE id = 1") is None
    await dock.collect()
    assert (await dock.snapshots(), dock.stored()) == ([], [])


@pytest.mark.parametrize("order", [1, -1])
async def test_the_version_may_come_first_or_last(dock: Dock, order: int) -> None:
    files = [VERSION, ("uploads/a", b"1"), PROJECT][::order]
    out = await dock.round_trip(archive(files))
    assert {name: data for name, data in out.items() if not name.endswith("/")} == dict(files)


async def test_a_missing_upload_has_gitlabs_text(dock: Dock) -> None:
    job = await dock.order_import(project())
    await dock.pool.execute("UPDATE jobs SET object_id = NULL")
    await dock.pool.execute("DELETE FROM objects")
    imported = await dock.attempt(job)
    assert imported.error == (
        "Error importing repository  into ann/p - Missing import file for Project ID 1 and user ID 1."
    )


@pytest.mark.parametrize(
    ("document", "overrides", "expected"),
    [
        (b"{}", {}, ("before", 10, {})),
        (b'{"description":"D","visibility_level":20,"x":[1]}', {}, ("D", 20, {})),
        (b'{"description":"a\\u0000b"}', {}, ("ab", 10, {})),
        (b'{"description":7,"visibility_level":11}', {}, ("before", 10, {})),
        (b'{"description":null,"visibility_level":null}', {}, ("before", 10, {})),
        (
            b'{"description":"D","visibility_level":20}',
            {"description": "E", "visibility": "private"},
            ("E", 0, {"description": "E", "visibility": "private"}),
        ),
        (b'{"description":"D"}', {"description": "", "ci_config_path": ""}, ("D", 10, {})),
        (b"{}", {"jobs_enabled": False, "n": 0}, ("before", 10, {"jobs_enabled": False, "n": 0})),
    ],
)
async def test_attributes_come_from_the_order_then_the_archive_then_the_project(
    dock: Dock, document: bytes, overrides: dict[str, object], expected: tuple[Any, ...]
) -> None:
    await dock.pool.execute("UPDATE projects SET description = 'before', visibility = 10")
    packed = archive([VERSION, ("tree/project.json", document)])
    assert (await dock.run_import(packed, override_params=overrides)).error is None
    assert await _row(dock) == expected


async def test_overrides_are_laid_over_the_document_when_it_is_exported(dock: Dock) -> None:
    document = b'{"description":"D","visibility_level":20,"jobs_enabled":true,"n":1.50}'
    packed = archive([VERSION, ("tree/project.json", document)])
    out = await dock.round_trip(
        packed, override_params={"description": "", "visibility": "internal", "jobs_enabled": False}
    )
    assert out["tree/project.json"] == (
        b'{"description":"D","visibility_level":10,"jobs_enabled":false,"n":1.50}'
    )


async def test_a_bundle_that_holds_is_kept(dock: Dock) -> None:
    bundles = [(f"project{kind}.bundle", bundle(b"x")) for kind in ("", ".wiki", ".design")]
    out = await dock.round_trip(project(*bundles, ("snippets/0.bundle", bundle())))
    assert {name: out[name] for name, _ in bundles} == dict(bundles)
    assert out["snippets/0.bundle"] == bundle()
