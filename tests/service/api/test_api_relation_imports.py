from __future__ import annotations

import asyncio
from io import BytesIO

import pytest

from shared.accounts.models import AccessLevel, Scope, User
from shared.accounts.tokens import create_token
from shared.jobs.models import JobKind, RelationImportOrder
from shared.projects.models import Project
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import HEADERS, Part, form_body

FILE = Part("file", ARCHIVE, "x.tar.gz")


async def send(api: Api, *, by: str | None = "ann", file: Part | None = FILE, **fields: str) -> Answer:
    given = {"path": "ann/project", "relation": "issues"} | fields
    parts = [Part(name, value) for name, value in given.items() if value]
    body = form_body([*parts, file] if file else parts)
    return await api.post("/projects/import-relation", by=by, data=body, headers=HEADERS)


async def trackers(api: Api, project: Project, *, by: str | None = "ann") -> Answer:
    return await api.get(f"/projects/{project.id}/relation-imports", by=by)


async def test_a_maintainer_gets_a_tracker(api: Api, project: Project) -> None:
    await api.member("max", project, AccessLevel.MAINTAINER)
    answer = await send(api, by="max")
    assert answer.status == 201
    created = answer.body.pop("created_at")
    job = await api.newest(project, JobKind.RELATION_IMPORT)
    assert answer.body == {
        "id": job.id, "project_path": "ann/project", "relation": "issues", "status": "created",
        "updated_at": created,
    }  # fmt: skip
    assert job.order == RelationImportOrder(relation="issues")
    assert job.object_id is not None


async def test_an_unknown_project_is_not_found(api: Api, project: Project) -> None:
    answer = await send(api, path="ann/other", relation="nonsense")
    assert (answer.status, answer.body) == (404, {"message": "Project not found"})
    await api.user("eve")
    assert (await send(api, by="eve")).body == {"message": "Project not found"}
    assert await api.objects_left() == 0


@pytest.mark.parametrize("relation", ["labels", "issue", ""])
async def test_the_relation_is_one_of_four(api: Api, project: Project, relation: str) -> None:
    answer = await send(api, relation=relation or " ")
    assert answer.status == 400
    assert answer.body == {
        "message": "Imported relation must be one of issues, merge_requests, milestones, or ci_pipelines"
    }


async def test_a_developer_may_not(api: Api, project: Project) -> None:
    await api.member("dev", project, AccessLevel.DEVELOPER)
    answer = await send(api, by="dev")
    assert (answer.status, answer.body) == (
        403,
        {"message": "You are not authorized to perform this action"},
    )
    assert await api.objects_left() == 0


async def test_trackers_of_an_invisible_project_are_not_found(api: Api, ann: User) -> None:
    await api.user("eve")
    hidden = await api.project(ann, "hidden")
    assert (await trackers(api, hidden, by="eve")).status == 404


async def test_only_one_at_a_time_for_a_project(api: Api, project: Project) -> None:
    answers = await asyncio.gather(*(send(api) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.body == {"message": "A relation import is already in progress for this project"}
    await api.failed(await api.newest(project, JobKind.RELATION_IMPORT), "no")
    assert (await send(api)).status == 201


async def test_none_while_the_project_itself_is_imported(api: Api) -> None:
    await api.user("bob")
    form = form_body([Part("path", "fresh"), FILE])
    assert (await api.post("/projects/import", by="bob", data=form, headers=HEADERS)).status == 201
    assert (await send(api, by="bob", path="bob/fresh")).status == 409


async def test_what_is_missing_is_told_at_once(api: Api, ann: User) -> None:
    answer = await send(api, path="", relation="", file=None)
    assert (answer.status, answer.body) == (
        400,
        {"error": "path is missing, file is missing, relation is missing"},
    )


async def test_a_stranger_uploads_nothing(api: Api, project: Project) -> None:
    assert (await send(api, by=None)).status == 401


async def test_the_status_of_the_import_does_not_show_it(api: Api, project: Project) -> None:
    await send(api)
    answer = await api.get(f"/projects/{project.id}/import", by="ann")
    assert answer.body["import_status"] == "none"


async def test_its_failures_are_no_failures_of_the_import(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann, RelationImportOrder(relation="issues"))
    await api.failed(job, "broken")
    assert (await trackers(api, project)).body[0]["status"] == "failed"
    assert (await api.get(f"/projects/{project.id}/import", by="ann")).body["import_error"] is None


@pytest.mark.parametrize("api", [{"import_sources": ()}], indirect=True)
async def test_it_is_forbidden_where_imports_are(api: Api, project: Project) -> None:
    answer = await send(api)
    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_an_archive_over_the_size_of_imports_is_too_large(api: Api, project: Project) -> None:
    body = form_body([Part("relation", "issues"), Part("file", bytes(1024 * 1024), "x.tar.gz")])
    answer = await api.post("/projects/import-relation", by="ann", data=BytesIO(body), headers=HEADERS)
    assert answer.status == 413
    assert await api.objects_left() == 0


async def test_a_token_that_only_reads_lists_and_imports_nothing(
    api: Api, ann: User, project: Project
) -> None:
    api.tokens["reader"] = await create_token(api.pool, ann.id, name="r", scopes=[Scope.READ_API])
    assert (await send(api, by="reader")).status == 403
    assert (await trackers(api, project, by="reader")).body == []


async def test_parts_come_in_any_order(api: Api, project: Project) -> None:
    body = form_body([FILE, Part("relation", "milestones"), Part("path", "ann/project")])
    answer = await api.post("/projects/import-relation", by="ann", data=body, headers=HEADERS)
    assert (answer.status, answer.body["relation"]) == (201, "milestones")
