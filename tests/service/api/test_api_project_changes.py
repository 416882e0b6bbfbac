from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from shared.accounts.models import AccessLevel, User
from shared.gitlab.visibility import Visibility
from shared.projects.content import project_content
from shared.projects.models import Project
from tests.support.api import EXTERNAL_URL, Answer, Api
from tests.support.snapshots import Pusher
from tests.support.waiting import begun_and_waiting, until


async def _put(api: Api, address: str, by: str, **values: Any) -> Answer:
    return await api.call("PUT", f"/api/v4{address}", by=by, json=values)


async def test_a_project_is_changed_and_exported_as_it_is_now(api: Api, project: Project) -> None:
    values = {"name": "New Name", "description": "new", "visibility": "internal"}

    answer = await _put(api, f"/projects/{project.id}", "ann", **values)

    assert answer.status == 200
    assert {key: answer.body[key] for key in values} == values
    assert answer.body["path_with_namespace"] == "ann/project"
    assert (await api.get(f"/projects/{project.id}", by="ann")).body == answer.body
    content = await project_content(api.pool, project.id)
    assert content.overrides == {"description": "new", "visibility": "internal"}


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"path": "taken"}, {"message": {"path": ["has already been taken"]}}),
        ({"name": "taken"}, {"message": {"name": ["has already been taken"]}}),
        ({"name": ""}, {"message": {"name": ["Name can't be blank"]}}),
        ({"visibility": "secret"}, {"error": "visibility does not have a valid value"}),
    ],
)
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    api: Api, ann: User, project: Project, given: dict[str, Any], body: object
) -> None:
    await api.project(ann, "taken")

    answer = await _put(api, f"/projects/{project.id}", "ann", description="new", **given)

    assert (answer.status, answer.body) == (400, body)
    assert (await api.get(f"/projects/{project.id}", by="ann")).body["description"] is None
    assert await api.pool.fetchval("SELECT count(*) FROM old_paths") == 0


async def test_a_change_of_nothing_is_refused(api: Api, project: Project) -> None:
    answer = await _put(api, f"/projects/{project.id}", "ann")

    assert answer.status == 400
    assert answer.body["error"].endswith("at least one parameter must be provided")


@pytest.mark.parametrize(
    ("level", "given", "status"),
    [
        (AccessLevel.DEVELOPER, {"description": "x"}, 403),
        (AccessLevel.MAINTAINER, {"description": "x"}, 200),
        (AccessLevel.MAINTAINER, {"path": "x"}, 200),
        (AccessLevel.MAINTAINER, {"name": "x"}, 403),
        (AccessLevel.MAINTAINER, {"visibility": "public"}, 403),
        (AccessLevel.OWNER, {"name": "x", "visibility": "public"}, 200),
    ],
)
async def test_names_and_visibility_are_for_owners(
    api: Api, project: Project, level: AccessLevel, given: dict[str, Any], status: int
) -> None:
    await api.member("bob", project, level)

    assert (await _put(api, f"/projects/{project.id}", "bob", **given)).status == status


async def test_only_owners_archive(api: Api, project: Project) -> None:
    await api.member("bob", project, AccessLevel.MAINTAINER)
    path = f"/projects/{project.id}"

    assert (await api.post(f"{path}/archive", by="bob")).status == 403
    archived = await api.post(f"{path}/archive", by="ann")
    assert (archived.status, archived.body["archived"]) == (201, True)
    for query, count in (("archived=true", 1), ("archived=false", 0), ("", 1)):
        assert len((await api.get(f"/projects?{query}", by="ann")).body) == count
    back = await api.post(f"{path}/unarchive", by="ann")
    assert (back.status, back.body["archived"]) == (201, False)


async def test_an_old_path_leads_to_the_project(api: Api, project: Project) -> None:
    await _put(api, f"/projects/{project.id}", "ann", path="renamed")

    answer = await api.get("/projects/ANN%2fproject/export?x=1", by="ann", allow_redirects=False)

    assert answer.status == 301
    assert answer.headers["Location"] == f"{EXTERNAL_URL}/api/v4/projects/{project.id}/export?x=1"
    assert answer.headers["Content-Type"].startswith("text/plain")
    refused = await api.post("/projects/ann%2Fproject/export", by="ann")
    text = "Non GET methods are not allowed for moved projects"
    assert (refused.status, refused.body) == (405, {"message": text})
    assert (await api.get("/projects/ann%2Frenamed/export", by="ann")).status == 200


async def test_an_old_path_tells_strangers_nothing(api: Api, project: Project) -> None:
    await api.user("eve")
    await _put(api, f"/projects/{project.id}", "ann", path="renamed")

    answer = await api.get("/projects/ann%2Fproject", by="eve", allow_redirects=False)

    assert (answer.status, answer.body) == (404, {"message": "404 Project Not Found"})


