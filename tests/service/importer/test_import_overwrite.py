from __future__ import annotations

import asyncio

from shared.jobs.progress import Progress
from tests.support.jobs import claimed
from tests.support.projects import Dock, files, project


async def _users(dock: Dock) -> None:
    await dock.pool.execute("INSERT INTO users (username, name) VALUES ('bob', 'Bob'), ('cy', 'Cy')")
    await dock.pool.execute(
        "INSERT INTO memberships (user_id, project_id, access_level) VALUES (2, 1, 30), (3, 1, 40)"
    )


async def _projects(dock: Dock) -> list[tuple[int, str, str]]:
    rows = await dock.pool.fetch("SELECT id, path, name FROM projects ORDER BY id")
    return [(row["id"], row["path"], row["name"]) for row in rows]


async def test_the_new_project_takes_path_name_and_members_and_the_old_one_goes(dock: Dock) -> None:
    await _users(dock)
    await dock.run_import(project(("old", b"o" * 5000)))
    await dock.run_export()
    new = await dock.add_project("p-replacing")
    imported = await dock.run_import(project(("new", b"n")), project_id=new, replaces="ann/p")
    assert imported.error is None
    assert await _projects(dock) == [(new, "p", "p")]
    members = await dock.pool.fetch(
        "SELECT user_id, project_id, access_level FROM memberships ORDER BY user_id"
    )
    assert [tuple(row) for row in members] == [(2, new, 30), (3, new, 40)]
    await dock.collect()
    assert len(await dock.snapshots()) == 1
    assert [key.partition("/")[0] for key in dock.stored()] == [
        "packs"
    ]  # no archive, blob, pack of the old one
    assert "new" in files(await dock.run_export(project_id=new))


async def test_the_path_always_leads_to_a_whole_project(dock: Dock) -> None:
    await dock.run_import(project(("old", b"o")))
    new = await dock.add_project("p-replacing")
    job = await dock.order_import(project(("new", b"n")), project_id=new, replaces="ann/p")
    lease = await claimed(dock.pool, job)
    running = asyncio.create_task(dock.importer.run(job, lease, Progress()))
    seen = set()
    while not running.done():
        row = await dock.pool.fetchrow(
            """SELECT p.id, EXISTS (SELECT FROM entries e WHERE e.snapshot_id = p.snapshot_id
                                    AND e.name = CASE p.id WHEN 1 THEN 'old' ELSE 'new' END) AS whole
               FROM projects p WHERE p.path = 'p'"""
        )
        assert row
        assert row["whole"]
        seen.add(row["id"])
    await running
    assert 1 in seen


async def test_an_import_that_fails_leaves_the_old_project_as_it_is(dock: Dock) -> None:
    await _users(dock)
    await dock.run_import(project(("old", b"o" * 5000)))
    before = await dock.run_export()
    new = await dock.add_project("p-replacing")
    imported = await dock.run_import(project(("new", b"n"))[:-1], project_id=new, replaces="ann/p")
    assert imported.error
    await dock.collect()
    assert await _projects(dock) == [(1, "p", "p"), (new, "p-replacing", "p-replacing")]
    assert await dock.pool.fetchval("SELECT count(*) FROM memberships WHERE project_id = 1") == 2
    assert files(await dock.run_export()) == files(before)


async def test_who_does_not_own_the_namespace_may_not_overwrite(dock: Dock) -> None:
    await _users(dock)
    await dock.run_import(project(("old", b"o")))
    new = await dock.add_project("p-replacing")
    packed = project(("new", b"n"))
    imported = await dock.run_import(packed, project_id=new, user_id=2, replaces="ann/p")
    assert imported.error
    assert imported.error.endswith(" - User bob (2) cannot overwrite a project in ann")
    assert await _projects(dock) == [(1, "p", "p"), (new, "p-replacing", "p-replacing")]
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects WHERE id = $1", new) is None
    await dock.collect()
    assert len(await dock.snapshots()) == 1


async def test_where_the_old_project_is_gone_the_new_one_takes_its_path(dock: Dock) -> None:
    new = await dock.add_project("p-replacing")
    await dock.pool.execute("DELETE FROM projects WHERE id = 1")
    imported = await dock.run_import(project(), project_id=new, replaces="ann/p")
    assert imported.error is None
    assert await _projects(dock) == [(new, "p", "p")]
