from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.accounts.members import MemberSource, remove_member
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.projects.models import Project
from tests.support.api import Answer, Api
from tests.support.waiting import begun_and_waiting

NOT_A_LEVEL = "is not included in the list"
FORBIDDEN = {"message": "403 Forbidden"}


@pytest.fixture
async def bob(api: Api) -> User:
    return await api.user("bob")


@pytest.fixture
async def grp(api: Api, ann: User) -> int:
    answer = await api.post("/groups", by=ann.username, json={"name": "Grp", "path": "grp"})
    return int(answer.body["id"])


async def _put(api: Api, path: str, by: str = "ann", **values: Any) -> Answer:
    return await api.call("PUT", f"/api/v4{path}", by=by, json=values)


async def _delete(api: Api, path: str, by: str = "ann") -> Answer:
    return await api.call("DELETE", f"/api/v4{path}", by=by)


def _levels(answer: Answer) -> dict[str, int]:
    return {member["username"]: member["access_level"] for member in answer.body}


async def test_members_of_a_project_come_change_and_go(api: Api, project: Project, bob: User) -> None:
    members = f"/projects/{project.id}/members"

    made = await api.post(members, by="ann", json={"user_id": bob.id, "access_level": 30})

    assert (made.status, made.body["username"], made.body["access_level"]) == (201, "bob", 30)
    assert (made.body["expires_at"], made.body["state"]) == (None, "active")
    listed = await api.get(members, by="bob")
    assert (_levels(listed), listed.headers["X-Total"]) == ({"ann": 50, "bob": 30}, "2")
    assert (await api.get(f"{members}/{bob.id}", by="ann")).body == made.body
    changed = await _put(api, f"{members}/{bob.id}", access_level=40)
    assert (changed.status, changed.body["access_level"]) == (200, 40)
    gone = await _delete(api, f"{members}/{bob.id}")
    assert (gone.status, gone.body) == (204, b"")
    assert (await api.get(f"{members}/{bob.id}", by="ann")).body == {"message": "404 Not found"}
    assert (await api.get(f"/projects/{project.id}", by="bob")).status == 404


async def test_a_planner_is_more_than_a_guest_and_less_than_a_reporter(
    api: Api, project: Project, bob: User
) -> None:
    new = {"user_id": bob.id, "access_level": 15}
    made = await api.post(f"/projects/{project.id}/members", by="ann", json=new)
    assert (made.status, made.body["access_level"]) == (201, 15)
    for level, seen in ((10, [project.id]), (15, [project.id]), (20, [])):
        listed = await api.get(f"/projects?min_access_level={level}", by="bob")
        assert [each["id"] for each in listed.body] == seen


async def test_members_of_a_group_come_by_name_and_count_below_it(api: Api, grp: int, bob: User) -> None:
    sub = await api.post("/groups", by="ann", json={"name": "Sub", "path": "sub", "parent_id": grp})
    made = await api.post(f"/groups/{grp}/members", by="ann", data={"username": "BOB", "access_level": "30"})
    assert made.status == 201
    path = f"/groups/{sub.body['id']}/members"

    assert _levels(await api.get(path, by="bob")) == {"ann": 50}
    assert _levels(await api.get(f"{path}/all", by="bob")) == {"ann": 50, "bob": 30}
    assert _levels(await api.get(f"{path}/all?query=bo", by="bob")) == {"bob": 30}
    assert (await api.get(f"{path}/all/{bob.id}", by="ann")).status == 200
    assert (await api.get(f"{path}/{bob.id}", by="ann")).status == 404
    project = await api.post("/projects", by="ann", json={"path": "p", "namespace_id": sub.body["id"]})
    below = f"/projects/{project.body['id']}/members"
    assert _levels(await api.get(below, by="ann")) == {}
    assert _levels(await api.get(f"{below}/all", by="ann")) == {"ann": 50, "bob": 30}


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        ({"user_id": 4711, "access_level": 30}, 404, {"message": "404 User Not Found"}),
        ({"username": "ann", "access_level": 30}, 409, {"message": "Member already exists"}),
        ({"username": "bob", "access_level": 30}, 409, {"message": "Member already exists"}),
        ({"username": "bob"}, 400, {"error": "access_level is missing"}),
        ({"username": "bob", "access_level": 7}, 400, {"message": {"access_level": [NOT_A_LEVEL]}}),
        ({"user_id": 1, "access_level": 30, "expires_at": "soon"}, 400, {"error": "expires_at is invalid"}),
        (
            {"username": "bob", "access_level": 30, "expires_at": "2001-01-01"},
            400,
            {"message": {"expires_at": ["cannot be a date in the past"]}},
        ),
        (
            {"access_level": 30},
            400,
            {"error": "user_id, username are missing, exactly one parameter must be provided"},
        ),
    ],
)  # fmt: skip
async def test_a_member_who_cannot_be_added_is_refused(
    api: Api, project: Project, given: dict[str, Any], status: int, body: object
) -> None:
    await api.member("bob", project, AccessLevel.GUEST)

    answer = await api.post(f"/projects/{project.id}/members", by="ann", json=given)

    assert (answer.status, answer.body) == (status, body)


