from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.accounts.models import User
from shared.accounts.namespaces import create_group, find_namespace
from shared.gitlab.visibility import Visibility
from tests.support.api import Answer, Api
from tests.support.projects import VERSION, Dock, archive
from tests.support.waiting import begun_and_waiting

NOT_FOUND = (404, {"message": "404 Group Not Found"})


@pytest.fixture(autouse=True)
async def ann(api: Api) -> User:
    return await api.user("ann")


async def _group(api: Api, path: str, **more: Any) -> Answer:
    return await api.post("/groups", by="ann", json={"name": path.capitalize(), "path": path} | more)


async def _put(api: Api, address: str, **values: Any) -> Answer:
    return await api.call("PUT", f"/api/v4{address}", by="ann", json=values)


async def _project(api: Api, path: str, namespace_id: int, visibility: str) -> Answer:
    given = {"path": path, "namespace_id": namespace_id, "visibility": visibility}
    return await api.post("/projects", by="ann", json=given)


async def test_a_group_is_private_unless_something_else_is_asked_for(api: Api) -> None:
    assert (await _group(api, "a")).body["visibility"] == "private"
    assert (await _group(api, "b", visibility="internal")).body["visibility"] == "internal"
    assert (await _put(api, "/groups/b", visibility="public")).body["visibility"] == "public"
    assert (await _put(api, "/groups/b", description="d")).body["visibility"] == "public"
    assert (await api.get("/groups/B", by="ann")).body["visibility"] == "public"
    for answer in (await _group(api, "c", visibility="x"), await _put(api, "/groups/b", visibility="x")):
        assert (answer.status, answer.body) == (400, {"error": "visibility does not have a valid value"})


@pytest.mark.parametrize(
    ("visibility", "user", "stranger"),
    [("private", False, False), ("internal", True, False), ("public", True, True)],
)
async def test_a_group_and_what_is_in_it_is_read_by_whom_it_is_visible_to(
    api: Api, visibility: str, *, user: bool, stranger: bool
) -> None:
    await api.user("bob")
    group = (await _group(api, "Grp", visibility=visibility)).body["id"]
    await _group(api, "sub", parent_id=group, visibility=visibility)
    await _project(api, "same", group, visibility)
    await _project(api, "private", group, "private")

    for by, sees in (("bob", user), (None, stranger)):
        for reference in ("grp", "%67RP", str(group)):
            answer = await api.get(f"/groups/{reference}", by=by)
            assert (answer.status == 200) if sees else ((answer.status, answer.body) == NOT_FOUND)
        projects = await api.get("/groups/grp/projects", by=by)
        subgroups = await api.get("/groups/grp/subgroups?all_available=true", by=by)
        below = await api.get("/groups/grp/descendant_groups?all_available=true", by=by)
        assert (below.status, below.body) == (subgroups.status, subgroups.body)
        if sees:
            assert ([each["path"] for each in projects.body], projects.headers["X-Total"]) == (["same"], "1")
            assert [each["path"] for each in subgroups.body] == ["sub"]
        else:
            assert (projects.status, projects.body) == NOT_FOUND
            assert (subgroups.status, subgroups.body) == NOT_FOUND


async def test_groups_of_others_are_listed_for_strangers_and_for_who_asks_for_all(api: Api) -> None:
    await api.user("bob")
    for visibility in ("private", "internal", "public"):
        await _group(api, visibility, visibility=visibility)

    async def listed(query: str, by: str | None) -> list[str]:
        answer = await api.get(f"/groups?{query}", by=by)
        assert answer.headers["X-Total"] == str(len(answer.body))
        return [each["path"] for each in answer.body]

    assert await listed("", None) == ["public"]
    assert await listed("", "bob") == []
    assert await listed("all_available=true", "bob") == ["internal", "public"]
    assert await listed("all_available=true&owned=true", "bob") == []
    assert await listed("", "ann") == ["internal", "private", "public"]
    assert (await api.get("/namespaces?search=public", by="bob")).body == []


