from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from services.api.http.bodies import MOST_PARAMETERS
from shared.accounts.models import Scope
from shared.accounts.tokens import create_token
from shared.projects.models import Project
from tests.support.api import Api
from tests.support.forms import HEADERS, Part, form_body

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    "path",
    [
        "/projects/%00",
        "/projects/ann%2F%00/export",
        "/projects/ann%2F%FF",
        "/projects?search=%FF",
        "/x?y=%00",
    ],
)
async def test_an_address_with_a_nul_or_broken_utf_8_is_a_bad_request(api: Api, path: str) -> None:
    answer = await api.get(path, by="ann")

    assert (answer.status, answer.body) == (400, {"error": "400 Bad Request"})


@pytest.mark.parametrize(("query", "sudo"), [(b"?sudo=%00", b"x"), (b"", b"\xff")])
async def test_an_unreadable_user_to_act_as_is_a_bad_request(api: Api, query: bytes, sudo: bytes) -> None:
    await api.user("root", is_admin=True)
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)

    writer.write(b"GET /api/v4/user%b HTTP/1.1\r\nHost: x\r\nSudo: %b\r\n" % (query, sudo))
    writer.write(b"PRIVATE-TOKEN: %b\r\nConnection: close\r\n\r\n" % api.tokens["root"].encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.split()[1] == b"400"
    assert answer.endswith(b'{"error":"400 Bad Request"}')


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        (JSON, b'{"description": "\xff"}'),
        (FORM, b"description=%FF"),
        (FORM, b"description=\xff"),
        (HEADERS, form_body([Part("description", b"\xff")])),
        ({**JSON, "Content-Encoding": "gzip"}, b"not gzip"),
        ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(b'{"description": "d"}', mtime=0)[:-1]),
    ],
)
async def test_a_body_that_cannot_be_decoded_is_a_bad_request(
    api: Api, project: Project, headers: dict[str, str], data: bytes
) -> None:
    answer = await api.post(f"/projects/{project.id}/export", by="ann", headers=headers, data=data)

    assert answer.status == 400
    assert list(answer.body) == ["error"]
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
async def test_a_body_may_be_gzipped_in_members(api: Api, project: Project, encoding: str) -> None:
    data = gzip.compress(b'{"upload": {"http_') + gzip.compress(b'method": "GET"}}')

    answer = await api.post(
        f"/projects/{project.id}/export", by="ann", headers={**JSON, "Content-Encoding": encoding}, data=data
    )

    text = "upload[http_method] does not have a valid value"
    assert (answer.status, answer.body) == (400, {"error": text})


async def test_a_body_in_another_encoding_is_told_which_one_is_taken(api: Api, project: Project) -> None:
    answer = await api.post(
        f"/projects/{project.id}/export", by="ann", headers={**JSON, "Content-Encoding": "br"}, data=b"x"
    )

    text = "the encoding 'br' of the body is not supported: gzip is, and none"
    assert (answer.status, answer.body) == (415, {"error": text})
    assert answer.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("data", [b'{"upload": {"http_method": "GET"}}', b"upload[http_method]=GET"])
async def test_a_body_without_a_type_is_json_or_a_form(api: Api, project: Project, data: bytes) -> None:
    answer = await api.post(
        f"/projects/{project.id}/export", by="ann", data=data, skip_auto_headers=["Content-Type"]
    )

    text = "upload[http_method] does not have a valid value"
    assert (answer.status, answer.body) == (400, {"error": text})


@pytest.mark.parametrize("encoding", ["json", "data"])
async def test_the_user_to_act_as_comes_in_a_body_too(api: Api, project: Project, encoding: str) -> None:
    root = await api.user("root", is_admin=True)
    api.tokens["root"] = await create_token(api.pool, root.id, name="sudo", scopes=(Scope.API, Scope.SUDO))
    body: dict[str, Any] = {encoding: {"sudo": "nobody"}}

    answer = await api.post(f"/projects/{project.id}/export", by="root", **body)

    text = "404 User with ID or username 'nobody' Not Found"
    assert (answer.status, answer.body) == (404, {"message": text})


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("authorization", ["Bearer", "Bearer "])
async def test_an_empty_bearer_hides_no_other_token(api: Api, authorization: str) -> None:
    answer = await api.get("/user", by="ann", headers={"Authorization": authorization})

    assert answer.status == 200


async def test_slashes_at_the_end_are_none(api: Api, project: Project) -> None:
    answers = [await api.get(f"/projects/{project.id}/export{end}", by="ann") for end in ("", "/", "//")]

    assert [answer.status for answer in answers] == [200] * 3


async def test_json_has_so_many_parameters_and_no_more(api: Api) -> None:
    await api.user("ann")
    given = {f"a[{number}]": 1 for number in range(MOST_PARAMETERS)}
    assert (await api.post("/projects", by="ann", json={**given, "name": "p"})).status == 400
    del given["a[0]"]
    assert (await api.post("/projects", by="ann", json={**given, "name": "p"})).status == 201