async def test_nobody_gives_or_takes_more_than_he_has(api: Api, project: Project) -> None:
    members = f"/projects/{project.id}/members"
    await api.member("bob", project, AccessLevel.MAINTAINER)
    owner = await api.member("olga", project, AccessLevel.OWNER)
    dave = await api.member("dave", project, AccessLevel.DEVELOPER)
    await api.user("eve")

    for answer in (
        await api.post(members, by="bob", json={"username": "eve", "access_level": 50}),
        await _put(api, f"{members}/{owner.id}", by="bob", access_level=30),
        await _put(api, f"{members}/{dave.id}", by="bob", access_level=50),
        await _delete(api, f"{members}/{owner.id}", by="bob"),
        await api.post(members, by="dave", json={"username": "eve", "access_level": 10}),
    ):
        assert (answer.status, answer.body) == (403, FORBIDDEN)
    assert (await api.post(members, by="bob", json={"username": "eve", "access_level": 40})).status == 201
    assert (await _delete(api, f"{members}/{dave.id}", by="dave")).status == 204
    assert (await api.post(members, json={"username": "eve", "access_level": 10})).status == 401


async def test_the_owner_of_a_personal_project_stays_it(api: Api, ann: User, project: Project) -> None:
    path = f"/projects/{project.id}/members/{ann.id}"

    for answer in (await _put(api, path, access_level=10), await _delete(api, path)):
        assert (answer.status, answer.body) == (403, FORBIDDEN)


async def test_members_of_groups_are_changed_by_owners_only(api: Api, grp: int, bob: User) -> None:
    await add_member(api.pool, bob.id, namespace_id=grp, level=AccessLevel.MAINTAINER)

    answer = await api.post(f"/groups/{grp}/members", by="bob", json={"username": "ann", "access_level": 10})

    assert (answer.status, answer.body) == (403, FORBIDDEN)


async def test_a_group_keeps_an_owner(api: Api, ann: User, grp: int) -> None:
    path = f"/groups/{grp}/members/{ann.id}"

    assert (await _put(api, path, access_level=40)).status == 403
    assert (await _delete(api, path)).status == 403
    assert _levels(await api.get(f"/groups/{grp}/members", by="ann")) == {"ann": 50}


async def test_two_owners_who_leave_at_once_do_not_both_leave(
    api: Api, ann: User, bob: User, grp: int
) -> None:
    await add_member(api.pool, bob.id, namespace_id=grp, level=AccessLevel.OWNER)
    source = MemberSource(namespace_id=grp)
    async with api.pool.acquire() as one:
        async with one.transaction():
            await remove_member(one, source, ann.id)
            late = await begun_and_waiting(
                one, api.call("DELETE", f"/api/v4/groups/{grp}/members/{bob.id}", by="bob")
            )
        answer = await late

    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (403, FORBIDDEN)


async def test_a_membership_ends_on_its_day(api: Api, project: Project, bob: User) -> None:
    members = f"/projects/{project.id}/members"
    ends = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    given = {"username": "bob", "access_level": 30, "expires_at": ends}
    made = await api.post(members, by="ann", json=given)
    assert made.body["expires_at"] == ends
    assert (await _put(api, f"{members}/{bob.id}", access_level=40)).body["expires_at"] == ends
    assert (await api.get(f"/projects/{project.id}", by="bob")).status == 200

    await api.pool.execute("UPDATE memberships SET expires_at = $1", date(2001, 1, 1))

    assert (await api.get(f"/projects/{project.id}", by="bob")).status == 404
    assert (await api.get("/projects", by="bob")).body == []
    assert _levels(await api.get(members, by="ann")) == {"ann": 50}
    again = await api.post(members, by="ann", json={"username": "bob", "access_level": 20})
    assert (again.status, again.body["expires_at"]) == (201, None)
