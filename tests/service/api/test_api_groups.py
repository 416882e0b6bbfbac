from __future__ import annotations

from typing import Any

import pytest

from shared.accounts.groups import GroupChanges, change_group
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group, find_namespace, find_namespace_by_path
from tests.support.api import EXTERNAL_URL, Answer, Api
from tests.support.waiting import begun_and_waiting


@pytest.fixture
async def grp(api: Api, ann: User) -> int:
    return int((await _group(api, "grp")).body["id"])


async def _group(api: Api, path: str, *, by: str = "ann", **more: Any) -> Answer:
    return await api.post("/groups", by=by, json={"name": path.capitalize(), "path": path} | more)


async def _project(api: Api, path: str, namespace_id: int) -> int:
    made = await api.post("/projects", by="ann", json={"path": path, "namespace_id": namespace_id})
    return int(made.body["id"])


async def _put(api: Api, address: str, by: str = "ann", **values: Any) -> Answer:
    return await api.call("PUT", f"/api/v4{address}", by=by, json=values)


async def test_a_group_that_moves_takes_all_below_it_along(api: Api, grp: int) -> None:
    sub = (await _group(api, "sub", parent_id=grp)).body["id"]
    project = await _project(api, "p", sub)

    answer = await _put(api, "/groups/grp", name="New", path="moved", description="d")

    assert (answer.status, answer.body["full_path"], answer.body["description"]) == (200, "moved", "d")
    shown = (await api.get(f"/projects/{project}", by="ann")).body
    assert (shown["path_with_namespace"], shown["name_with_namespace"]) == ("moved/sub/p", "New / Sub / p")
    assert (await api.get("/groups/moved%2Fsub", by="ann")).body["id"] == sub
    moved = await api.get("/projects/grp%2Fsub%2Fp", by="ann", allow_redirects=False)
    assert moved.headers["Location"] == f"{EXTERNAL_URL}/api/v4/projects/{project}"
    assert (await api.get("/groups/grp", by="ann")).status == 404


async def test_a_change_of_a_group_that_cannot_be_is_refused(api: Api, grp: int) -> None:
    await _group(api, "other")

    taken = await _put(api, f"/groups/{grp}", path="OTHER")
    assert (taken.status, taken.body) == (400, {"message": {"path": ["has already been taken"]}})
    bad = await _put(api, f"/groups/{grp}", path="-")
    assert (bad.status, list(bad.body["message"])) == (400, ["path"])
    assert (await api.get("/groups/grp", by="ann")).status == 200


async def test_groups_are_changed_and_deleted_by_owners_only(api: Api, grp: int) -> None:
    bob = await api.user("bob")
    await add_member(api.pool, bob.id, namespace_id=grp, level=AccessLevel.MAINTAINER)
    project = await _project(api, "p", grp)

    assert (await _put(api, f"/groups/{grp}", by="bob", name="x")).status == 403
    assert (await api.call("DELETE", f"/api/v4/groups/{grp}", by="bob")).status == 403
    deleted = await api.call("DELETE", f"/api/v4/groups/{grp}", by="ann")
    assert (deleted.status, deleted.body) == (202, {"message": "202 Accepted"})
    assert (await api.get(f"/projects/{project}", by="ann")).status == 404


async def test_a_group_made_while_one_above_moves_gets_the_new_path(api: Api, grp: int) -> None:
    sub = (await _group(api, "sub", parent_id=grp)).body["id"]
    parent = await find_namespace(api.pool, sub)
    async with api.pool.acquire() as one:
        async with one.transaction():
            await change_group(one, grp, GroupChanges(path="moved"))
            late = await begun_and_waiting(one, create_group(api.pool, "late", name="Late", parent=parent))
        await late

    assert await find_namespace_by_path(api.pool, "moved/sub/late") is not None


