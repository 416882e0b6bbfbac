from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.jobs.models import ExportOrder, ImportOrder
from shared.projects import store
from shared.projects.models import Project
from tests.support.api import Api
from tests.support.projects import MINIMAL, Dock, archive, ndjson

NEXT = re.compile(r'<https://gitlab\.example\.com([^>]+)>; rel="next"')
OWN = "/api/crossdock/v1/projects"
LABELS = [b'{"title": "bug", "color": "#ff0000"}', b'{"title": "ok", "color": "#00ff00"}']
FILLED = """WITH made AS (INSERT INTO snapshots (project_id, committed_at, body_raw_size)
                          VALUES ($1, now(), $2) RETURNING id)
            UPDATE projects SET snapshot_id = (SELECT id FROM made) WHERE id = $1"""


async def _list(api: Api, query: str = "", *, by: str = "ann") -> Any:
    answer = await api.call("GET", f"{OWN}{query}", by=by)
    assert answer.status == 200, answer
    return answer.body


async def _names(api: Api, query: str = "", *, by: str = "ann") -> list[str]:
    return [each["path_with_namespace"] for each in await _list(api, query, by=by)]


async def _pages(api: Api, query: str) -> list[str]:
    """The paths of all pages, as ``Link`` leads."""
    found, path = [], f"{OWN}{query}"
    while path:
        answer = await api.call("GET", path, by="ann")
        assert (answer.status, len(answer.body) <= 2) == (200, True), answer
        found += [each["path_with_namespace"] for each in answer.body]
        link = NEXT.search(answer.headers.get("Link", ""))
        path = link[1] if link else ""
    return found


async def _fill(api: Api, project: Project, user: User, content: bytes) -> None:
    dock = Dock(api.pool, api.folder)
    dock.store = api.store
    made = await dock.run_import(content, project_id=project.id, user_id=user.id)
    assert made.error is None


async def test_a_project_tells_what_it_has_and_its_last_jobs(api: Api, ann: User, project: Project) -> None:
    content = archive([*MINIMAL, ("tree/project/labels.ndjson", ndjson(*LABELS))])
    await _fill(api, project, ann, content)
    exported = await api.job(project, ann, ExportOrder())
    await api.failed(exported, "broken")
    newer = await api.job(project, ann, ExportOrder())
    await api.call("POST", f"{OWN}/{project.id}/snapshots", by="ann")

    (shown,) = await _list(api)

    assert (shown["id"], shown["path_with_namespace"]) == (project.id, "ann/project")
    assert (shown["empty"], shown["archived"], shown["visibility"]) == (False, False, "private")
    assert shown["relations"] == {"labels": 2}
    assert shown["size_bytes"] > 0
    assert shown["archive_bytes"] > 0
    assert shown["entries_count"] >= len(MINIMAL)
    assert shown["snapshots_count"] == 1
    assert shown["last_import"]["state"] in ("finished", "queued", "running")
    last = {"id": newer.id, "state": "queued", "finished_at": None, "username": "ann"}
    assert shown["last_export"].items() >= last.items()


async def test_a_project_without_content_has_no_sizes(api: Api, ann: User, project: Project) -> None:
    (shown,) = await _list(api)
    assert (shown["empty"], shown["relations"], shown["snapshots_count"]) == (True, {}, 0)
    assert [shown[name] for name in ("size_bytes", "archive_bytes", "entries_count")] == [None] * 3
    assert (shown["last_import"], shown["last_export"]) == (None, None)


async def test_an_export_is_downloaded_by_who_asked_for_it_as_long_as_it_is_kept(
    api: Api, ann: User, project: Project
) -> None:
    await api.user("root", is_admin=True)
    await _fill(api, project, ann, archive(MINIMAL))
    assert (await _list(api))[0]["download_url"] is None
    dock = Dock(api.pool, api.folder)
    dock.store = api.store
    await dock.run_export(project_id=project.id, user_id=ann.id)
    address = f"/api/v4/projects/{project.id}/export/download"
    found = [(await _list(api, by=by))[0]["download_url"] for by in ("ann", "root")]
    assert found == [address, None]
    assert (await api.call("GET", address, by="ann")).status == 200
    await api.pool.execute("UPDATE archives SET expires_at = now() - interval '1 second'")
    assert (await _list(api))[0]["download_url"] is None


