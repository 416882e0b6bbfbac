from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.resolver import TableResolver
from shared.settings.application import ApplicationSettings
from shared.usecases import github_repositories
from shared.usecases.errors import GitHubImportRefused
from shared.usecases.github_repositories import GitHubRepositories
from tests.support.api import Api
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.imports import asking, create, projects
from tests.support.github.limits import Token
from tests.support.github.repositories import Repository
from tests.support.remote import Servers

NO_SCOPE = "Your GitHub personal access token does not have read access to "


BLOCKED = [
    "",
    "github.example.test",
    "ftp://github.example.test",
    "file:///etc/passwd",
    "http://127.0.0.1",
    "http://localhost:5432",
    "http://[::1]",
    "http://[::ffff:10.0.0.1]/",
    "http://[fd00::1]:80/api/v3",
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0/",
    "http://inside.test",
    "http://nowhere.test",
    "http://files.test:99999",
    "http://files.test\r\nX: y",
    "http://[x",
]


@pytest.mark.parametrize("address", BLOCKED)
async def test_an_address_that_must_not_be_asked_is_refused_and_leaves_nothing(
    api: Api, github: GitHub, repository: Repository, address: str
) -> None:
    answer = await create(api, asking(github, repository, github_hostname=address, target_namespace="no"))
    assert (answer.status, answer.body) == (400, {"errors": f"Invalid URL: {address}"})
    assert (await projects(api), github.requests) == (0, 0)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:s3cret@files.test/x", "http://*****@files.test/*****"),
        ("http://files.test/?token=s3cret", "http://files.test/*****"),
        ("http://" + "x" * 3000, "http://" + "x" * 3000 + "/"),
        ("http://files.test/" + "x" * 3000, "http://files.test/*****"),
    ],
)
async def test_an_address_with_what_may_be_a_secret_is_refused_and_not_repeated(
    api: Api, github: GitHub, repository: Repository, address: str, shown: str
) -> None:
    answer = await create(api, asking(github, repository, github_hostname=address))
    assert (answer.status, answer.body) == (400, {"errors": f"Invalid URL: {shown}"})


async def test_without_an_address_it_is_github_com(api: Api, github: GitHub, repository: Repository) -> None:
    given = asking(github, repository)
    del given["github_hostname"]
    answer = await create(api, given)
    # Its name leads to a private network here.
    assert (answer.status, answer.body) == (400, {"errors": "Invalid URL: https://api.github.com"})
    assert await projects(api) == 0


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def test_a_redirect_to_where_nobody_may_ask_is_not_followed(
    api: Api, github: GitHub, repository: Repository, servers: Servers
) -> None:
    async def away(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://inside.test/secret"})

    address = f"http://files.test:{await servers.http(away)}"
    answer = await create(api, asking(github, repository, github_hostname=address))
    assert (answer.status, answer.body) == (400, {"errors": f"Invalid URL: {address}"})
    assert await projects(api) == 0


async def test_the_token_is_not_sent_where_a_redirect_leads(
    api: Api, github: GitHub, repository: Repository, servers: Servers
) -> None:
    seen: list[web.Request] = []

    async def other(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(status=404)

    there = f"http://other.test:{await servers.http(other)}"

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": there})

    address = f"http://files.test:{await servers.http(away)}"
    assert (await create(api, asking(github, repository, github_hostname=address))).status == 422
    assert [request.headers.get("Authorization") for request in seen] == [None]


async def test_a_token_that_github_does_not_know_is_refused_by_its_scope(
    api: Api, github: GitHub, repository: Repository
) -> None:
    answers = [
        await create(api, asking(github, repository, personal_access_token=token))
        for token in ("ghp_other", "", None, "with a blank", "x" * 2000, "a\r\nX-Evil: 1")
    ]
    assert {answer.status for answer in answers} == {422}
    told = (
        f"{NO_SCOPE}the repository. Please use a classic GitHub personal access token with the `repo` scope. "
        "Fine-grained tokens are not supported."
    )
    assert {answer.body["errors"] for answer in answers} == {told}
    assert await projects(api) == 0


async def test_a_repository_that_the_token_may_not_read_is_refused_by_the_scope(
    api: Api, github: GitHub, repository: Repository
) -> None:
    github.fail("/repositories/", 403, message="Resource not accessible by personal access token")
    answer = await create(api, asking(github, repository))
    assert (answer.status, answer.body["errors"].startswith(f"{NO_SCOPE}the repository.")) == (422, True)


async def test_collaborators_need_a_token_that_reads_them_where_that_stage_is_on(
    api: Api, github: GitHub, repository: Repository
) -> None:
    github.tokens["ghp_few"] = Token(github.me, scopes=("repo",))
    given = asking(github, repository, personal_access_token="ghp_few")
    with_them = given | {"optional_stages": {"collaborators_import": True}}
    answer = await create(api, with_them)
    assert answer.status == 422
    assert answer.body["errors"].startswith(f"{NO_SCOPE}collaborators. Please use")
    assert "`read:org`" in answer.body["errors"]
    assert (await create(api, given)).status == 201
    assert (await create(api, with_them | {"personal_access_token": TOKEN, "new_name": "b"})).status == 201


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (404, "Not Found", "Not Found (HTTP 404)"),
        (451, "Repository access blocked", "Repository access blocked (HTTP 451)"),
        (400, f"Bad {TOKEN}", "Bad ***** (HTTP 400)"),
        (502, "", "{api} answered 502 Bad Gateway (HTTP 502)"),
    ],
)
async def test_any_other_answer_of_github_is_told_with_its_status_and_leaves_nothing(
    api: Api, github: GitHub, repository: Repository, status: int, message: str, told: str
) -> None:
    github.fail("/repositories/", status, message=message, times=100)
    answer = await create(api, asking(github, repository))
    reason = told.format(api=f"{github.site.web}/")
    expected = {"errors": f"Import failed because of a GitHub error: {reason}"}
    assert (answer.status, answer.body) == (422, expected)
    assert await projects(api) == 0


