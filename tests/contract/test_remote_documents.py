from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from shared.remote.client import Deadlines, RemoteClient
from shared.remote.document import RemoteDocument
from shared.remote.errors import AnswerTooLarge, BlockedUrl, TooSlow, Unanswered, Unreachable
from shared.remote.pace import LeastRate
from tests.support.remote import PATIENT, SECRET, SHORT, Servers, client_of


async def read(client: RemoteClient, url: str, *, most: int = 1000) -> RemoteDocument:
    secrets = {"Authorization": SECRET}
    return await client.read(url, headers={"Accept": "text/x"}, secrets=secrets, most=most)


@pytest.mark.parametrize("status", [200, 204, 304, 401, 404, 429, 503])
async def test_an_answer_is_given_whole_whatever_its_status(servers: Servers, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "text/x"
        assert request.headers["Accept-Encoding"] == "identity"
        body = b"" if status in (204, 304) else b"body"
        return web.Response(status=status, body=body, headers={"X-One": "1"})

    port = await servers.http(handler)
    document = await read(client_of(), f"http://files.test:{port}/")
    assert (document.status, document.headers["x-one"]) == (status, "1")
    assert document.body == (b"" if status in (204, 304) else b"body")


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_an_answer_has_no_more_bytes_than_its_bound(servers: Servers, *, is_chunked: bool) -> None:
    async def handler(_: web.Request) -> web.Response:
        answer = web.Response(body=b"x" * 100_000)
        if is_chunked:
            answer.enable_chunked_encoding()
        return answer

    port = await servers.http(handler)
    whole = await read(client_of(), f"http://files.test:{port}/", most=100_000)
    assert len(whole.body) == 100_000
    with pytest.raises(AnswerTooLarge, match="more than 99999 bytes") as caught:
        await read(client_of(), f"http://files.test:{port}/", most=99_999)
    assert not caught.value.retryable


async def test_an_answer_without_end_is_left_at_its_bound(servers: Servers) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    port = await servers.raw(talk)
    with pytest.raises(AnswerTooLarge):
        await read(client_of(), f"http://files.test:{port}/", most=1 << 20)
    assert sent < 32 << 20  # what the sockets hold comes on top


async def test_an_answer_that_is_cut_is_no_document(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()

    port = await servers.raw(talk)
    with pytest.raises(Unreachable) as caught:
        await read(client_of(), f"http://files.test:{port}/")
    assert caught.value.retryable


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_server_that_falls_silent_is_left(servers: Servers, head: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await reader.read()

    port = await servers.raw(talk)
    with pytest.raises(Unanswered):
        await read(client_of(deadlines=SHORT), f"http://files.test:{port}/")


async def test_a_document_below_the_least_rate_is_left(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)  # a server that drips: that is the test

    port = await servers.raw(talk)
    least = LeastRate(rate=1 << 20, grace=timedelta(seconds=0.05))
    with pytest.raises(TooSlow):
        await read(client_of(deadlines=Deadlines(idle=PATIENT, least=least)), f"http://files.test:{port}/")


async def test_secrets_stay_with_the_origin_they_were_given_for(servers: Servers) -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Authorization"), request.headers.get("Accept")))
        there = {"/a": "/b", "/b": f"http://other.test:{request.url.port}/c"}.get(request.path)
        return web.Response(status=302, headers={"Location": there}) if there else web.Response(text="end")

    port = await servers.http(handler)
    assert (await read(client_of(), f"http://files.test:{port}/a")).body == b"end"
    assert seen == [(SECRET, "text/x"), (SECRET, "text/x"), (None, "text/x")]


async def test_the_address_of_a_document_is_checked() -> None:
    with pytest.raises(BlockedUrl, match="localhost"):
        await read(client_of(), "http://127.0.0.1/")
