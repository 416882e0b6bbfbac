from __future__ import annotations

from typing import Any

import pytest

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.database.pool import Pool
from shared.gitlab.visibility import Visibility
from shared.projects import store
from shared.projects.content import take_place
from shared.projects.models import Project
from shared.snapshots import lifecycle
from tests.support.api import EXTERNAL_URL, Api


async def _paths(api: Api, query: str, *, by: str = "ann") -> list[str]:
    answer = await api.get(f"/projects?{query}", by=by)
    assert answer.status == 200
    return sorted(project["path_with_namespace"] for project in answer.body)


async def test_lists_hold_what_the_caller_may_see(api: Api, ann: User) -> None:
    bob = await api.user("bob")
    await api.user("root", is_admin=True)
    await api.project(ann, "own")
    await api.project(bob, "private")
    await api.project(bob, "internal", visibility=Visibility.INTERNAL)
    top = await create_group(api.pool, "grp", name="Grp")
    sub = await create_group(api.pool, "sub", name="Sub", parent=top)
    await add_member(api.pool, ann.id, namespace_id=top.id, level=AccessLevel.REPORTER)
    await store.create(api.pool, store.NewProject(namespace_id=sub.id, creator_id=bob.id, path="p", name="p"))

    assert await _paths(api, "") == ["ann/own", "bob/internal", "grp/sub/p"]
    assert await _paths(api, "membership=True") == ["ann/own", "grp/sub/p"]
    assert await _paths(api, "owned=true") == ["ann/own"]
    assert await _paths(api, "search=NTER") == ["bob/internal"]
    assert await _paths(api, "search=%25") == []
    assert len(await _paths(api, "", by="root")) == 4
    assert (await api.get("/projects")).body == []
    await api.project(bob, "public", visibility=Visibility.PUBLIC)
    assert [each["path"] for each in (await api.get("/projects")).body] == ["public"]


async def test_lists_come_in_pages_and_the_page_behind_the_last_is_empty(api: Api, ann: User) -> None:
    for number in range(5):
        await api.project(ann, f"p{number}")
    query = "simple=True&membership=True&per_page=2&private_token=x"
    api_headers = {"PRIVATE-TOKEN": api.tokens["ann"]}

    pages = [await api.get(f"/projects?{query}&page={page}", headers=api_headers) for page in (1, 2, 3, 4)]

    assert [len(page.body) for page in pages] == [2, 2, 1, 0]
    names = ("X-Page", "X-Per-Page", "X-Total", "X-Total-Pages", "X-Next-Page", "X-Prev-Page")
    assert [pages[1].headers[name] for name in names] == ["2", "2", "5", "3", "3", "1"]
    assert [pages[2].headers[name] for name in names] == ["3", "2", "5", "3", "", "2"]
    link = pages[1].headers["Link"]
    assert (
        f'<{EXTERNAL_URL}/api/v4/projects?simple=True&membership=True&per_page=2&page=3>; rel="next"' in link
    )
    assert "private_token" not in link
    assert pages[3].headers["X-Next-Page"] == ""


@pytest.mark.usefixtures("ann")
async def test_a_project_is_made_shown_and_deleted(api: Api) -> None:
    made = await api.post(
        "/projects", by="ann", json={"name": "My Project", "description": "d", "visibility": "internal"}
    )

    assert made.status == 201
    shown = await api.get("/projects/ann%2Fmy-project", by="ann")
    expected = {
        "name": "My Project",
        "path": "my-project",
        "description": "d",
        "visibility": "internal",
        "web_url": f"{EXTERNAL_URL}/ann/my-project",
    }
    assert {key: shown.body[key] for key in expected} == expected
    assert shown.body["import_status"] == "none"
    assert made.body.items() <= shown.body.items()
    deleted = await api.call("DELETE", f"/api/v4/projects/{made.body['id']}", by="ann")
    assert (deleted.status, deleted.body) == (202, {"message": "202 Accepted"})
    assert (await api.get("/projects/ann%2Fmy-project", by="ann")).status == 404


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        (
            {},
            400,
            {"error": "name, path are missing, at least one parameter must be provided"},
        ),
        ({"path": "taken"}, 400, {"message": {"path": ["has already been taken"]}}),
        ({"path": "free", "name": "taken"}, 400, {"message": {"name": ["has already been taken"]}}),
        ({"name": "x", "visibility": "secret"}, 400, {"error": "visibility does not have a valid value"}),
        ({"name": "x", "namespace_id": 4711}, 404, {"message": "404 Namespace Not Found"}),
    ],
)
async def test_a_project_that_cannot_be_made_is_refused(
    api: Api, ann: User, given: dict[str, Any], status: int, body: object
) -> None:
    await api.project(ann, "taken")

    answer = await api.post("/projects", by="ann", json=given)

    assert (answer.status, answer.body) == (status, body)