@pytest.mark.parametrize(
    "described",
    [
        "<html>",
        "{}",
        '{"id": 1, "full_name": "no-owner"}',
        '{"id": 1, "full_name": "o/r\\u0000"}',
        '{"id": 1, "full_name": "../../etc"}',
        "[" * 5000,
    ],
)
async def test_what_is_no_repository_of_a_github_is_refused(
    api: Api, github: GitHub, repository: Repository, servers: Servers, described: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=described, content_type="application/json")

    address = f"http://files.test:{await servers.http(answer)}"
    refused = await create(api, asking(github, repository, github_hostname=address))
    assert refused.status == 422
    assert refused.body["errors"].startswith("Import failed because of a GitHub error: ")
    assert await projects(api) == 0


async def test_a_github_that_takes_no_more_requests_says_when_it_does(
    api: Api, github: GitHub, repository: Repository
) -> None:
    github.slow_down("/repositories/", seconds=77)
    answer = await create(api, asking(github, repository))
    assert (answer.status, answer.body) == (429, {"error": "Too Many Requests"})
    assert 60 < int(answer.headers["Retry-After"]) <= 77
    assert await projects(api) == 0


async def test_a_name_server_that_does_not_answer_in_time_is_given_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(TableResolver):
        async def resolve(self, host: str) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(github_repositories, "DEADLINE", github_repositories.DEADLINE / 200)
    repositories = GitHubRepositories(RemoteImportPolicy(resolver=Silent({})))
    with pytest.raises(GitHubImportRefused, match="it did not answer within"):
        await repositories.find_api("https://github.example.test", ApplicationSettings())


async def test_a_github_that_does_not_answer_in_time_is_refused(
    api: Api, github: GitHub, repository: Repository, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(reader: object, _: object) -> None:
        await reader.read()  # type: ignore[attr-defined]

    monkeypatch.setattr(github_repositories, "DEADLINE", github_repositories.DEADLINE / 100)
    address = f"http://files.test:{await servers.raw(silent)}"
    answer = await create(api, asking(github, repository, github_hostname=address))
    assert answer.status == 422
    assert "it did not answer within" in answer.body["errors"]
