"""The client of peers against a GitLab with its quirks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from aiohttp import web
from yarl import URL

from shared.peers import client as client_
from shared.peers.client import PeerClient, api_of
from shared.peers.errors import (
    PeerFailing,
    PeerForbidden,
    PeerLimited,
    PeerListTooLong,
    PeerMalformed,
    PeerRecordMissing,
    PeerRefused,
    PeerTokenRefused,
)
from shared.remote.api_address import ApiAddress
from shared.remote.errors import AnswerMalformed, RemoteError
from tests.support.peers import ADDRESS, SLOWLY, TOKEN, PeerGitLab, remote_client
from tests.support.projects import project
from tests.support.remote import Servers

ARCHIVE = project(("uploads/a", bytes(300_000)))


@pytest.fixture
async def gitlab() -> AsyncIterator[PeerGitLab]:
    async with PeerGitLab("acme/one", "acme/two", "other/three").serve() as serving:
        yield serving


@pytest.fixture
def peer(gitlab: PeerGitLab) -> PeerClient:
    return PeerClient(remote_client(), gitlab.address)


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), 65_536):
        yield data[start : start + 65_536]


async def downloaded(peer: PeerClient, project_id: int) -> bytes:
    async with peer.download(project_id) as download:
        return b"".join([chunk async for chunk in download])


@pytest.mark.parametrize(
    ("address", "api"),
    [
        ("https://gitlab.example.com", "https://gitlab.example.com/api/v4"),
        ("https://gitlab.example.com/", "https://gitlab.example.com/api/v4"),
        ("https://example.com/gitlab/", "https://example.com/gitlab/api/v4"),
        ("https://gitlab.example.com/api/v4/", "https://gitlab.example.com/api/v4/"),
    ],
)
def test_the_api_is_below_the_address_of_the_web_site(address: str, api: str) -> None:
    assert str(api_of(URL(address))) == api


async def test_who_the_token_is_and_what_it_may_do_are_told(peer: PeerClient) -> None:
    token = await peer.token()
    assert token is not None
    assert ((await peer.user()).username, token.name, token.scopes) == ("root", "vault", ("api",))
    assert not (await peer.version()).is_crossdock


async def test_a_token_that_does_not_know_itself_is_no_error(gitlab: PeerGitLab, peer: PeerClient) -> None:
    gitlab.fail("GET /personal_access_tokens/self", 404, message="404 Not Found")
    assert await peer.token() is None


async def test_the_projects_of_a_group_come_page_by_page(gitlab: PeerGitLab, peer: PeerClient) -> None:
    gitlab.page = 1
    found = [each.path_with_namespace async for each in peer.projects_of("acme")]
    assert found == ["acme/one", "acme/two"]
    assert gitlab.asked["GET /groups/acme/projects"] == 3


async def test_all_projects_come_by_keys(gitlab: PeerGitLab, peer: PeerClient) -> None:
    gitlab.page = 2
    assert [each.id async for each in peer.exportable()] == [1, 2, 3]


async def test_a_list_without_an_end_is_bounded(
    gitlab: PeerGitLab, peer: PeerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_, "MOST_PROJECTS", 2)
    gitlab.page = 1
    with pytest.raises(PeerListTooLong, match="more than 2 projects"):
        _ = [each async for each in peer.exportable()]


async def test_a_list_goes_on_where_it_began_whatever_host_its_links_name(servers: Servers) -> None:
    asked = []

    async def astray(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        link = '<https://gitlab.internal/elsewhere?after=1>; rel="next"'
        return web.json_response([], headers={"Link": link} if len(asked) == 1 else {})

    api = ApiAddress(URL(f"http://{ADDRESS}:{await servers.http(astray)}/api/v4"), TOKEN)
    _ = [each async for each in PeerClient(remote_client(), api).projects_of("acme")]
    assert asked[1] == "/api/v4/groups/acme/projects?after=1"


async def test_a_next_page_that_is_no_address_is_refused(servers: Servers) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.json_response([], headers={"Link": '<https://[]@/x y>; rel="next"'})

    api = ApiAddress(URL(f"http://{ADDRESS}:{await servers.http(odd)}/api/v4"), TOKEN)
    with pytest.raises(AnswerMalformed):
        _ = [each async for each in PeerClient(remote_client(), api).projects_of("acme")]


async def test_a_project_is_exported_and_downloaded(gitlab: PeerGitLab, peer: PeerClient) -> None:
    gitlab.projects["acme/one"].course = SLOWLY
    gitlab.projects["acme/one"].archive = ARCHIVE
    found = await peer.project("acme/one")
    assert await peer.start_export(found.id)
    states = [(await peer.export(found.id)).export_status for _ in SLOWLY]
    assert states == list(SLOWLY)
    assert await downloaded(peer, found.id) == ARCHIVE


async def test_an_export_that_is_on_its_way_is_not_started_again(
    gitlab: PeerGitLab, peer: PeerClient
) -> None:
    gitlab.projects["acme/one"].course = ("queued", "finished")
    assert await peer.start_export(1)
    assert not await peer.start_export(1)


async def test_an_archive_is_sent_as_a_form_and_its_import_is_followed(
    gitlab: PeerGitLab, peer: PeerClient
) -> None:
    gitlab.import_course = ("started", "failed")
    gitlab.import_error = "no such luck"
    fields = {"path": "one", "namespace": "vault", "overwrite": "true"}
    made = await peer.start_import(fields, pieces(ARCHIVE), size=len(ARCHIVE))
    assert gitlab.imports[0].fields == fields
    assert gitlab.imports[0].archive == ARCHIVE
    assert [(await peer.import_(made.id)).import_status for _ in range(2)] == ["started", "failed"]
    assert (await peer.import_("vault/one")).import_error == "no such luck"


async def test_groups_that_are_missing_are_made_from_above(gitlab: PeerGitLab, peer: PeerClient) -> None:
    await peer.make_groups("vault/acme/sub")
    assert list(gitlab.groups) == ["vault", "vault/acme", "vault/acme/sub"]
    await peer.make_groups("vault/acme/sub")
    assert gitlab.asked["POST /groups"] == 2


async def test_a_group_that_the_peer_does_not_let_be_made_is_told(
    gitlab: PeerGitLab, peer: PeerClient
) -> None:
    gitlab.fail("POST /groups", 403, message="403 Forbidden")
    with pytest.raises(PeerForbidden, match="/api/v4/groups"):
        await peer.make_groups("acme")


_DOWNLOAD = "GET .*/download"


@pytest.mark.parametrize(
    ("status", "message", "error", "told"),
    [
        (401, "401 Unauthorized", PeerTokenRefused, "does not accept the token (401: 401 Unauthorized)"),
        (403, "403 Forbidden", PeerForbidden, "/api/v4/projects/1/import (403: 403 Forbidden)"),
        (404, "404 Project Not Found", PeerRecordMissing, "or hides it from the token (404: 404 Project"),
        (400, {"name": ["is taken", "is odd"]}, PeerRefused, "(400: name is taken, is odd)"),
        (422, {"error": "no archive"}, PeerRefused, "(422: no archive)"),
        (502, "", PeerFailing, "fails (502)"),
        (400, f"{TOKEN} http://10.0.0.1/x", PeerRefused, "(400: ***** http://10.0.0.1/*****)"),
        (400, "a\nb" + "c" * 1000, PeerRefused, "(400: a b" + "c" * 297 + ")"),
    ],
)
async def test_what_the_peer_says_of_an_error_is_told_without_the_token(
    gitlab: PeerGitLab, peer: PeerClient, status: int, message: object, error: type[RemoteError], told: str
) -> None:
    gitlab.fail("GET .*/import", status, message=message)
    with pytest.raises(error) as caught:
        await peer.import_(1)
    assert told in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [(429, {"Retry-After": "42"}, 42), (429, {}, 60), (503, {"Retry-After": "7"}, 7)],
)
async def test_a_limit_says_when_requests_are_taken_again(
    gitlab: PeerGitLab, peer: PeerClient, status: int, headers: dict[str, str], wait: int
) -> None:
    gitlab.projects["acme/one"].states = ["finished"]
    for pattern in ("POST .*/export", _DOWNLOAD):
        gitlab.fail(pattern, status, headers=headers)
    for asked in (peer.start_export(1), downloaded(peer, 1)):
        with pytest.raises(PeerLimited) as caught:
            await asked
        assert caught.value.wait == wait


async def test_an_expired_export_is_one_that_is_missing(peer: PeerClient) -> None:
    with pytest.raises(PeerRecordMissing):
        await downloaded(peer, 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id":"x"}', b"[" * 100_000, b"\xff"])
async def test_an_answer_of_another_form_is_told(servers: Servers, body: bytes) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    api = ApiAddress(URL(f"http://{ADDRESS}:{await servers.http(odd)}/api/v4"), TOKEN)
    with pytest.raises(PeerMalformed):
        await PeerClient(remote_client(), api).project(1)


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (0, "acme/one"),
        (2**63, "acme/one"),
        (1, "one"),
        (1, "acme/o\x00ne"),
        (1, "acme/\u00fc"),
        (1, "acme//one"),
        (1, "/".join(["a"] * 22)),
        (1, "acme/" + "o" * 1020),
    ],
)
async def test_a_project_that_no_gitlab_has_is_told(servers: Servers, number: int, path: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"id": number, "path_with_namespace": path})

    api = ApiAddress(URL(f"http://{ADDRESS}:{await servers.http(odd)}/api/v4"), TOKEN)
    with pytest.raises(PeerMalformed):
        await PeerClient(remote_client(), api).project(1)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Evil: 1", "ü", "x" * 1025])
def test_a_text_that_no_token_can_be_is_never_sent(token: str) -> None:
    with pytest.raises(PeerTokenRefused):
        PeerClient(remote_client(), ApiAddress(URL("https://gitlab.example.com/api/v4"), token))
