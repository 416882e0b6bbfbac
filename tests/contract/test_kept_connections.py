"""Connections that are kept for several requests: what is saved, and that nothing is let pass by them."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from shared.remote import connections
from shared.remote.client import RemoteClient
from shared.remote.errors import AnswerMalformed, BlockedUrl, Unreachable
from tests.support.certificates import certificate
from tests.support.remote import LOOPBACK, Servers, client_of, names
from tests.support.tls_front import server_context


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


class Watched:
    """A server that remembers the connections by which requests came."""

    def __init__(self, body: bytes = b"x" * 1000, **headers: str) -> None:
        self.connections: list[object] = []
        self.cookies: list[str] = []
        self.closes = False
        self._body = body
        self._headers = headers

    async def handle(self, request: web.Request) -> web.Response:
        if not any(request.transport is each for each in self.connections):
            self.connections.append(request.transport)
        self.cookies.append(request.headers.get("Cookie", ""))
        response = web.Response(body=self._body, headers={"Set-Cookie": "a=b", **self._headers})
        if self.closes:
            response.force_close()
        return response


async def ask(client: RemoteClient, url: str, *, body: bytes | None = None) -> bytes:
    async with client.ask(url, headers={}, secrets={}, body=body) as answer:
        return b"".join([chunk async for chunk in answer.decoded(lambda _: None)])


async def test_requests_of_a_block_go_by_one_connection_with_tls(servers: Servers, tmp_path: Path) -> None:
    keys, served = certificate(tmp_path, "files.test"), Watched()
    port = await servers.http(served.handle, tls=server_context(keys))
    trusting = ssl.create_default_context(cafile=str(keys[1]))
    async with RemoteClient(LOOPBACK, names(), tls=trusting).keeping() as client:
        for body in (None, b"asked", None, b"asked"):
            assert len(await ask(client, f"https://files.test:{port}/a", body=body)) == 1000
        async with client.get(f"https://files.test:{port}/b") as download:
            assert await download.chunk()
    assert len(served.connections) == 1
    assert served.cookies == [""] * 5


async def test_without_a_block_each_request_has_a_connection_of_its_own(servers: Servers) -> None:
    served, client = Watched(), client_of()
    port = await servers.http(served.handle)
    for _ in range(3):
        await ask(client, f"http://files.test:{port}/")
    assert len(served.connections) == 3


async def test_a_server_that_closes_each_is_asked_by_others(servers: Servers) -> None:
    served = Watched()
    served.closes = True
    port = await servers.http(served.handle)
    async with client_of().keeping() as client:
        for _ in range(3):
            assert await ask(client, f"http://files.test:{port}/", body=b"x")
    assert len(served.connections) == 3


async def test_a_request_that_finds_its_connection_closed_makes_another(servers: Servers) -> None:
    """The server ends the connection once it has answered, and does not say so."""
    answered = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        await reader.readuntil(b"\r\n\r\n")
        answered += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # the next request, to which nobody answers

    port = await servers.raw(talk)
    async with client_of().keeping() as client:
        assert await ask(client, f"http://files.test:{port}/") == b"ok"
        assert await ask(client, f"http://files.test:{port}/") == b"ok"
        assert answered == 2
        with pytest.raises(Unreachable):  # a body is not sent twice
            await ask(client, f"http://files.test:{port}/", body=b"x")


async def test_a_name_is_checked_for_each_request_and_a_connection_to_another_address_is_not_used(
    servers: Servers,
) -> None:
    served, table = Watched(), {"files.test": ["127.0.0.2"]}
    port = await servers.http(served.handle)
    resolver = names(**table)
    async with RemoteClient(LOOPBACK, resolver).keeping() as client:
        await ask(client, f"http://files.test:{port}/")
        resolver._table = {"files.test": ["10.0.0.1"]}
        with pytest.raises(BlockedUrl):
            await ask(client, f"http://files.test:{port}/")
        resolver._table = {"files.test": ["127.0.0.2", "127.0.0.2"]}
        await ask(client, f"http://files.test:{port}/")
    assert len(served.connections) == 2
    assert resolver.asked == ["files.test"] * 3


async def test_so_many_connections_are_kept_and_no_more(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 1)
    one, two = Watched(), Watched()
    ports = [await servers.http(each.handle) for each in (one, two)]
    async with client_of().keeping() as client:
        for port in (*ports, *ports):
            await ask(client, f"http://files.test:{port}/")
    assert (len(one.connections), len(two.connections)) == (2, 2)


async def test_an_answer_may_be_packed_by_gzip_and_what_is_none_is_refused(servers: Servers) -> None:
    raw = b"line\n" * 1_000_000
    whole = gzip.compress(raw)
    for body, expected in ((whole, raw), (whole[:-9], None), (whole + b"x", None), (b"none", None)):
        port = await servers.http(Watched(body, **{"Content-Encoding": "gzip"}).handle)
        url = f"http://files.test:{port}/"
        if expected is not None:
            assert await ask(client_of(), url) == expected
            continue
        with pytest.raises(AnswerMalformed, match="its gzip"):
            await ask(client_of(), url)


async def test_pieces_of_what_was_packed_are_bounded_and_what_came_is_counted(servers: Servers) -> None:
    packed = gzip.compress(bytes(10_000_000))
    counted: list[int] = []
    port = await servers.http(Watched(packed, **{"Content-Encoding": "gzip"}).handle)
    async with client_of().ask(f"http://files.test:{port}/", headers={}, secrets={}) as answer:
        sizes = [len(piece) async for piece in answer.decoded(counted.append)]
    assert (sum(sizes), max(sizes)) == (10_000_000, 256 * 1024)
    assert sum(counted) == len(packed)
