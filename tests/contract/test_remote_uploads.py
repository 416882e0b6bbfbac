from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from shared.errors import CrossdockError
from shared.remote.errors import (
    AnswerEarly,
    LengthWrong,
    RedirectRefused,
    StatusFailing,
    StatusRefused,
    Unanswered,
    Unreachable,
)
from tests.support.remote import (
    CONTENT,
    SECRET,
    SHORT,
    Servers,
    body_of,
    client_of,
    read_all,
    whole_file,
)


@asynccontextmanager
async def _recording(servers: Servers, answer: bytes) -> AsyncIterator[tuple[int, asyncio.Future[bytes]]]:
    """A server that reads head and body by Content-Length, as bytes, and answers."""
    request: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
        request.set_result(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()

    yield await servers.raw(talk), request


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("chunks", [(), (b"",), (b"some", b"", b" more"), (CONTENT, CONTENT)])
async def test_a_body_is_sent_raw_with_its_length_and_never_chunked(
    servers: Servers, method: str, chunks: tuple[bytes, ...]
) -> None:
    answer = b"HTTP/1.1 201 Fine\r\nX-A: b\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000
    async with _recording(servers, answer) as (port, request):
        url = f"http://u:p@files.test:{port}/a%2Fb?X-Sig=%2f%2B"
        body, headers = b"".join(chunks), {"Content-Type": "application/gzip"}
        got = await client_of().send(method, url, headers=headers, body=body_of(*chunks), length=len(body))
        head, _, sent = (await request).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == f"{method} /a%2Fb?X-Sig=%2f%2B HTTP/1.1".encode()
    assert f"Content-Length: {len(body)}".encode() in lines
    assert b"Content-Type: application/gzip" in lines
    assert b"Authorization: Basic dTpw" in lines
    names = [line.split(b":")[0].lower() for line in lines[1:]]
    assert b"transfer-encoding" not in names
    assert b"expect" not in names
    assert names.count(b"content-length") == names.count(b"content-type") == 1
    assert sent == body
    assert (got.status, got.reason, got.headers["X-A"], got.excerpt) == (201, "Fine", "b", b"x" * 4096)


async def _told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Answer after the head and the first bytes of the body."""
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(1000)
    writer.write(answer)
    await writer.drain()


@pytest.mark.parametrize("status", ["403 Forbidden", "411 Length Required", "503 Slow Down"])
async def test_an_answer_in_the_middle_of_the_body_is_the_answer(servers: Servers, status: str) -> None:
    """The answer and the reset arrive while the next chunk is made, before anything could be read."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.2", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        accepting = asyncio.create_task(loop.sock_accept(server))

        async def body() -> AsyncIterator[bytes]:
            yield bytes(100_000)
            connection, _ = await accepting
            await loop.sock_recv(connection, 1000)
            connection.send(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode())
            connection.close()  # what was not read makes it a reset
            while True:
                yield bytes(1 << 20)

        url = f"http://files.test:{port}/"
        got = await client_of().send("PUT", url, headers={}, body=body(), length=1 << 40)
    assert (got.status, got.excerpt) == (int(status[:3]), b"no")


async def test_an_answer_whose_text_does_not_come_is_an_answer(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.remote.exchange._EXCERPT_DEADLINE", timedelta(seconds=0.1))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _told(reader, writer, b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nbeca")
        await reader.read()

    port = await servers.raw(talk)
    url = f"http://files.test:{port}/"
    got = await client_of().send("PUT", url, headers={}, body=body_of(bytes(1000)), length=1000)
    assert (got.status, got.excerpt) == (403, b"beca")


async def test_success_before_the_end_of_the_body_is_no_success(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _told(reader, writer, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    port = await servers.raw(talk)
    with pytest.raises(AnswerEarly):
        await client_of().send("PUT", f"http://files.test:{port}/", headers={}, body=body(), length=1 << 40)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_body_does_not_follow_redirects(servers: Servers, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    port = await servers.http(handler)
    with pytest.raises(RedirectRefused, match=f"redirected with {status}") as caught:
        await client_of().send("PUT", f"http://files.test:{port}/", headers={}, body=body_of(b"a"), length=1)
    assert caught.value.status == status


async def test_a_body_is_sent_once_even_if_the_connection_is_lost(servers: Servers) -> None:
    asked = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")

    port = await servers.raw(talk)
    for method in ("PUT", "POST"):
        with pytest.raises(Unreachable) as caught:
            await client_of().send(method, f"http://files.test:{port}/", headers={}, body=body_of(), length=0)
        assert caught.value.retryable
    assert asked == 2


@pytest.mark.parametrize("length", [0, 3, 5, 1 << 40])
async def test_a_body_of_another_length_than_promised_is_our_bug(servers: Servers, length: int) -> None:
    async with _recording(servers, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, _):
        with pytest.raises(LengthWrong):
            await client_of().send(
                "PUT", f"http://files.test:{port}/", headers={}, body=body_of(b"some"), length=length
            )


async def test_what_the_body_raises_passes_through(servers: Servers) -> None:
    class StoreBroken(CrossdockError):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        raise StoreBroken

    port = await servers.http(whole_file)
    with pytest.raises(StoreBroken):
        await client_of().send("PUT", f"http://files.test:{port}/", headers={}, body=body(), length=100)


async def test_a_server_that_takes_nothing_is_left(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._limit = 1  # type: ignore[attr-defined]  # the stream stops reading from the socket
        await asyncio.Event().wait()

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    port = await servers.raw(talk)
    with pytest.raises(Unanswered) as caught:
        await client_of(deadlines=SHORT).send(
            "PUT", f"http://files.test:{port}/", headers={}, body=body(), length=1 << 40
        )
    assert caught.value.retryable


async def test_a_server_that_takes_all_and_says_nothing_is_left(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    port = await servers.raw(talk)
    with pytest.raises(Unanswered):
        await client_of(deadlines=SHORT).send(
            "PUT", f"http://files.test:{port}/", headers={}, body=body_of(b"some"), length=4
        )


async def test_a_slow_body_is_not_the_servers_fault(servers: Servers) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        await asyncio.sleep(2 * SHORT.idle.total_seconds())  # longer than the deadline: that is the test
        yield b"more"

    async with _recording(servers, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, _):
        got = await client_of(deadlines=SHORT).send(
            "PUT", f"http://files.test:{port}/", headers={}, body=body(), length=8
        )
    assert got.status == 200


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"])
async def test_nobody_reads_the_body_any_more_once_send_is_over(servers: Servers, answer: bytes) -> None:
    waiting = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await waiting.wait()
        writer.write(answer)

    async def body() -> AsyncGenerator[bytes, None]:
        yield b"some"
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # what a source has to do when it is cancelled takes its time

    port = await servers.raw(talk)
    source = body()
    with suppress(Unreachable):
        await client_of().send("PUT", f"http://files.test:{port}/", headers={}, body=source, length=9)
    await source.aclose()  # a RuntimeError while somebody reads


# Secrets


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 404 Not hunter2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 No\r\n\r\n<Code>C</Code><Message>it is hunter2</Message>",
        b"HTTP/1.1 302 A\r\nLocation: http://hunter2:hunter2@127.0.0.1/?hunter2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 No\r\nLocation: /a?hunter2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhunter2",
    ],
)
async def test_no_error_and_no_log_shows_a_secret(servers: Servers, answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    port = await servers.raw(talk)
    url = f"http://hunter2:hunter2@files.test:{port}/a?token=hunter2#hunter2"
    client = client_of()

    async def send() -> None:
        await client.send("PUT", url, headers={}, body=body_of(b"some"), length=9)

    with capture_logs() as logs:
        for attempt in (read_all(client, url), send()):
            with pytest.raises(CrossdockError) as caught:
                await attempt
            assert SECRET not in str(caught.value) + repr(caught.value)
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert SECRET not in str(logs)


async def test_a_failing_status_can_be_told_from_a_final_one() -> None:
    assert StatusFailing.retryable
    assert not StatusRefused.retryable
