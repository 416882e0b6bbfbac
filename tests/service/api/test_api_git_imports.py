from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from shared.accounts.models import AccessLevel
from shared.jobs.models import ImportOrder, JobKind, RemoteSource, SourceForm
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import store
from shared.usecases import remote_repositories
from tests.support.api import Answer, Api, running_api
from tests.support.git import make_repository
from tests.support.git_http import GitHttp
from tests.support.remote import SECRET, Handler, Servers, names
from tests.support.sealing import opened

UNABLE = "Unable to access repository with the URL and credentials provided"


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The application, which may ask the servers of these tests, by https and by http."""
    config = {"outbound_local_requests_allowlist": ("files.test",)} | getattr(request, "param", {})
    remote = RemoteImportPolicy(schemes=("https", "http"), resolver=names(inside=["10.0.0.1"]))
    async with running_api(database_url, tmp_path / "objects", remote=remote, **config) as running:
        await running.user("ann")
        yield running


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


@pytest.fixture
async def address(servers: Servers, tmp_path: Path) -> str:
    """The address of a repository that wants a token, with it."""
    make_repository(tmp_path / "git")
    port = await servers.http(GitHttp(tmp_path / "git", token=SECRET).handle)
    return f"http://git:{SECRET}@files.test:{port}/one.git"


async def create(api: Api, url: object, **more: object) -> Answer:
    return await api.post("/projects", by="ann", json={"name": "Copy", "import_url": url} | more)


async def projects(api: Api) -> int:
    count: int = await api.pool.fetchval("SELECT count(*) FROM projects")
    return count


async def test_a_project_is_created_and_its_import_ordered(api: Api, address: str) -> None:
    answer = await create(api, address, description="d", visibility="public")

    assert (answer.status, answer.body["path_with_namespace"]) == (201, "ann/copy")
    told = ("scheduled", "git", None)
    assert tuple(answer.body[name] for name in ("import_status", "import_type", "import_error")) == told
    assert (answer.body["description"], answer.body["visibility"]) == ("d", "public")
    project = await store.find_by_id(api.pool, answer.body["id"])
    assert project is not None
    job = await api.newest(project, JobKind.GIT_IMPORT)
    assert opened(job) == ImportOrder(source=RemoteSource(url=address, form=SourceForm.GIT))
    assert answer.headers["X-Crossdock-Job"] == str(job.id)
    row = await api.pool.fetchval("SELECT jobs::text FROM jobs")
    assert SECRET not in row + repr(job) + json.dumps(answer.body)


async def test_its_status_is_that_of_any_import_and_of_the_project(api: Api, address: str) -> None:
    number = (await create(api, address)).body["id"]
    for path in (f"/projects/{number}/import", f"/projects/{number}"):
        shown = (await api.get(path, by="ann")).body
        assert (shown["import_status"], shown["import_type"], shown["import_error"]) == (
            "scheduled",
            "git",
            None,
        )
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by="ann")
    assert [job["kind"] for job in listed.body] == ["import"]


async def test_a_canceled_one_is_told_and_retried_with_its_address(api: Api, address: str) -> None:
    created = await create(api, address)
    job = created.headers["X-Crossdock-Job"]
    assert (await api.call("POST", f"/api/crossdock/v1/jobs/{job}/cancel", by="ann")).status == 200
    status = await api.get(f"/projects/{created.body['id']}/import", by="ann")
    assert status.body["import_status"] == "canceled"
    again = await api.call("POST", f"/api/crossdock/v1/jobs/{job}/retry", by="ann")
    assert again.status == 201
    project = await store.find_by_id(api.pool, created.body["id"])
    assert project is not None
    order = opened(await api.newest(project, JobKind.GIT_IMPORT))
    assert order == ImportOrder(source=RemoteSource(url=address, form=SourceForm.GIT))


@pytest.mark.parametrize("url", [None, "", " "])
async def test_without_an_address_the_project_is_empty(api: Api, url: str | None) -> None:
    answer = await create(api, url)
    assert answer.status == 201
    assert "import_status" not in answer.body
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


def answering(status: int, text: str = "") -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    return handler


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (401, "Invalid token.", "as private ones are hidden: Invalid token.)"),
        (404, "Repository not found.", "may not see it: Repository not found.)"),
        (200, "<html>", "of type text/plain; charset=utf-8)"),
        (500, "", "answered 500 Internal Server Error)"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_gitlabs_words_and_leaves_nothing(
    api: Api, servers: Servers, status: int, text: str, told: str
) -> None:
    port = await servers.http(answering(status, text))
    answer = await create(api, f"http://files.test:{port}/x.git")
    assert answer.status == 422
    assert answer.body["message"].startswith(f"{UNABLE} (")
    assert answer.body["message"].endswith(told)
    assert await projects(api) == 0


async def test_a_server_that_does_not_answer_in_time_is_refused(
    api: Api, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(reader: object, _: object) -> None:
        await reader.read()  # type: ignore[attr-defined]

    monkeypatch.setattr(remote_repositories, "DEADLINE", remote_repositories.DEADLINE / 100)
    answer = await create(api, f"http://files.test:{await servers.raw(silent)}/x.git")
    assert answer.status == 422
    assert "did not answer" in answer.body["message"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://files.test/x.git", "Only allowed schemes are https, http"),
        ("git@files.test:x.git", "Only allowed schemes are https, http"),
        ("http://127.0.0.1/x.git", "Requests to localhost are not allowed"),
        ("http://inside/x.git", "Requests to the local network are not allowed"),
        ("http://nowhere.test/x.git", "Host cannot be resolved or invalid"),
    ],
)
async def test_a_blocked_address_is_refused_and_leaves_nothing(api: Api, url: str, reason: str) -> None:
    answer = await create(api, url)
    assert (answer.status, answer.body) == (400, {"message": {"import_url": [f"is blocked: {reason}"]}})
    assert await projects(api) == 0


@pytest.mark.parametrize("api", [{"import_sources": ("gitlab_project",)}], indirect=True)
async def test_it_is_forbidden_where_administrators_say_so(api: Api) -> None:
    answer = await create(api, "https://nowhere.test/x.git")
    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})
    assert (await create(api, None)).status == 201


@pytest.mark.parametrize("api", [{"project_import_limit": 1}], indirect=True)
async def test_it_does_not_count_for_the_limit_of_archives(api: Api, address: str) -> None:
    for path in ("a", "b", "c"):
        assert (await create(api, address, name=path)).status == 201


async def test_a_taken_path_is_refused_and_no_job_is_left(api: Api, address: str) -> None:
    await create(api, address)
    answer = await create(api, address)
    assert (answer.status, answer.body) == (400, {"message": {"path": ["has already been taken"]}})
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 1


async def test_strangers_are_asked_who_they_are(api: Api) -> None:
    answer = await api.post("/projects", json={"name": "p", "import_url": "https://nowhere.test"})
    assert answer.status == 401


async def fill(api: Api, number: object, url: object, *, by: str | None = "ann", **more: object) -> Answer:
    return await api.post(f"/projects/{number}/import/git", by=by, json={"import_url": url} | more)


async def emptied(api: Api) -> int:
    """A project without content."""
    number: int = (await api.post("/projects", by="ann", json={"name": "Empty"})).body["id"]
    return number


@pytest.mark.parametrize("apart", [False, True])
async def test_an_empty_project_is_filled(api: Api, address: str, *, apart: bool) -> None:
    number = await emptied(api)
    bare = address.replace(f"git:{SECRET}@", "")
    beside = {"import_url_user": "git", "import_url_password": SECRET}
    answer = await fill(api, number, bare if apart else address, **(beside if apart else {}))
    assert (answer.status, answer.body["id"]) == (201, number)
    assert (answer.body["import_status"], answer.body["import_type"]) == ("scheduled", "git")
    project = await store.find_by_id(api.pool, number)
    assert project is not None
    job = await api.newest(project, JobKind.GIT_IMPORT)
    assert opened(job) == ImportOrder(source=RemoteSource(url=address, form=SourceForm.GIT))
    assert answer.headers["X-Crossdock-Job"] == str(job.id)
    assert SECRET not in json.dumps(answer.body) + await api.pool.fetchval("SELECT jobs::text FROM jobs")


async def test_a_project_whose_import_failed_is_filled_and_one_that_is_imported_is_not(
    api: Api, address: str
) -> None:
    number = (await create(api, address)).body["id"]
    running = await fill(api, number, address)
    assert (running.status, running.body) == (409, {"message": "Import already in progress"})
    await api.pool.execute("UPDATE jobs SET state = 'failed', finished_at = now()")
    assert (await fill(api, number, address)).status == 201
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 2


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("project.bundle", "Project already has a repository"),
        ("VERSION", "Project already has other content than a repository"),
    ],
)
async def test_a_project_that_has_content_is_not_filled(
    api: Api, address: str, entry: str, told: str
) -> None:
    number = await emptied(api)
    await api.pool.execute(
        """WITH made AS (INSERT INTO snapshots (project_id, committed_at) VALUES ($1, now()) RETURNING id),
           named AS (INSERT INTO entries
                         (snapshot_id, name, kind, mtime, position, stored_size, raw_size, crc32)
                     SELECT id, $2, 'blob', 0, 0, 0, 0, 0 FROM made)
           UPDATE projects SET snapshot_id = made.id FROM made""",
        number, entry,
    )  # fmt: skip
    answer = await fill(api, number, address)
    assert (answer.status, answer.body) == (409, {"message": told})


async def test_of_two_at_once_one_fills(api: Api, address: str) -> None:
    number = await emptied(api)
    answers = await asyncio.gather(*(fill(api, number, address) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "Import url is blocked: Only allowed schemes are https, http"),
        ("nothing at all", "Import url is blocked: Only allowed schemes are https, http"),
        ("http://", "Import url is blocked: URI is invalid"),
        ("http://127.0.0.1/x.git", "Import url is blocked: Requests to localhost are not allowed"),
    ],
)
async def test_an_address_that_is_none_fills_nothing(api: Api, url: str, told: str) -> None:
    number = await emptied(api)
    for beside in ({}, {"import_url_user": "git", "import_url_password": SECRET}):
        answer = await fill(api, number, url, **beside)
        assert (answer.status, answer.body) == (422, {"message": told})
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_a_repository_that_cannot_be_read_fills_nothing(api: Api, address: str) -> None:
    answer = await fill(api, await emptied(api), address.replace(SECRET, "wrong"))
    assert answer.status == 422
    assert answer.body["message"].startswith(f"{UNABLE} (the git server refuses the credentials")


async def test_maintainers_fill_projects_and_nobody_else_does(api: Api, address: str) -> None:
    number = await emptied(api)
    project = await store.find_by_id(api.pool, number)
    assert project is not None
    await api.user("eve")
    await api.member("bob", project, AccessLevel.MAINTAINER)
    await api.member("carol", project, AccessLevel.DEVELOPER)
    statuses = [(await fill(api, number, address, by=by)).status for by in (None, "eve", "carol", "bob")]
    assert statuses == [401, 404, 403, 201]


async def test_the_address_is_wanted(api: Api) -> None:
    answer = await api.post(f"/projects/{await emptied(api)}/import/git", by="ann", json={})
    assert (answer.status, answer.body) == (400, {"error": "import_url is missing"})


@pytest.mark.parametrize("api", [{"import_sources": ("gitlab_project",)}], indirect=True)
async def test_nothing_is_filled_where_administrators_say_so(api: Api) -> None:
    answer = await fill(api, await emptied(api), "https://nowhere.test/x.git")
    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})