async def test_only_owners_delete(api: Api, ann: User) -> None:
    project = await api.project(ann)
    await api.member("bob", project, AccessLevel.MAINTAINER)

    answer = await api.call("DELETE", f"/api/v4/projects/{project.id}", by="bob")

    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})


async def test_groups_are_made_and_found_by_id_and_path(api: Api, ann: User) -> None:
    top = (await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp"})).body
    sub = await api.post("/groups", by="ann", json={"name": "Sub", "path": "sub", "parent_id": top["id"]})

    assert (sub.status, sub.body["full_path"], sub.body["full_name"]) == (201, "grp/sub", "Grp / Sub")
    assert (await api.get("/groups/grp%2Fsub", by="ann")).body == sub.body
    assert [group["full_path"] for group in (await api.get("/groups", by="ann")).body] == ["grp", "grp/sub"]
    namespaces = (await api.get("/namespaces", by="ann")).body
    assert [(each["kind"], each["full_path"]) for each in namespaces] == [
        ("user", "ann"),
        ("group", "grp"),
        ("group", "grp/sub"),
    ]
    by_path = await api.get("/namespaces/grp", by="ann")
    assert (by_path.status, by_path.body["id"]) == (200, top["id"])
    assert (await api.get("/groups/ann", by=ann.username)).status == 404


@pytest.mark.usefixtures("ann")
async def test_groups_of_others_are_not_seen(api: Api) -> None:
    group = (await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp"})).body
    await api.user("eve")

    assert (await api.get("/groups/grp", by="eve")).body == {"message": "404 Group Not Found"}
    assert (await api.get("/namespaces/grp", by="eve")).body == {"message": "404 Namespace Not Found"}
    answer = await api.post("/groups", by="eve", json={"name": "x", "path": "x", "parent_id": group["id"]})
    assert answer.status == 404
    taken = await api.post("/groups", by="eve", json={"name": "x", "path": "GRP"})
    assert taken.status == 400


@pytest.mark.usefixtures("ann")
async def test_the_version_is_told_to_users(api: Api) -> None:
    assert (await api.get("/version", by="ann")).body == {"version": "18.9.0", "revision": "crossdock"}
    assert (await api.get("/metadata", by="ann")).body["enterprise"] is False
    assert (await api.get("/version")).status == 401


@pytest.mark.parametrize("rest", ["", "/issues"])
async def test_a_project_that_is_replaced_during_a_request_for_its_path_is_the_new_one(
    api: Api, ann: User, project: Project, monkeypatch: pytest.MonkeyPatch, rest: str
) -> None:
    new = await api.project(ann, "new")
    current_content = lifecycle.current_content

    async def replaced_first(pool: Pool, project_id: int) -> object:
        async with pool.acquire() as db, db.transaction():
            await take_place(db, new.id, path=project.path, user_id=ann.id)
        return await current_content(pool, project_id)

    monkeypatch.setattr(lifecycle, "current_content", replaced_first)
    answer = await api.get(f"/projects/{project.full_path.replace('/', '%2F')}{rest}", by="ann")
    assert (answer.status, answer.body if rest else answer.body["id"]) == (200, [] if rest else new.id)