async def test_a_project_tells_the_level_of_its_reader(api: Api, ann: User, project: Project) -> None:
    await api.member("max", project, AccessLevel.MAINTAINER)
    await api.user("root", is_admin=True)
    found = {by: (await _list(api, by=by))[0]["access_level"] for by in ("ann", "max", "root")}
    assert found == {"ann": 50, "max": 40, "root": 50}


async def test_projects_are_listed_to_those_who_administer_them(
    api: Api, ann: User, project: Project
) -> None:
    await api.member("max", project, AccessLevel.MAINTAINER)
    await api.member("dev", project, AccessLevel.DEVELOPER)
    root = await api.user("root", is_admin=True)
    await api.project(root, "other")

    found = {by: await _names(api, "?order_by=path", by=by) for by in ("ann", "max", "dev", "root")}

    mine = ["ann/project"]
    assert found == {"ann": mine, "max": mine, "dev": [], "root": ["ann/project", "root/other"]}
    assert (await api.call("GET", OWN)).status == 401


async def test_projects_are_found_by_a_part_of_their_path_and_by_namespace(api: Api, ann: User) -> None:
    await api.user("root", is_admin=True)
    await api.user("eve")
    await api.project(ann, "shop")
    group = await create_group(api.pool, "group", name="group")
    below = await create_group(api.pool, "below", name="below", parent=group)
    await add_member(api.pool, ann.id, namespace_id=group.id, level=AccessLevel.OWNER)
    new = store.NewProject(namespace_id=below.id, creator_id=ann.id, path="ship", name="ship")
    await store.create(api.pool, new)

    for by in ("ann", "root"):
        assert await _names(api, "?search=SHOP", by=by) == ["ann/shop"]
        assert await _names(api, "?search=below/s", by=by) == ["group/below/ship"]
        assert await _names(api, "?namespace=group", by=by) == ["group/below/ship"]
        assert await _names(api, f"?namespace={below.id}&search=shop", by=by) == []
    assert (await api.call("GET", f"{OWN}?namespace=group", by="eve")).status == 404


@pytest.mark.parametrize("sort", ["", "&sort=asc", "&sort=desc"])
@pytest.mark.parametrize(
    ("order", "rises"),
    [
        ("path", ["ann/a", "ann/b", "ann/c"]),
        ("size", ["ann/c", "ann/b", "ann/a"]),
        ("last_activity_at", ["ann/b", "ann/a", "ann/c"]),
        ("last_import_at", ["ann/b", "ann/c", "ann/a"]),
        ("last_export_at", ["ann/c", "ann/a", "ann/b"]),
    ],
)
async def test_projects_are_sorted_page_by_page(
    api: Api, ann: User, order: str, rises: list[str], sort: str
) -> None:
    a, b, c = [await api.project(ann, name) for name in "abc"]
    for each, size in ((a, 500), (b, 400)):
        await api.pool.execute(FILLED, each.id, size)
    for each, kind in ((c, ImportOrder()), (a, ImportOrder()), (a, ExportOrder()), (b, ExportOrder())):
        await api.job(each, ann, kind)
    for each in (b, a, c):
        await api.pool.execute("UPDATE projects SET archived = true WHERE id = $1", each.id)

    found = await _pages(api, f"?order_by={order}&per_page=2{sort}")

    is_ascending = sort == "&sort=asc" or (not sort and order == "path")
    assert found == (rises if is_ascending else rises[::-1])


def _cursor(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("order_by=name", "order_by does not have a valid value"),
        ("sort=up", "sort does not have a valid value"),
        ("per_page=101", "per_page must be between 1 and 100"),
        ("cursor=%C3%A4", "cursor is invalid"),
        ("cursor=AAAA", "cursor is invalid"),
        (f"cursor={_cursor(['a', 1])}", "cursor is invalid"),
        (f"cursor={_cursor([2**63, 1])}", "cursor is invalid"),
        (f"cursor={_cursor([1, 2**63])}", "cursor is invalid"),
        (f"order_by=path&cursor={_cursor([1, 1])}", "cursor is invalid"),
        (f"order_by=path&cursor={_cursor([chr(0), 1])}", "cursor is invalid"),
    ],
)
async def test_a_wrong_parameter_is_told_by_its_name(api: Api, ann: User, query: str, detail: str) -> None:
    answer = await api.call("GET", f"{OWN}?{query}", by="ann")
    assert (answer.status, json.loads(answer.body)["detail"]) == (400, detail)