async def test_what_is_in_a_group_is_listed(api: Api, grp: int) -> None:
    sub = (await _group(api, "sub", parent_id=grp)).body["id"]
    await _group(api, "other")
    await _project(api, "a", grp)
    await _project(api, "b", sub)

    own = await api.get("/groups/grp/projects?simple=true", by="ann")
    assert [each["path_with_namespace"] for each in own.body] == ["grp/a"]
    assert (own.headers["X-Total"], own.headers["X-Page"]) == ("1", "1")
    assert f"{EXTERNAL_URL}/api/v4/groups/grp/projects?" in own.headers["Link"]
    every = await api.get(f"/groups/{grp}/projects?include_subgroups=True", by="ann")
    assert [each["path_with_namespace"] for each in every.body] == ["grp/sub/b", "grp/a"]
    subgroups = await api.get("/groups/grp/subgroups", by="ann")
    assert [each["full_path"] for each in subgroups.body] == ["grp/sub"]
    top = await api.get("/groups?top_level_only=true", by="ann")
    assert [each["full_path"] for each in top.body] == ["grp", "other"]
    for path in ("projects", "subgroups", "descendant_groups"):
        assert (await api.get(f"/groups/4711/{path}", by="ann")).body == {"message": "404 Group Not Found"}
        answer = await api.get(f"/groups/grp/{path}")
        assert (answer.status, answer.body) == (404, {"message": "404 Group Not Found"})


async def test_the_groups_below_a_group_are_listed_at_any_depth_and_in_any_order(api: Api, grp: int) -> None:
    one = (await _group(api, "a", parent_id=grp, name="Second")).body["id"]
    two = (await _group(api, "c", parent_id=one, name="Third")).body["id"]
    three = (await _group(api, "b", parent_id=two, name="First")).body["id"]
    await _group(api, "aside")

    for query, expected in (
        ("", [three, one, two]),
        ("sort=desc", [two, one, three]),
        ("order_by=path", [one, three, two]),
        ("order_by=id&sort=desc", [three, two, one]),
        ("order_by=similarity&search=r", [three, two]),
    ):
        answer = await api.get(f"/groups/grp/descendant_groups?{query}", by="ann")
        assert [each["id"] for each in answer.body] == expected
    page = await api.get("/groups/grp/descendant_groups?per_page=2&page=2", by="ann")
    assert ([each["id"] for each in page.body], page.headers["X-Total"]) == ([two], "3")
    refused = await api.get("/groups/grp/descendant_groups?order_by=x", by="ann")
    assert (refused.status, refused.body) == (400, {"error": "order_by does not have a valid value"})


async def test_groups_are_filtered_by_the_callers_own_level(api: Api, grp: int) -> None:
    await api.user("root", is_admin=True)
    bob = await api.user("bob")
    await add_member(api.pool, bob.id, namespace_id=grp, level=AccessLevel.DEVELOPER)

    for by, query, count in (
        ("bob", "min_access_level=30", 1),
        ("bob", "min_access_level=40", 0),
        ("bob", "owned=true", 0),
        ("ann", "owned=true", 1),
        ("root", "owned=true", 0),
        ("root", "", 1),
    ):
        assert len((await api.get(f"/groups?{query}", by=by)).body) == count


@pytest.mark.usefixtures("grp")
async def test_no_group_is_made_in_a_users_own_namespace(api: Api, ann: User) -> None:
    own = await api.pool.fetchval("SELECT id FROM namespaces WHERE owner_id = $1", ann.id)

    answer = await _group(api, "sub", parent_id=own)

    assert (answer.status, answer.body) == (404, {"message": "404 Group Not Found"})


async def test_whether_a_path_is_taken_is_told_with_one_that_is_free(api: Api, grp: int) -> None:
    await _group(api, "grp1")
    await _group(api, "sub", parent_id=grp)
    for path, exists, suggests in (
        ("GRP/exists", True, ["GRP2"]),
        ("free/exists", False, []),
        ("sub/exists", False, []),
        (f"sub/exists?parent_id={grp}", True, ["sub1"]),
    ):
        answer = await api.get(f"/namespaces/{path}", by="ann")
        assert (answer.status, answer.body) == (200, {"exists": exists, "suggests": suggests})
    assert (await api.get("/namespaces/grp/exists")).status == 401
