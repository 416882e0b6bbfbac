from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.instance.remote_imports import RemoteImports
from tests.support.api import Answer, Api, running_api
from tests.support.remote import Servers, names

GZIP = {"Content-Type": "application/gzip", "Content-Length": "1000"}


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    remote = RemoteImports(schemes=("http",), resolver=names())
    allowed = ("files.test",)
    async with running_api(
        database_url, tmp_path / "objects", remote=remote, outbound_local_requests_allowlist=allowed
    ) as running:
        yield running


@pytest.fixture
async def ann(api: Api) -> User:
    return await api.user("ann")


async def _import_while(api: Api, happens: Callable[[], Awaitable[object]], **fields: str) -> Answer:
    """Ask for a remote import, in the middle of whose look at the file something ``happens``."""

    async def handler(_request: web.Request) -> web.Response:
        await happens()
        return web.Response(headers=GZIP)

    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(handler)
        wanted = {"url": f"http://files.test:{port}/a.tar.gz", "path": "remote"} | fields
        return await api.post("/projects/remote-import", by="ann", json=wanted)


async def test_case_52_a_path_that_is_taken_meanwhile_is_told_under_one_key(api: Api, ann: User) -> None:
    answer = await _import_while(api, lambda: api.project(ann, "remote"))

    assert (answer.status, answer.body) == (400, {"message": "Path has already been taken"})
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_case_52_a_namespace_that_goes_meanwhile_is_told_under_one_key(api: Api, ann: User) -> None:
    group = await create_group(api.pool, "grp", name="Grp")
    await add_member(api.pool, ann.id, namespace_id=group.id, level=AccessLevel.OWNER)

    async def deleted() -> None:
        await api.call("DELETE", f"/api/v4/groups/{group.id}", by="ann")

    answer = await _import_while(api, deleted, namespace="grp")

    assert (answer.status, answer.body) == (400, {"message": "Namespace is not valid"})
    assert await api.pool.fetchval("SELECT count(*) FROM projects") == 0


@pytest.mark.parametrize("path", ["import", "import-relation"])
@pytest.mark.usefixtures("ann")
async def test_case_85_only_gitlabs_proxy_may_ask_what_an_upload_needs(api: Api, path: str) -> None:
    for headers in ({}, {"Gitlab-Workhorse": "1"}, {"Gitlab-Workhorse-Api-Request": "forged"}):
        answer = await api.post(f"/projects/{path}/authorize", by="ann", headers=headers)
        assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})
    assert (await api.post(f"/projects/{path}/authorize")).status == 401
