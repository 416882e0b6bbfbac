"""Cases 76 to 82: single relations of an archive for a project that is there."""

from __future__ import annotations

from typing import Any

import pytest

from shared.jobs.models import RelationImportOrder
from tests.support.api import Answer
from tests.support.forms import Part
from tests.support.instance import ARCHIVE, Instance

TRACKER = ["id", "project_path", "relation", "status", "created_at", "updated_at"]


@pytest.fixture
async def number(gitlab: Instance, ann: str) -> int:
    return await gitlab.project(ann)


async def _import(gitlab: Instance, owner: str, *, by: str | None = None, **given: Any) -> Answer:
    fields = {"path": f"{owner}/api-project", "relation": "issues"} | given
    parts = [Part(name, text) for name, text in fields.items() if isinstance(text, str)]
    return await gitlab.upload(*parts, by=by or owner, to="/projects/import-relation", file=given.get("file"))


async def test_case_76_a_tracker_is_made(gitlab: Instance, ann: str, number: int) -> None:
    answer = await _import(gitlab, ann, by=await gitlab.member(number, 40))
    assert (answer.status, list(answer.body)) == (201, TRACKER)
    assert answer.body["project_path"] == f"{ann}/api-project"
    assert (answer.body["relation"], answer.body["status"]) == ("issues", "created")


async def test_case_77_the_project_is_unknown(gitlab: Instance, ann: str, number: int) -> None:
    answer = await _import(gitlab, ann, path=f"{ann}/other-{number}")
    assert (answer.status, answer.body) == (404, {"message": "Project not found"})


async def test_case_78_a_developer_may_not(gitlab: Instance, ann: str, number: int) -> None:
    answer = await _import(gitlab, ann, by=await gitlab.member(number, 30))
    assert (answer.status, answer.body) == (403, {"message": "You are not authorized to perform this action"})


@pytest.mark.usefixtures("number")
async def test_case_79_a_file_of_another_kind(gitlab: Instance, ann: str) -> None:
    answer = await _import(gitlab, ann, file=Part("file", ARCHIVE, "README.md"))
    text = "You need to upload a GitLab project export archive (ending in .gz)."
    assert (answer.status, answer.body) == (422, {"message": {"error": text}})


@pytest.mark.usefixtures("number")
async def test_case_80_the_limit_is_that_of_imports(gitlab: Instance, ann: str) -> None:
    async with gitlab.settings(project_import_limit=1):
        assert (await gitlab.upload(Part("path", "p"), by=ann)).status == 201
        answer = await _import(gitlab, ann)
    text = "This endpoint has been requested too many times. Try again later."
    assert (answer.status, answer.body) == (429, {"message": {"error": text}})


async def test_case_81_all_trackers_are_listed(gitlab: Instance, ann: str, number: int) -> None:
    await gitlab.held(number, ann, RelationImportOrder(relation="issues"))
    await gitlab.pool.execute(
        """UPDATE jobs SET state = 'finished', finished_at = now(), lease_expires_at = NULL
           WHERE project_id = $1""",
        number,
    )
    await gitlab.held(number, ann, RelationImportOrder(relation="labels"))
    answer = await gitlab.get(f"/projects/{number}/relation-imports", by=ann)
    assert answer.status == 200
    told = [(tracker["relation"], tracker["status"]) for tracker in answer.body]
    assert told == [("issues", "finished"), ("labels", "started")]


async def test_case_82_who_is_no_maintainer_gets_no_trackers(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann, "public", visibility="public")
    assert (await gitlab.get(f"/projects/{number}/relation-imports")).status == 401
    answer = await gitlab.get(f"/projects/{number}/relation-imports", by=await gitlab.user("eve"))
    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden - Project"})
