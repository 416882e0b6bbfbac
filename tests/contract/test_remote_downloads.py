from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from shared.remote.addresses import Policy
from shared.remote.client import Deadlines
from shared.remote.errors import (
    AnswerMalformed,
    DownloadBroken,
    ResumeRefused,
    StatusRefused,
    TooSlow,
    Unanswered,
    Unreachable,
)
from shared.remote.pace import LeastRate
from tests.support.remote import (
    CONTENT,
    PATIENT,
    SECRET,
    SHORT,
    Handler,
    Servers,
    client_of,
    read_all,
    whole_file,
)


async def test_a_download_gives_the_bytes_on_the_wire_in_bounded_chunks(servers: Servers) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=CONTENT, headers={"Content-Encoding": "gzip"})

    port = await servers.http(handler)
    async with client_of().get(f"http://files.test:{port}/") as download:
        chunks = [chunk async for chunk in download]
    assert (download.status, download.length) == (200, len(CONTENT))
    assert b"".join(chunks) == CONTENT
    assert max(map(len, chunks)) <= 256 * 1024


async def test_a_download_may_begin_in_the_middle(servers: Servers) -> None:
    port = await servers.http(whole_file)
    async with client_of().get(f"http://files.test:{port}/", start=1000) as download:
        assert (download.status, download.length) == (206, len(CONTENT) - 1000)
        assert b"".join([chunk async for chunk in download]) == CONTENT[1000:]


