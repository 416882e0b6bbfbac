from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.jobs import store as jobs
from shared.jobs.models import GitHubStages, ImportOrder, JobKind
from tests.service.api.github.test_secrets import whole_database
from tests.support.api import Answer, Api
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.imports import projects
from tests.support.github.repositories import Repository
from tests.support.sealing import opened

IMPORTS = "/api/crossdock/v1/imports"


async def _import(api: Api, path: str = "p", key: str | None = None, **source: Any) -> Answer:
    given = {"path": path, "github": {"personal_access_token": TOKEN} | source}
    return await api.call(
        "POST", IMPORTS, by="ann", json=given, headers={"Idempotency-Key": key} if key else {}
    )


def _told(answer: Answer) -> tuple[int, str, str]:
    """Status, code and detail of a problem document."""
    document = json.loads(answer.body)
    return answer.status, document["code"], document["detail"]


async def _ordered(api: Api, answer: Answer) -> ImportOrder:
    job = await jobs.find(api.pool, int(answer.headers["X-Crossdock-Job"]))
    assert job is not None
    order = opened(job)
    assert job.kind is JobKind.GITHUB_IMPORT
    assert isinstance(order, ImportOrder)
    return order


@pytest.mark.parametrize("named", ["octo/hello.world", "{web}/octo/Hello.World/issues", "{number}"])
async def test_a_repository_is_imported_by_its_name_its_address_or_its_number(
    api: Api, github: GitHub, repository: Repository, named: str
) -> None:
    web, number = github.site.web, repository.stamp.id
    where = {} if "{web}" in named else {"github_hostname": web}
    stages = {"attachments_import": True}
    answer = await _import(
        api, repository=named.format(web=web, number=number), optional_stages=stages, **where
    )
    assert (answer.status, answer.body["project"]["path_with_namespace"]) == (201, "ann/p")
    order = (await _ordered(api, answer)).github
    assert order is not None
    assert (order.full_name, order.repository_id) == ("octo/Hello.World", number)
    assert order.stages == GitHubStages(attachments_import=True)


async def test_a_repository_that_was_renamed_is_found_by_its_old_name(
    api: Api, github: GitHub, repository: Repository
) -> None:
    github.rename(repository, "New")
    answer = await _import(api, repository=f"{github.site.web}/octo/Hello.World")
    assert answer.status == 201
    order = (await _ordered(api, answer)).github
    assert order is not None
    assert order.full_name == "octo/New"


async def test_what_names_no_repository_is_refused_before_anything_is_asked(api: Api, github: GitHub) -> None:
    for repository in ("octo", "https://me:s3cret@github.example.test/octo/hello", "octo/.."):
        answer = await _import(api, repository=repository, github_hostname=github.site.web)
        told = "github[repository] has to be OWNER/REPO, the address of its page, or its number"
        assert (answer.status, json.loads(answer.body)["detail"]) == (400, told)
    empty = await api.call("POST", IMPORTS, by="ann", json={"path": "p", "github": {}})
    assert json.loads(empty.body)["detail"] == (
        "github[personal_access_token] is missing, github[repository] is missing"
    )
    both = await api.call("POST", IMPORTS, by="ann", json={"path": "p", "url": "https://x", "github": {}})
    assert b"url, github are mutually exclusive" in both.body
    assert (github.requests, await projects(api)) == (0, 0)


async def test_a_token_is_not_sent_to_another_github_than_that_of_the_address(
    api: Api, github: GitHub
) -> None:
    named = {"repository": "https://github.com/octo/hello", "github_hostname": github.site.web}
    answer = await _import(api, **named)
    assert (answer.status, github.requests) == (400, 0)
    assert b"github[github_hostname] is not the GitHub of the address" in answer.body


async def test_why_github_does_not_give_a_repository_is_told(
    api: Api, github: GitHub, repository: Repository
) -> None:
    web = github.site.web
    wrong = await _import(api, repository=f"{web}/octo/hello.world", personal_access_token="ghp_wrong")
    missing = await _import(api, repository=f"{web}/octo/none")
    blocked = await _import(api, repository="https://inside.test/octo/hello")
    github.slow_down("/repos/", seconds=3000)
    busy = await _import(api, repository=f"{web}/octo/hello.world")
    assert _told(wrong)[:2] == (422, "github_token_refused")
    assert _told(missing) == (
        422,
        "github_missing",
        "Import failed because of a GitHub error: Not Found (HTTP 404)",
    )
    assert _told(blocked) == (400, "url_blocked", "Invalid URL: https://inside.test")
    assert _told(busy)[:2] == (429, "github_limited")
    assert _told(busy)[2] == "GitHub takes no more requests of the token for 50 minutes"
    assert 2900 < int(busy.headers["Retry-After"]) <= 3000
    assert await projects(api) == 0


async def test_a_token_beside_a_name_is_in_no_row_no_log_and_no_answer(
    api: Api, github: GitHub, repository: Repository
) -> None:
    named = {"repository": f"{github.site.web}/octo/hello.world"}
    with capture_logs() as logs:
        answers = [await _import(api, key="once", **named) for _ in range(2)]
        answers += [
            await _import(api, **named),
            await _import(api, "q", repository=f"{github.site.web}/octo/no"),
        ]
    assert [answer.status for answer in answers] == [201, 201, 400, 422]
    shown = [str(each.body) + str(each.headers) for each in answers]
    assert TOKEN not in "".join([await whole_database(api), *shown, json.dumps(logs, default=repr)])
    assert await projects(api) == 1


@pytest.mark.parametrize("api", [{"import_sources": ("gitlab_project",)}], indirect=True)
async def test_no_token_leaves_a_server_that_imports_nothing_of_github(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answer = await _import(api, repository=f"{github.site.web}/octo/hello.world")
    assert (answer.status, github.requests) == (403, 0)
