from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from shared.remote.client import RemoteClient
from shared.remote.errors import (
    BlockedUrl,
    RedirectRefused,
    Unanswered,
)
from tests.support.remote import (
    CONTENT,
    LOOPBACK,
    PATIENT,
    SECRET,
    Servers,
    client_of,
    names,
    read_all,
    whole_file,
)


async def test_head_tells_status_length_and_type(servers: Servers) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.method == "HEAD"
        headers = {"Content-Length": str(11 << 30), "Content-Type": "application/gzip; a=b", "X-Amz": "1"}
        return web.Response(status=404, headers=headers)

    port = await servers.http(handler)
    head = await client_of().head(f"http://files.test:{port}/a", deadline=PATIENT)
    assert (head.status, head.content_length, head.content_type) == (404, 11 << 30, "application/gzip; a=b")
    assert head.headers["x-amz"] == "1"


async def test_head_without_a_length_says_so(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()

    port = await servers.raw(talk)
    head = await client_of().head(f"http://files.test:{port}/a", deadline=PATIENT)
    assert (head.content_length, head.content_type) == (None, None)


async def test_head_has_one_deadline_for_everything(servers: Servers) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not reader.at_eof():
            writer.write(b"A: b\r\n")
            await asyncio.sleep(0.01)  # a server that trickles: that is the test

    port = await servers.raw(trickle)
    with pytest.raises(Unanswered) as caught:
        await client_of().head(f"http://files.test:{port}/a", deadline=timedelta(seconds=0.2))
    assert caught.value.retryable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(servers: Servers, status: int) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            return await whole_file(request)
        return web.Response(status=status, headers={"Location": "moved?a=%2f"})

    port = await servers.http(handler)
    assert await read_all(client_of(), f"http://files.test:{port}/here") == CONTENT
    assert (await client_of().head(f"http://files.test:{port}/here", deadline=PATIENT)).status == 200


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1:{port}/", "Requests to localhost are not allowed"),
        ("http://bad.test:{port}/", "Requests to the link local network are not allowed"),
        ("file:///etc/passwd", "Only allowed schemes are http, https"),
        ("http://-/", "Hostname or IP address invalid"),
    ],
)
async def test_a_redirect_is_checked_as_the_first_address_was(
    servers: Servers, location: str, reason: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location.format(port=request.url.port)})

    port = await servers.http(handler)
    client = client_of(names(**{"bad.test": ["169.254.169.254"]}))
    with pytest.raises(BlockedUrl) as caught:
        await client.head(f"http://files.test:{port}/", deadline=PATIENT)
    assert caught.value.reason == reason


async def test_credentials_stay_with_the_origin_they_were_given_for(servers: Servers) -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        headers = request.headers
        seen.append((request.path, headers.get("Authorization"), headers.get("PRIVATE-TOKEN")))
        here = request.url.port
        onward = {
            "/a": "/b",
            "/b": f"http://user:pass@other.test:{here}/c",
            "/c": f"http://files.test:{here}/d",
        }.get(request.path)
        return web.Response(status=302, headers={"Location": onward}) if onward else await whole_file(request)

    port = await servers.http(handler)
    url = f"http://user:{SECRET}@files.test:{port}/a"
    async with client_of().get(url, headers={"PRIVATE-TOKEN": SECRET}) as download:
        assert download.length == len(CONTENT)
    basic = "Basic dXNlcjpodW50ZXIy"
    assert seen == [("/a", basic, SECRET), ("/b", basic, SECRET), ("/c", None, None), ("/d", None, None)]


async def test_cookies_are_not_kept(servers: Servers) -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        headers = {"Set-Cookie": "a=b"} | ({"Location": "/b"} if request.path == "/a" else {})
        return web.Response(status=302 if request.path == "/a" else 200, headers=headers)

    port = await servers.http(handler)
    await client_of().head(f"http://files.test:{port}/a", deadline=PATIENT)
    assert cookies == [None, None]


async def test_a_redirect_without_an_end_is_given_up(servers: Servers) -> None:
    asked = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=302, headers={"Location": request.path})

    port = await servers.http(handler)
    with pytest.raises(RedirectRefused, match="more than 5 times"):
        await client_of().head(f"http://files.test:{port}/a", deadline=PATIENT)
    assert asked == 6


async def test_a_redirect_from_https_to_http_is_refused(
    servers: Servers, certificate: tuple[Path, Path]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"http://files.test/{SECRET}?{SECRET}"})

    key, cert = certificate
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(cert, key)
    port = await servers.http(handler, tls=serving)
    trusting = RemoteClient(LOOPBACK, names(), tls=ssl.create_default_context(cafile=cert))
    with pytest.raises(RedirectRefused, match="from https to http"):
        await trusting.head(f"https://files.test:{port}/", deadline=PATIENT)
