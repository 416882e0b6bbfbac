from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web

from shared.accounts.models import User
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.models import ImportOrder, JobKind
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import store
from shared.usecases import remote_archives
from tests.support.api import Answer, Api, running_api
from tests.support.certificates import certificate
from tests.support.remote import SECRET, Handler, Servers, names
from tests.support.sealing import opened

GIB = 2**30
GZIP = {"Content-Type": "application/gzip", "Content-Length": "1000"}
TYPES = "application/gzip, application/x-tar, application/x-gzip"
S3 = {"Server": "AmazonS3", "x-amz-request-id": "1"}


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The application, which may ask the servers of these tests, by https and by http."""
    config = {"outbound_local_requests_allowlist": ("files.test",)} | getattr(request, "param", {})
    remote = RemoteImportPolicy(schemes=("https", "http"), resolver=names())
    async with running_api(database_url, tmp_path / "objects", remote=remote, **config) as running:
        await running.user("ann")
        yield running


@pytest.fixture
async def strict(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """The application as it is by default."""
    remote = RemoteImportPolicy(resolver=names(localhost=["127.0.0.1"]))
    async with running_api(database_url, tmp_path / "objects", remote=remote) as running:
        await running.user("ann")
        yield running


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


def answering(headers: dict[str, str], *, status: int = 200) -> Handler:
    """A server that knows HEAD alone."""

    async def handler(request: web.Request) -> web.Response:
        assert request.method == "HEAD"
        return web.Response(status=status, headers=headers)

    return handler


async def ask(api: Api, url: str, **more: object) -> Answer:
    return await api.post("/projects/remote-import", by="ann", json={"url": url, "path": "remote"} | more)


async def ask_server(api: Api, servers: Servers, handler: Handler, **more: object) -> Answer:
    return await ask(api, f"http://files.test:{await servers.http(handler)}/a.tar.gz?sig={SECRET}", **more)


async def order_of(api: Api, answer: Answer) -> ImportOrder:
    assert answer.status == 201, answer
    project = await store.find_by_id(api.pool, answer.body["id"])
    assert project is not None
    order = opened(await api.newest(project, JobKind.REMOTE_IMPORT))
    assert isinstance(order, ImportOrder)
    return order


async def projects(api: Api) -> int:
    count: int = await api.pool.fetchval("SELECT count(*) FROM projects")
    return count


@pytest.mark.parametrize("path", ["remote-import", "remote-import-s3"])
@pytest.mark.parametrize("api", [{"import_sources": ()}], indirect=True)
async def test_imports_from_elsewhere_are_forbidden_where_imports_are(api: Api, path: str) -> None:
    keys = ("region", "bucket_name", "file_key", "access_key_id", "secret_access_key")
    wanted = {"path": "p"} | ({"url": "https://x"} if path == "remote-import" else dict.fromkeys(keys, "x"))

    wrong = await api.post(f"/projects/{path}", by="ann", json={})
    answer = await api.post(f"/projects/{path}", by="ann", json=wanted)

    assert wrong.status == 400
    assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})


async def test_a_remote_import_is_ordered_and_no_object_is_made(api: Api, servers: Servers) -> None:
    answer = await ask_server(api, servers, answering(GZIP), relations=["issues"])

    assert (await order_of(api, answer)).selection == RelationSelection(relations=("issues",))
    assert answer.body["path_with_namespace"] == "ann/remote"
    assert (answer.body["import_status"], answer.body["import_type"]) == ("scheduled", "gitlab_project")
    source = (await order_of(api, answer)).source
    assert source is not None
    assert source.url.endswith(f"/a.tar.gz?sig={SECRET}")
    assert SECRET not in repr(source) + json.dumps(answer.body)
    assert await api.objects_left() == 0


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "url is missing, path is missing"),
        ({"path": "p"}, "url is missing"),
        ({"url": "https://a.test", "path": "p", "overwrite": "maybe"}, "overwrite is invalid"),
    ],
)
async def test_what_is_missing_or_invalid_is_told(api: Api, given: dict[str, str], error: str) -> None:
    answer = await api.post("/projects/remote-import", by="ann", json=given)

    assert (answer.status, answer.body) == (400, {"error": error})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://whatever.com/url", "Only allowed schemes are https"),
        ("http://files.test/a.tar.gz", "Only allowed schemes are https"),
        ("", "Only allowed schemes are https"),
        ("https://localhost:3000/a.tar.gz", "Requests to localhost are not allowed"),
        ("https://files.test/a.tar.gz", "Requests to loopback addresses are not allowed"),
        ("https://169.254.169.254/latest", "Requests to the link local network are not allowed"),
        ("https://nowhere.test/a.tar.gz", "Host cannot be resolved or invalid"),
    ],
)
async def test_a_blocked_url_is_refused_and_leaves_nothing(strict: Api, url: str, reason: str) -> None:
    answer = await ask(strict, url)

    assert (answer.status, answer.body) == (400, {"message": f"File url is blocked: {reason}"})
    assert await projects(strict) == 0


@pytest.mark.parametrize("status", [404, 500])
async def test_a_server_without_the_file_is_told_without_the_secret(
    api: Api, servers: Servers, status: int
) -> None:
    answer = await ask_server(api, servers, answering({}, status=status))

    assert answer.status == 400
    assert answer.body["message"].startswith("Failed to retrive headers: http://files.test:")
    assert f"answered {status}" in answer.body["message"]
    assert SECRET not in answer.body["message"]
    assert await projects(api) == 0


async def test_a_server_that_does_not_answer_in_time_is_told(
    api: Api, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(reader: Any, _: object) -> None:
        await reader.read()

    monkeypatch.setattr(remote_archives, "DEADLINE", remote_archives.DEADLINE / 50)
    answer = await ask(api, f"http://files.test:{await servers.raw(silent)}/a")

    assert answer.body["message"].startswith("Failed to retrive headers: ")
    assert answer.body["message"].endswith("/***** did not answer in time")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (
            GZIP | {"Content-Type": "application/gzip; charset=x"},
            f"Content type 'application/gzip; charset=x' not allowed. (Allowed: {TYPES})",
        ),
        (
            GZIP | {"Content-Type": "unknown", "Server": "AmazonS3"},
            f"Content type 'unknown' not allowed. (Allowed: {TYPES})",
        ),
    ],
)
async def test_headers_that_do_not_fit_are_refused(
    api: Api, servers: Servers, headers: dict[str, str], text: str
) -> None:
    answer = await ask_server(api, servers, answering(headers))

    assert (answer.status, answer.body) == (400, {"message": text})
    assert await projects(api) == 0


async def test_a_length_that_is_not_told_is_too_small(api: Api, servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\n\r\n")
        await writer.drain()

    answer = await ask(api, f"http://files.test:{await servers.raw(talk)}/a")

    assert answer.body == {"message": "Content length is too small (should be at least 1 B)"}


@pytest.mark.parametrize("status", [403, 405])
async def test_a_url_that_refuses_head_is_asked_by_get(api: Api, servers: Servers, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=status)
        return web.Response(body=b"x" * 10_000, content_type="application/gzip")

    assert (await ask_server(api, servers, handler)).status == 201


async def test_a_url_that_refuses_both_is_refused(api: Api, servers: Servers) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=403)

    answer = await ask_server(api, servers, handler)

    assert answer.body["message"].endswith("answered 403 Forbidden")


@pytest.mark.parametrize("path", ["", " ", None])
async def test_a_blank_path_is_refused_before_any_server_is_asked(api: Api, path: str | None) -> None:
    answer = await ask(api, "https://nowhere.test", path=path)

    assert (answer.status, answer.body) == (400, {"message": "Path can't be blank"})


async def test_a_bad_path_is_refused_after_a_bad_url(api: Api, servers: Servers) -> None:
    answer = await ask(api, "ftp://nowhere.test", path="_ an invalid path _")
    assert answer.body["message"] == "File url is blocked: Only allowed schemes are https, http"

    answer = await ask_server(api, servers, answering(GZIP), path="_ an invalid path _")
    assert answer.body["message"].startswith("Project namespace path can only include non-accented letters")


async def test_an_unknown_namespace_is_not_found(api: Api) -> None:
    answer = await ask(api, "https://nowhere.test", namespace="no/where")

    assert (answer.status, answer.body) == (404, {"message": "404 Namespace Not Found"})


async def test_python_gitlab_sends_flat_override_params_and_false_as_text(
    api: Api, servers: Servers, ann_project: None
) -> None:
    answer = await ask_server(
        api,
        servers,
        answering(GZIP),
        overwrite="False",
        path="other",
        **{"override_params[visibility]": "public"},
    )

    order = await order_of(api, answer)
    assert (order.override_params, order.replaces) == ({"visibility": "public"}, None)


@pytest.fixture
async def ann_project(api: Api) -> None:
    user: User = await api.user("ben")
    await api.project(user, "remote")


@pytest.mark.parametrize("encoding", ["json", "json as form", "form", "multipart"])
async def test_every_encoding_of_the_body_is_read(api: Api, servers: Servers, encoding: str) -> None:
    url = f"http://files.test:{await servers.http(answering(GZIP))}/a?x=1&y=2"
    given = {"url": url, "path": "remote"}
    form = FormData(default_to_multipart=True)
    for name, value in given.items():
        form.add_field(name, value)
    labelled = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "data": json.dumps(given)}
    sent: dict[str, dict[str, Any]] = {
        "json": {"json": given},
        "json as form": labelled,
        "form": {"data": given},
        "multipart": {"data": form},
    }

    answer = await api.post("/projects/remote-import", by="ann", **sent[encoding])

    source = (await order_of(api, answer)).source
    assert source is not None
    assert source.url == url


async def test_a_certificate_of_ones_own_is_trusted_if_the_installation_says_so(
    database_url: str, servers: Servers, tmp_path: Path
) -> None:
    key, cert = certificate(tmp_path, "files.test")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    url = f"https://files.test:{await servers.http(answering(GZIP), tls=tls)}/a.tar.gz"
    statuses = []
    for trusted in (None, ssl.create_default_context(cafile=cert)):
        remote = RemoteImportPolicy(resolver=names(), tls=trusted)
        config: dict[str, Any] = {"outbound_local_requests_allowlist": ("files.test",)}
        async with running_api(database_url, tmp_path / "objects", remote=remote, **config) as running:
            if trusted is None:
                await running.user("ann")
            else:
                await running.user("ben")
            by = "ann" if trusted is None else "ben"
            answer = await running.post("/projects/remote-import", by=by, json={"url": url, "path": "p"})
            statuses.append((answer.status, "failed at TLS" in str(answer.body)))

    assert statuses == [(400, True), (201, False)]
