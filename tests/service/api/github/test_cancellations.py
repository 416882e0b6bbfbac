from __future__ import annotations

import pytest

from shared.accounts.models import AccessLevel
from shared.jobs.models import ImportOrder, JobKind
from shared.projects import store
from tests.support.api import Api
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.imports import asking, cancel, create, entity, job_of
from tests.support.github.repositories import Repository
from tests.support.sealing import opened


async def test_an_owner_cancels_an_import_that_has_not_ended(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await create(api, asking(github, repository))
    canceled = await cancel(api, answer.body["id"])
    assert (canceled.status, canceled.body) == (200, entity(answer, "canceled"))
    job = await job_of(api, answer)
    assert job.state.value == "canceled"
    shown = (await api.call("GET", f"/api/crossdock/v1/jobs/{job.id}", by="ann")).body
    assert shown["canceled_by"]["username"] == "ann"
    again = await cancel(api, str(answer.body["id"]))
    told = {"message": "The import cannot be canceled because it is canceled"}
    assert (again.status, again.body) == (400, told)


@pytest.mark.parametrize("state", ["finished", "failed"])
async def test_an_import_that_has_ended_is_not_canceled(
    api: Api, github: GitHub, repository: Repository, state: str
) -> None:
    answer = await create(api, asking(github, repository))
    job = await job_of(api, answer)
    await (api.finished(job) if state == "finished" else api.failed(job, "no"))
    refused = await cancel(api, answer.body["id"])
    told = {"message": f"The import cannot be canceled because it is {state}"}
    assert (refused.status, refused.body) == (400, told)


async def test_who_is_no_owner_cancels_nothing_and_hears_of_nothing_hidden(
    api: Api, github: GitHub, repository: Repository
) -> None:
    repository.is_private = True
    answer = await create(api, asking(github, repository))
    project = await store.find_by_id(api.pool, answer.body["id"])
    assert project is not None
    await api.member("max", project, AccessLevel.MAINTAINER)
    await api.user("bob")
    by_max, by_bob = await cancel(api, project.id, by="max"), await cancel(api, project.id, by="bob")
    assert (by_max.status, by_max.body) == (403, {"message": "Unauthorized access"})
    assert (by_bob.status, by_bob.body) == (404, {"message": "404 Not found"})
    assert (await job_of(api, answer)).state.value == "queued"


async def test_a_project_that_is_no_import_from_github_is_not_found(api: Api) -> None:
    empty = (await api.post("/projects", by="ann", json={"name": "p"})).body["id"]
    for number in (empty, 10**17, 0, "", None):
        answer = await cancel(api, number)
        assert (answer.status, answer.body) == (404, {"message": "404 Not found"})


async def test_an_import_of_another_kind_is_not_canceled(api: Api) -> None:
    user = await api.user("eve")
    project = await api.project(user)
    job = await api.job(project, user, ImportOrder())
    answer = await cancel(api, project.id, by="eve")
    assert (answer.status, answer.body) == (404, {"message": "404 Not found"})
    assert (await api.newest(project, JobKind.IMPORT)).state is job.state


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, "is missing"), ({"project_id": "ann/p"}, "is invalid"), ({"project_id": [1]}, "is invalid")],
)
async def test_the_project_of_a_cancellation_is_named_by_its_id(
    api: Api, given: dict[str, object], told: str
) -> None:
    answer = await api.post("/import/github/cancel", by="ann", json=given)
    assert (answer.status, answer.body) == (400, {"error": f"project_id {told}"})


async def test_a_canceled_import_is_retried_with_its_token_under_its_own_limit(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await create(api, asking(github, repository))
    first = await job_of(api, answer)
    await cancel(api, answer.body["id"])
    again = await api.call("POST", f"/api/crossdock/v1/jobs/{first.id}/retry", by="ann")
    second = await job_of(api, answer)
    assert (again.status, second.id) == (201, int(again.headers["X-Crossdock-Job"]))
    assert opened(second) == opened(first)


@pytest.mark.parametrize("api", [{"github_import_limit": 1, "project_import_limit": 1}], indirect=True)
async def test_a_retry_counts_as_an_import_from_github(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await create(api, asking(github, repository))
    job = answer.headers["X-Crossdock-Job"]
    await cancel(api, answer.body["id"])
    refused = await api.call("POST", f"/api/crossdock/v1/jobs/{job}/retry", by="ann")
    assert (refused.status, refused.headers["RateLimit-Name"]) == (429, "github_import")


async def test_gists_cannot_be_imported_as_nobody_has_snippets_here(api: Api) -> None:
    missing = await api.post("/import/github/gists", by="ann", json={})
    refused = await api.post("/import/github/gists", by="ann", json={"personal_access_token": TOKEN})
    assert (missing.status, missing.body) == (400, {"error": "personal_access_token is missing"})
    assert (refused.status, refused.body) == (403, {"message": "403 Forbidden"})
