from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.usecases.imports import Destination
from tests.support.api import Answer, Api, running_api
from tests.support.forms import HEADERS, Part, form_body
from tests.support.remote import Servers, names

GZIP = {"Content-Type": "application/gzip", "Content-Length": "1000"}


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    remote = RemoteImportPolicy(schemes=("http",), resolver=names())
    allowed = ("files.test",)
    async with running_api(
        database_url, tmp_path / "objects", remote=remote, outbound_local_requests_allowlist=allowed
    ) as running:
        yield running


async def _import_while(api: Api, happens: Callable[[], Awaitable[object]], **fields: str) -> Answer:
    """Ask for a remote import, in the middle of whose look at the file something ``happens``."""

    async def handler(_request: web.Request) -> web.Response:
        await happens()
        return web.Response(headers=GZIP)

    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(handler)
        wanted = {"url": f"http://files.test:{port}/a.tar.gz", "path": "remote"} | fields
        return await api.post("/projects/remote-import", by="ann", json=wanted)


async def test_a_path_that_is_taken_meanwhile_is_told_under_one_key(api: Api, ann: User) -> None:
    answer = await _import_while(api, lambda: api.project(ann, "remote"))

    assert (answer.status, answer.body) == (400, {"message": "Path has already been taken"})
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


@pytest.fixture
async def group(api: Api, ann: User) -> int:
    group = await create_group(api.pool, "grp", name="Grp")
    await add_member(api.pool, ann.id, namespace_id=group.id, level=AccessLevel.OWNER)
    return group.id


async def test_a_namespace_that_goes_while_the_archive_is_looked_at_is_not_found(
    api: Api, group: int
) -> None:
    answer = await _import_while(
        api, lambda: api.call("DELETE", f"/api/v4/groups/{group}", by="ann"), namespace="grp"
    )

    assert (answer.status, answer.body) == (404, {"message": "404 Namespace Not Found"})


async def test_a_namespace_that_goes_at_the_end_is_told_under_one_key(
    api: Api, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = api.uses.imports.find_destination

    async def find_too_early(*args: Any) -> Destination:
        found = await find(*args)
        await api.call("DELETE", f"/api/v4/groups/{group}", by="ann")
        return found

    monkeypatch.setattr(api.uses.imports, "find_destination", find_too_early)
    body = form_body([Part("path", "p"), Part("namespace", "grp"), Part("file", b"x", "x.tar.gz")])
    answer = await api.post("/projects/import", by="ann", data=body, headers=HEADERS)

    assert (answer.status, answer.body) == (400, {"message": "Namespace is not valid"})
    assert await api.pool.fetchval("SELECT count(*) FROM projects") == 0
    assert await api.objects_left() == 0


@pytest.mark.parametrize("path", ["import", "import-relation"])
@pytest.mark.usefixtures("ann")
async def test_only_gitlabs_proxy_may_ask_what_an_upload_needs(api: Api, path: str) -> None:
    for headers in ({}, {"Gitlab-Workhorse": "1"}, {"Gitlab-Workhorse-Api-Request": "forged"}):
        answer = await api.post(f"/projects/{path}/authorize", by="ann", headers=headers)
        assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})
    assert (await api.post(f"/projects/{path}/authorize")).status == 401