async def test_who_sees_a_group_only_changes_nothing_and_puts_nothing_into_it(api: Api) -> None:
    await api.user("bob")
    group = (await _group(api, "grp", visibility="public")).body["id"]
    for method, address, status in (
        ("PUT", "/groups/grp", 403),
        ("DELETE", "/groups/grp", 403),
        ("PUT", "/groups/grp", 401),
        ("DELETE", "/groups/grp", 401),
    ):
        by = "bob" if status == 403 else None
        assert (await api.call(method, f"/api/v4{address}", by=by, json={"name": "x"})).status == status
    below = await api.post("/groups", by="bob", json={"name": "s", "path": "s", "parent_id": group})
    assert below.status == 403
    inside = await api.post("/projects", by="bob", json={"path": "p", "namespace_id": group})
    assert (inside.status, inside.body) == (404, {"message": "404 Namespace Not Found"})
    assert (await api.get("/namespaces/grp", by="bob")).status == 404
    assert (await api.get("/groups/grp/members")).status == 401


async def test_no_group_is_more_visible_than_the_one_above(api: Api) -> None:
    top = (await _group(api, "top", visibility="internal")).body["id"]
    text = "public is not allowed since the parent group has a internal visibility."

    made = await _group(api, "sub", parent_id=top, visibility="public")
    assert (made.status, made.body["message"]) == (
        400,
        f'Failed to save group {{:visibility_level=>["{text}"]}}',
    )
    await _group(api, "sub", parent_id=top, visibility="internal")
    changed = await _put(api, "/groups/top%2Fsub", visibility="public")
    assert (changed.status, changed.body) == (400, {"message": {"visibility_level": [text]}})
    lowered = await _put(api, "/groups/top", visibility="private")
    reason = "private is not allowed since there are sub-groups with higher visibility."
    assert (lowered.status, lowered.body) == (400, {"message": {"visibility_level": [reason]}})


async def test_no_project_is_more_visible_than_its_group(api: Api) -> None:
    group = (await _group(api, "grp", visibility="internal")).body["id"]
    refused = {"message": {"visibility_level": ["public is not allowed in a internal group."]}}

    made = await _project(api, "p", group, "public")
    assert (made.status, made.body) == (400, refused)
    assert (await _project(api, "p", group, "internal")).status == 201
    changed = await _put(api, "/projects/grp%2Fp", visibility="public")
    assert (changed.status, changed.body) == (400, refused)
    lowered = await _put(api, "/groups/grp", visibility="private")
    reason = "private is not allowed since this group contains projects with higher visibility."
    assert (lowered.status, lowered.body) == (400, {"message": {"visibility_level": [reason]}})


async def test_a_group_made_while_one_above_gets_less_visible_is_not_more_visible(api: Api) -> None:
    """Whoever comes second sees what the first one did, whichever it is."""
    top = (await _group(api, "top", visibility="public")).body["id"]
    parent = await find_namespace(api.pool, top)
    async with api.pool.acquire() as one:
        async with one.transaction():
            await create_group(one, "sub", name="Sub", parent=parent, visibility=Visibility.PUBLIC)
            late = await begun_and_waiting(one, _put(api, "/groups/top", visibility="private"))
        await asyncio.wait_for(late, 10)

    assert (await api.get("/groups/top", by="ann")).body["visibility"] == "public"


@pytest.mark.parametrize("overrides", [{}, {"visibility": "public"}])
async def test_an_import_is_at_most_as_visible_as_its_group(
    api: Api, ann: User, overrides: dict[str, str]
) -> None:
    group = (await _group(api, "grp", visibility="internal")).body["id"]
    made = (await _project(api, "p", group, "private")).body["id"]
    packed = archive([VERSION, ("tree/project.json", b'{"visibility_level":20}')])
    dock = Dock(api.pool, api.folder)

    await dock.run_import(packed, project_id=made, user_id=ann.id, override_params=overrides)

    assert (await api.get(f"/projects/{made}", by="ann")).body["visibility"] == "internal"
