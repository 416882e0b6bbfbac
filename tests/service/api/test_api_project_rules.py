"""What a project may be, and how many of them a user may have, wherever projects are made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.accounts.models import User
from shared.projects.content import apply_attributes
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import HEADERS, Part, form_body

LIMITED = "You've reached your limit of 1 projects created. Contact your GitLab administrator."
NONE_AT_ALL = "You cannot create projects in your personal namespace. Contact your GitLab administrator."
LONG = "x" * 2001
TOO_LONG = "Description is too long (maximum is 2000 characters)"


@pytest.fixture
async def root(api: Api) -> User:
    return await api.user("root", is_admin=True)


async def _limited(api: Api, limit: int) -> None:
    given = {"username": "ann", "name": "Ann", "email": "ann@example.com", "reset_password": True}
    made = await api.post("/users", by="root", json=given | {"projects_limit": limit})
    assert (made.status, made.body["projects_limit"]) == (201, limit)
    token = {"name": "t", "scopes": ["api"]}
    path = f"/users/{made.body['id']}/personal_access_tokens"
    api.tokens["ann"] = (await api.post(path, by="root", json=token)).body["token"]


async def _import(api: Api, path: str, **fields: str) -> Answer:
    parts = [Part(name, text) for name, text in {"path": path, **fields}.items()]
    body = form_body([*parts, Part("file", ARCHIVE, "x.tar.gz")])
    return await api.post("/projects/import", by="ann", data=body, headers=HEADERS)


@pytest.mark.usefixtures("root")
async def test_who_may_have_no_projects_imports_and_makes_none(api: Api) -> None:
    await _limited(api, 0)

    imported, made = await _import(api, "p"), await api.post("/projects", by="ann", json={"path": "p"})

    assert (imported.status, imported.body) == (400, {"message": f"Limit reached {NONE_AT_ALL}"})
    assert (made.status, made.body) == (400, {"message": {"limit_reached": [NONE_AT_ALL]}})
    assert await api.objects_left() == 0


@pytest.mark.usefixtures("root")
async def test_the_limit_holds_for_requests_at_once_and_not_in_groups(api: Api) -> None:
    await _limited(api, 1)

    answers = await asyncio.gather(*(_import(api, f"p{number}") for number in range(4)))

    assert sorted(answer.status for answer in answers) == [201, 400, 400, 400]
    assert {"message": f"Limit reached {LIMITED}"} in [answer.body for answer in answers]
    group = (await api.post("/groups", by="ann", json={"name": "g", "path": "grp"})).body
    assert (await _import(api, "p", namespace_id=str(group["id"]))).status == 201


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("limit", [-1, 2**31])
async def test_a_limit_of_projects_has_bounds(api: Api, limit: int) -> None:
    given = {"username": "ann", "name": "Ann", "email": "a@example.com", "reset_password": True}

    answer = await api.post("/users", by="root", json=given | {"projects_limit": limit})

    expected = {"message": {"projects_limit": ["must be between 0 and 2147483647"]}}
    assert (answer.status, answer.body) == (400, expected)


async def test_a_description_has_2000_characters_at_the_most(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    path = f"/projects/{project.id}"
    answers = [
        await api.post("/projects", by="ann", json={"path": "p", "description": LONG}),
        await api.call("PUT", f"/api/v4{path}", by="ann", json={"description": LONG}),
        await _import(api, "q", **{"override_params[description]": LONG}),
    ]

    assert [answer.status for answer in answers] == [400] * 3
    of_one: dict[str, Any] = {"message": {"description": [TOO_LONG]}}
    assert [answer.body for answer in answers] == [of_one, of_one, {"message": TOO_LONG}]
    assert (await _import(api, "q", **{"override_params[description]": LONG[1:]})).status == 201


async def test_a_project_shows_what_an_import_overrode(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    overrides = {"topics": ["a", "b"], "merge_method": "ff", "description": "new", "issues_access_level": ""}

    await apply_attributes(api.pool, project.id, description="old", visibility=None, overrides=overrides)

    shown = (await api.get(f"/projects/{project.id}", by="ann")).body
    assert (shown["topics"], shown["merge_method"], shown["description"]) == (["a", "b"], "ff", "new")
    assert "issues_access_level" not in shown
    (simple,) = (await api.get("/projects?simple=true", by="ann")).body
    assert (simple["topics"], "merge_method" in simple) == (["a", "b"], False)