async def test_a_server_that_ignores_ranges_cannot_give_the_middle(servers: Servers) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=CONTENT)

    port = await servers.http(handler)
    with pytest.raises(AnswerMalformed, match="ranges are ignored"):
        await read_all(client_of(), f"http://files.test:{port}/", start=1000)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (204, False),
        (304, False),
        (401, False),
        (404, False),
        (416, False),
        (408, True),
        (429, True),
        (503, True),
    ],
)
async def test_a_status_without_the_file_says_whether_a_retry_helps(
    servers: Servers, status: int, *, retryable: bool
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    port = await servers.http(handler)
    with pytest.raises(StatusRefused) as caught:
        await read_all(client_of(), f"http://files.test:{port}/")
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


class _Cutting:
    """A file that breaks off after every ``size`` bytes, ``cuts`` times."""

    def __init__(
        self, *, cuts: int, size: int = 300_000, etags: tuple[str, ...] = ('"one"',), ranges: bool = True
    ) -> None:
        self.cuts = cuts
        self.size = size
        self.asked: list[tuple[str | None, str | None]] = []
        self._etags = etags
        self._ranges = ranges

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        given = dict(line.split(": ", 1) for line in lines[1:] if line)
        self.asked.append((given.get("Range"), given.get("If-Range")))
        etag = self._etags[min(len(self.asked), len(self._etags)) - 1]
        start = int(given.get("Range", "bytes=0-")[6:-1]) if self._ranges else 0
        rest = CONTENT[start:]
        place = f"Content-Range: bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}\r\n" if start else ""
        status = "206 Partial Content" if start else "200 OK"
        etag = f"ETag: {etag}\r\n" if etag else ""
        writer.write(f"HTTP/1.1 {status}\r\n{etag}{place}Content-Length: {len(rest)}\r\n\r\n".encode())
        writer.write(rest[: self.size] if len(self.asked) <= self.cuts else rest)
        await writer.drain()


async def test_a_broken_download_goes_on_where_it_was(servers: Servers) -> None:
    cutting = _Cutting(cuts=2)
    port = await servers.raw(cutting.talk)
    with capture_logs() as logs:
        assert await read_all(client_of(), f"http://u:{SECRET}@files.test:{port}/f?{SECRET}") == CONTENT
    assert cutting.asked == [(None, None), ("bytes=300000-", '"one"'), ("bytes=600000-", '"one"')]
    assert [each["event"] for each in logs] == ["download_resumed"] * 2
    assert SECRET not in str(logs)


def _cut_at(cut: int) -> Handler:
    """A server that gives no length, and breaks its first answer behind so many bytes."""
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range"))
        start = int((asked[-1] or "bytes=0-")[6:-1])
        if start == len(CONTENT):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{start}"})
        headers = {"ETag": '"one"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        body = CONTENT[start:cut] if len(asked) == 1 else CONTENT[start:]
        if body:
            await response.write(body)
        if len(asked) == 1:
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write_eof()
        return response

    return handler


@pytest.mark.parametrize("cut", [0, 1, len(CONTENT) - 1, len(CONTENT)])
async def test_a_download_is_whole_wherever_its_first_answer_breaks(servers: Servers, cut: int) -> None:
    port = await servers.http(_cut_at(cut))
    assert await read_all(client_of(), f"http://files.test:{port}/") == CONTENT


async def test_a_download_survives_any_number_of_breaks_with_progress(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.remote.download._FIRST_PAUSE", 0)
    cutting = _Cutting(cuts=10, size=100_000)
    port = await servers.raw(cutting.talk)
    assert await read_all(client_of(), f"http://files.test:{port}/f") == CONTENT
    assert len(cutting.asked) == 11


async def test_a_server_may_give_less_than_the_range_that_was_asked_for(servers: Servers) -> None:
    async def handler(request: web.Request) -> web.Response:
        start = int(request.headers["Range"][6:-1])
        end = min(start + 500_000, len(CONTENT))
        headers = {"ETag": '"one"', "Content-Range": f"bytes {start}-{end - 1}/{len(CONTENT)}"}
        return web.Response(status=206, body=CONTENT[start:end], headers=headers)

    port = await servers.http(handler)
    assert await read_all(client_of(), f"http://files.test:{port}/", start=1000) == CONTENT[1000:]


@pytest.mark.parametrize("place", ["", "bytes 999-1999/2000", "bytes */2000", "lines 1000-1999/2000"])
async def test_another_range_than_was_asked_for_is_refused(servers: Servers, place: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=206, body=bytes(1000), headers={"Content-Range": place})

    port = await servers.http(handler)
    with pytest.raises(AnswerMalformed, match="another range"):
        await read_all(client_of(), f"http://files.test:{port}/", start=1000)


@pytest.mark.parametrize("etag", ["", 'W/"one"'])
async def test_a_short_body_of_a_file_without_a_strong_etag_is_an_error(servers: Servers, etag: str) -> None:
    cutting = _Cutting(cuts=1, etags=(etag,))
    port = await servers.raw(cutting.talk)
    with pytest.raises((DownloadBroken, Unreachable)) as caught:
        await read_all(client_of(), f"http://files.test:{port}/f")
    assert caught.value.retryable
    assert len(cutting.asked) == 1


@pytest.mark.parametrize(
    "cutting", [_Cutting(cuts=1, etags=('"one"', '"two"')), _Cutting(cuts=1, ranges=False)]
)
async def test_two_files_are_never_mixed(servers: Servers, cutting: _Cutting) -> None:
    port = await servers.raw(cutting.talk)
    with pytest.raises(ResumeRefused):
        await read_all(client_of(), f"http://files.test:{port}/f")
    assert len(cutting.asked) == 2


async def test_breaks_without_progress_come_to_an_end(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.remote.download._FIRST_PAUSE", 0)
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        if asked == 1:
            writer.write(b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: 100\r\n\r\n' + bytes(50))

    port = await servers.raw(talk)
    with pytest.raises(Unreachable):
        await read_all(client_of(), f"http://files.test:{port}/f")
    assert asked == 1 + 5


async def test_a_resumed_download_survives_a_server_that_fails_for_a_while(servers: Servers) -> None:
    cutting = _Cutting(cuts=1)
    failures = [b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n"]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if cutting.asked and failures:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(failures.pop())
        else:
            await cutting.talk(reader, writer)

    port = await servers.raw(talk)
    assert await read_all(client_of(), f"http://files.test:{port}/f") == CONTENT
    assert not failures


async def test_a_server_that_stands_still_is_left(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        await reader.read()

    port = await servers.raw(talk)
    with pytest.raises(Unanswered):
        await read_all(client_of(deadlines=SHORT), f"http://files.test:{port}/f")


async def test_bytes_that_are_no_content_do_not_count_as_life(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n5;")
        while not reader.at_eof():
            writer.write(b"x")
            await asyncio.sleep(0.01)  # a server that trickles: that is the test

    port = await servers.raw(talk)
    with pytest.raises(Unanswered):
        await read_all(client_of(deadlines=SHORT), f"http://files.test:{port}/f")


async def test_a_slow_reader_is_not_the_servers_fault(servers: Servers) -> None:
    port = await servers.http(whole_file)
    async with client_of(deadlines=SHORT).get(f"http://files.test:{port}/") as download:
        first = await download.chunk()
        await asyncio.sleep(2 * SHORT.idle.total_seconds())  # longer than the deadline: that is the test
        assert first + b"".join([chunk async for chunk in download]) == CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
    ],
)
async def test_oversized_and_broken_headers_are_refused(servers: Servers, answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()

    port = await servers.raw(talk)
    with pytest.raises(AnswerMalformed) as caught:
        await read_all(client_of(), f"http://files.test:{port}/f")
    assert not caught.value.retryable


async def test_a_refused_connection_may_be_tried_again() -> None:
    policy = Policy(schemes=("http",), allow_local=True)
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        await client_of(policy=policy).head("http://files.test:9/f", deadline=PATIENT)
    assert caught.value.retryable


async def test_a_server_below_the_least_rate_is_left_and_not_asked_for_the_rest(servers: Servers) -> None:
    asked = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await whole_file(request)

    port = await servers.http(handler)
    limits = Deadlines(least=LeastRate(rate=1 << 60, grace=timedelta(microseconds=1)))  # any wait is too long
    with pytest.raises(TooSlow) as raised:
        await read_all(client_of(deadlines=limits), f"http://files.test:{port}/")
    assert raised.value.retryable
    assert asked == 1
