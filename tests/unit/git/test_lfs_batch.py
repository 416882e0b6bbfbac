from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from shared.git import lfs_batch
from shared.git.errors import ProtocolBroken
from shared.git.lfs_batch import LfsObject, LfsPlace, LfsServer
from shared.git.smart_http import RemoteRepository
from shared.remote.errors import StatusRefused
from tests.support.remote import SECRET, Servers, client_of

OBJECT = LfsObject(b"\1" * 32, 5)
OID = OBJECT.oid.hex()


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def located(servers: Servers, answer: Any, *, status: int = 200) -> tuple[LfsPlace, web.Request, int]:
    """Where the object is by that answer; the request, and the port of the server."""
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request)
        body = answer(request) if callable(answer) else answer
        if isinstance(body, bytes):
            return web.Response(body=body, status=status)
        return web.json_response(body, status=status)

    port = await servers.http(handler)
    client = client_of()
    remote = RemoteRepository(client, f"http://git:{SECRET}@files.test:{port}/a/b", count=lambda _: None)
    (place,) = await LfsServer(client, remote).locate([OBJECT])
    return place, asked[0], port


def at(href: str, header: dict[str, str] | None = None, *, oid: str = OID) -> dict[str, object]:
    return {"objects": [{"oid": oid, "actions": {"download": {"href": href, "header": header or {}}}}]}


async def test_objects_are_asked_for_below_the_repository_and_with_its_credentials(servers: Servers) -> None:
    place, request, _ = await located(servers, at("https://cdn.test/x", {"X-Ticket": "t"}))
    assert (request.path, request.headers["Authorization"][:6]) == (
        "/a/b.git/info/lfs/objects/batch",
        "Basic ",
    )
    assert (place.url, place.headers, place.error) == ("https://cdn.test/x", {"X-Ticket": "t"}, "")
    assert "cdn.test" not in repr(place)


async def test_credentials_go_to_the_origin_of_the_repository_alone(servers: Servers) -> None:
    own, _, _ = await located(servers, lambda request: at(f"http://{request.host}/object"))
    assert own.headers.keys() == {"Authorization"}
    told, _, _ = await located(
        servers, lambda request: at(f"http://{request.host}/object", {"authorization": "Bearer t"})
    )
    assert told.headers == {"authorization": "Bearer t"}
    other, _, _ = await located(servers, at("http://other.test/object"))
    assert other.headers == {}


async def test_headers_that_are_the_clients_own_or_none_are_left_out(servers: Servers) -> None:
    bad = {"Host": "inside", "Range": "bytes=1-", "X-A": "b\r\nHost: inside", "a b": "c", "X-Good": "d"}
    place, _, _ = await located(servers, at("http://other.test/object", bad))
    assert place.headers == {"X-Good": "d"}


async def test_headers_are_bounded(servers: Servers) -> None:
    place, _, _ = await located(
        servers, at("http://other.test/object", {f"X-{number}": "a" for number in range(1000)})
    )
    assert len(place.headers) == 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"objects": []}, "the server does not have it"),
        (at("https://cdn.test/x", oid="0" * 64), "the server does not have it"),
        ({"objects": [{"oid": OID, "error": {"code": 410, "message": "gone\n"}}]}, "have it: 410 gone"),
    ],
)
async def test_what_is_not_there_is_told(servers: Servers, answer: object, error: str) -> None:
    place, _, _ = await located(servers, answer)
    assert place.error.endswith(error)


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"objects": [1]}', b"[" * 5000])
async def test_an_answer_that_is_none_is_refused(servers: Servers, answer: bytes) -> None:
    with pytest.raises(ProtocolBroken, match="LFS objects is none"):
        await located(servers, answer)


async def test_an_answer_is_bounded(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lfs_batch, "_LONGEST_ANSWER", 100)
    with pytest.raises(ProtocolBroken, match="is too long"):
        await located(servers, b'{"objects": []}' + b" " * 100)


async def test_a_server_without_lfs_is_told(servers: Servers) -> None:
    with pytest.raises(StatusRefused):
        await located(servers, b"", status=404)