async def test_a_project_at_the_old_path_of_another_is_found_itself(
    api: Api, ann: User, project: Project
) -> None:
    await _put(api, f"/projects/{project.id}", "ann", path="renamed", name="renamed")
    other = await api.project(ann)

    assert (await api.get("/projects/ann%2Fproject", by="ann")).body["id"] == other.id


async def test_a_path_that_was_had_twice_leads_to_who_had_it_last(
    api: Api, ann: User, project: Project
) -> None:
    await _put(api, f"/projects/{project.id}", "ann", path="first", name="first")
    second = await api.project(ann)
    await _put(api, f"/projects/{second.id}", "ann", path="second")

    answer = await api.get("/projects/ann%2Fproject", by="ann", allow_redirects=False)

    assert answer.headers["Location"].endswith(f"/projects/{second.id}")


async def test_a_project_and_a_group_cannot_have_one_path(api: Api, ann: User) -> None:
    group = (await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp"})).body
    below = {"parent_id": group["id"]}
    await api.post("/groups", by="ann", json={"name": "Sub", "path": "sub"} | below)

    project = await api.post("/projects", by="ann", json={"path": "SUB", "namespace_id": group["id"]})
    assert (project.status, project.body) == (400, {"message": {"path": ["has already been taken"]}})
    free = await api.post("/projects", by="ann", json={"path": "free", "namespace_id": group["id"]})
    again = await api.post("/groups", by="ann", json={"name": "Free", "path": "Free"} | below)
    text = 'Failed to save group {:path=>["has already been taken"]}'
    assert (again.status, again.body) == (400, {"message": text})
    renamed = await _put(api, f"/projects/{free.body['id']}", ann.username, path="sub")
    assert renamed.body == {"message": {"path": ["has already been taken"]}}


@pytest.mark.usefixtures("ann")
async def test_a_project_and_a_group_made_at_once_do_not_get_one_path(api: Api) -> None:
    group = (await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp"})).body["id"]

    new_group = "INSERT INTO namespaces (kind, parent_id, path, name) VALUES ('group', $1, 'X', 'X')"
    async with api.pool.acquire() as one:
        async with one.transaction():
            await one.execute("INSERT INTO projects (namespace_id, path, name) VALUES ($1, 'x', 'x')", group)
            late = await begun_and_waiting(one, api.pool.execute(new_group, group))
        with pytest.raises(asyncpg.UniqueViolationError):
            await late


async def test_projects_are_filtered_and_sorted(api: Api, ann: User) -> None:
    await api.project(ann, "b")
    await api.project(ann, "a", visibility=Visibility.PUBLIC)
    for query, names in (
        ("order_by=name&sort=asc", ["a", "b"]),
        ("order_by=path", ["b", "a"]),
        ("order_by=star_count", ["a", "b"]),
        ("visibility=public", ["a"]),
        ("min_access_level=50", ["a", "b"]),
    ):
        listed = await api.get(f"/projects?{query}", by="ann")
        assert [each["path"] for each in listed.body] == names
    wrong = await api.get("/projects?order_by=nothing&min_access_level=7", by="ann")
    assert wrong.body == {
        "error": "order_by does not have a valid value, min_access_level does not have a valid value"
    }


async def test_the_last_activity_is_the_last_change_of_content_or_attributes(api: Api, ann: User) -> None:
    first = await api.project(ann, "first")
    await api.project(ann, "second")
    made = await _activity(api, first.id)
    await _put(api, f"/projects/{first.id}", "ann", description="new")
    described = await _activity(api, first.id)
    assert made < described
    await _put(api, f"/projects/{first.id}", "ann", description="new")
    assert await _activity(api, first.id) == described  # nothing has changed
    await Pusher(api, first, ann).pushed(project=b"{}")
    assert described < await _activity(api, first.id)


async def test_projects_are_filtered_and_sorted_by_their_last_activity(api: Api, ann: User) -> None:
    first = await api.project(ann, "first")
    await api.project(ann, "second")
    between = await _activity(api, (await api.project(ann, "third")).id)
    await api.pool.execute("DELETE FROM projects WHERE path = 'third'")
    await until(
        lambda: api.pool.fetchval(
            "SELECT clock_timestamp() > $1::text::timestamptz + interval '1 ms'", between
        )
    )
    await _put(api, f"/projects/{first.id}", "ann", description="new")
    for query, names in (
        ("order_by=last_activity_at", ["first", "second"]),
        ("order_by=updated_at&sort=asc", ["second", "first"]),
        ("last_activity_after={}", ["first"]),
        ("last_activity_before={}", ["second"]),
    ):
        listed = await api.get(f"/projects?{query.format(between)}", by="ann")
        assert [each["path"] for each in listed.body] == names
    wrong = await api.get("/projects?last_activity_after=yesterday", by="ann")
    assert wrong.body == {"error": "last_activity_after is invalid"}


async def _activity(api: Api, project: int) -> str:
    return str((await api.get(f"/projects/{project}", by="ann")).body["last_activity_at"])
