"""Cases 50 to 67: archives that lie elsewhere, behind a URL or in a bucket of S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from aiohttp import web

from tests.support.api import Answer
from tests.support.buckets import presigned
from tests.support.instance import ARCHIVE, Instance
from tests.support.remote import Servers
from tests.support.seaweedfs import S3Server
from tests.support.tls_front import server_context

GZIP = {"Content-Type": "application/gzip"}
SIZED = GZIP | {"Content-Length": str(len(ARCHIVE))}
ELEVEN_GIB = {"Content-Length": str(11 * 2**30)}
TYPES = "application/gzip, application/x-tar, application/x-gzip"
AMAZON = {"Server": "AmazonS3", "x-amz-request-id": "1"}


def _of(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


class Remote:
    """Imports by ann from servers that say of the archive what a test wants."""

    def __init__(self, gitlab: Instance, ann: str, servers: Servers, keys: tuple[Path, Path]) -> None:
        self.gitlab = gitlab
        self.ann = ann
        self._servers = servers
        self._tls = server_context(keys)

    async def ask(self, url: str | None = None, **more: Any) -> Answer:
        """Ask for an import from a URL."""
        given = {"url": url or "https://localhost/a.tar.gz", "path": "remote-project"} | more
        return await self.gitlab.post("/projects/remote-import", by=self.ann, json=given)

    async def from_server(self, head: Mapping[str, str], *, status: int = 200, **more: Any) -> Answer:
        """Ask for one from a server that answers HEAD like that, and GET with the archive."""

        async def handler(request: web.Request) -> web.Response:
            if request.method == "HEAD":
                return web.Response(status=status, headers=head)
            return web.Response(body=ARCHIVE, headers=GZIP)

        port = await self._servers.http(handler, host="127.0.0.1", tls=self._tls)
        return await self.ask(f"https://localhost:{port}/a.tar.gz", **more)


@pytest.fixture
async def remote(gitlab: Instance, ann: str, keys: tuple[Path, Path]) -> AsyncIterator[Remote]:
    async with AsyncExitStack() as stack:
        yield Remote(gitlab, ann, Servers(stack), keys)


@pytest.mark.parametrize("path", ["remote-import", "remote-import-s3"])
async def test_cases_50_64_strangers_and_where_imports_are_disabled(
    gitlab: Instance, ann: str, path: str
) -> None:
    keys = ("url", "region", "bucket_name", "file_key", "access_key_id", "secret_access_key", "path")
    given = dict.fromkeys(keys, "x")
    assert (await gitlab.post(f"/projects/{path}", json=given)).status == 401
    async with gitlab.settings(import_sources=[]):
        answer = await gitlab.post(f"/projects/{path}", by=ann, json=given)
    assert _of(answer) == (403, {"message": "403 Forbidden"})


async def test_cases_51_63_an_archive_behind_a_url_is_imported(remote: Remote) -> None:
    # Case 63 is the answer of GitLab 13.12 without its feature flag, which later versions do not have.
    answer = await remote.from_server(SIZED)
    assert (answer.status, answer.body["import_status"]) == (201, "scheduled")
    assert (answer.body["name"], answer.body["path"]) == ("remote-project", "remote-project")
    assert answer.body["path_with_namespace"] == f"{remote.ann}/remote-project"
    assert (await remote.gitlab.import_ended(answer.body["id"]))["import_status"] == "finished"


async def test_case_52_an_error_of_the_service_is_one_text_under_one_key(remote: Remote) -> None:
    await remote.gitlab.project(remote.ann, "remote-project")
    answer = await remote.from_server(SIZED)
    assert _of(answer) == (400, {"message": "Path has already been taken"})


@pytest.mark.parametrize("url", ["ftp://whatever.com/url", "http://localhost/a.tar.gz"])
async def test_cases_53_54_only_https(remote: Remote, url: str) -> None:
    text = "File url is blocked: Only allowed schemes are https"
    assert _of(await remote.ask(url)) == (400, {"message": text})


async def test_case_55_no_local_address(remote: Remote) -> None:
    text = "File url is blocked: Requests to localhost are not allowed"
    async with remote.gitlab.settings(allow_local_requests_from_web_hooks_and_services=False):
        assert _of(await remote.ask("https://localhost:3000/a.tar.gz")) == (400, {"message": text})


@pytest.mark.parametrize(
    ("head", "status", "text"),
    [
        (SIZED, 500, "Failed to retrive headers: "),
        (GZIP | ELEVEN_GIB, 200, "Content length is too big (should be at most 10 GiB)"),
        (GZIP | {"Content-Length": "0"}, 200, "Content length is too small (should be at least 1 B)"),
        (
            SIZED | {"Content-Type": "unknown"},
            200,
            f"Content type 'unknown' not allowed. (Allowed: {TYPES})",
        ),
    ],
    ids=["case_56", "case_57", "case_58", "case_59"],
)
async def test_cases_56_57_58_59_what_the_server_says_is_checked(
    remote: Remote, head: dict[str, str], status: int, text: str
) -> None:
    answer = await remote.from_server(head, status=status)
    assert (answer.status, list(answer.body)) == (400, ["message"])
    assert answer.body["message"].startswith(text)


async def test_case_60_s3_is_believed(remote: Remote) -> None:
    answer = await remote.from_server(AMAZON | {"Content-Type": "odd/type"} | ELEVEN_GIB)
    assert answer.status == 201
    assert (await remote.gitlab.import_ended(answer.body["id"]))["import_status"] == "finished"


@pytest.mark.parametrize("kind", TYPES.split(", "))
async def test_case_61_each_type_of_an_archive(remote: Remote, kind: str) -> None:
    assert (await remote.from_server(SIZED | {"Content-Type": kind})).status == 201


async def test_case_62_without_a_limit_any_size(remote: Remote) -> None:
    async with remote.gitlab.settings(max_import_remote_file_size=0):
        assert (await remote.from_server(GZIP | ELEVEN_GIB)).status == 201


@pytest.fixture(scope="module")
def stored(remote_s3: S3Server) -> dict[str, str]:
    """An archive in a bucket, and who may read it."""
    key = f"remote/{uuid4().hex}.tar.gz"
    address = asyncio.run(presigned(remote_s3, key)).put
    assert requests.put(address, data=ARCHIVE, headers=GZIP, timeout=60).status_code == 200
    return {
        "region": remote_s3.region,
        "bucket_name": remote_s3.bucket,
        "file_key": key,
        "access_key_id": remote_s3.access_key,
        "secret_access_key": remote_s3.secret_key,
        "path": "remote-project",
    }


async def _import(gitlab: Instance, by: str, given: Mapping[str, Any]) -> Answer:
    return await gitlab.post("/projects/remote-import-s3", by=by, json=given)


async def test_case_64_an_object_of_a_bucket(gitlab: Instance, ann: str, stored: dict[str, str]) -> None:
    answer = await _import(gitlab, ann, stored)
    assert (answer.status, answer.body["import_type"]) == (201, "gitlab_project")
    assert (await gitlab.import_ended(answer.body["id"]))["import_status"] == "finished"


@pytest.mark.parametrize(
    ("name", "word", "blank"),
    [
        ("region", "Region", ""),
        ("bucket_name", "Bucket name", " "),
        ("file_key", "File key", None),
        ("access_key_id", "Access key", ""),
        ("secret_access_key", "Secret access key", " "),
        ("path", "Path", None),
    ],
)
async def test_case_65_what_is_blank(
    gitlab: Instance, ann: str, stored: dict[str, str], name: str, word: str, blank: str | None
) -> None:
    answer = await _import(gitlab, ann, stored | {name: blank})
    assert _of(answer) == (400, {"message": f"{word} can't be blank"})


async def test_case_66_no_such_object(gitlab: Instance, ann: str, stored: dict[str, str]) -> None:
    answer = await _import(gitlab, ann, stored | {"file_key": "no/such"})
    assert _of(answer) == (400, {"message": f"File not found 'no/such' in '{stored['bucket_name']}'"})


async def test_case_67_keys_that_do_not_open_it(gitlab: Instance, ann: str, stored: dict[str, str]) -> None:
    answer = await _import(gitlab, ann, stored | {"secret_access_key": "wrong"})
    where = f"'{stored['file_key']}' in '{stored['bucket_name']}'"
    assert (answer.status, list(answer.body)) == (400, ["message"])
    assert answer.body["message"].startswith(f"Failed to open {where}: ")
