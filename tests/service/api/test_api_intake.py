from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest

from services.api.http.body_time import BodyLimits
from services.api.http.form_data import LARGEST_FIELD, LARGEST_FIELDS, MOST_PARTS
from tests.support.api import ARCHIVE, Api
from tests.support.forms import BOUNDARY, HEADERS, Part, form_body
from tests.support.waiting import until

FILE = Part("file", ARCHIVE, "x.tar.gz")
PATH = Part("path", "p")


@pytest.fixture
async def api(api: Api) -> Api:
    await api.user("ann")
    return api


async def _raw(api: Api, *lines: str, by: str = "ann") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which the head of an import was sent."""
    assert api.url.host is not None
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    head = [
        "POST /api/v4/projects/import HTTP/1.1",
        "Host: x",
        f"PRIVATE-TOKEN: {api.tokens.get(by, '')}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        *lines,
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    await writer.drain()
    return reader, writer


async def _status(reader: asyncio.StreamReader) -> int:
    return int((await asyncio.wait_for(reader.readline(), 30)).split()[1])


@pytest.mark.parametrize("cut", [1, 7, 512, 65536])
async def test_a_form_is_the_same_however_it_is_cut(api: Api, cut: int) -> None:
    body = form_body([FILE, PATH])

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), cut):
            yield body[at : at + cut]

    answer = await api.post("/projects/import", by="ann", data=pieces(), headers=HEADERS)

    assert answer.status == 201
    key = await api.pool.fetchval("SELECT key FROM objects")
    assert b"".join([chunk async for chunk in api.store.read(key)]) == ARCHIVE


@pytest.mark.parametrize(
    ("parts", "limit"),
    [
        ([Part("path", "x" * (LARGEST_FIELD + 1)), FILE], LARGEST_FIELD),
        ([FILE, *[Part("p", "x" * LARGEST_FIELD)] * (LARGEST_FIELDS // LARGEST_FIELD + 1)], LARGEST_FIELDS),
        ([FILE, *[Part("p", "")] * MOST_PARTS], MOST_PARTS),
    ],
)
async def test_fields_are_bounded_and_the_answer_names_the_limit(
    api: Api, parts: list[Part], limit: int
) -> None:
    body = BytesIO(form_body(parts))

    answer = await api.post("/projects/import", by="ann", data=body, headers=HEADERS)

    assert answer.status == 400
    assert str(limit) in answer.body["error"]
    assert await api.objects_left() == 0


@pytest.mark.parametrize(
    "body", [b"", b"x" * 100_000, form_body([FILE, PATH], closed=False), form_body([FILE])[:-50]]
)
async def test_a_broken_form_is_refused_and_leaves_nothing(api: Api, body: bytes) -> None:
    answer = await api.post("/projects/import", by="ann", data=body, headers=HEADERS)

    assert answer.status == 400
    assert answer.body["error"].startswith("multipart body is broken")
    assert await api.objects_left() == 0


async def test_a_form_whose_lines_end_with_bare_line_feeds_is_accepted(api: Api) -> None:
    body = form_body([PATH, FILE], line_end=b"\n")

    answer = await api.post("/projects/import", by="ann", data=body, headers=HEADERS)

    assert answer.status == 201


async def test_a_preamble_without_end_is_not_swallowed(api: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    reader, writer = await _raw(api, "Transfer-Encoding: chunked")

    async def push() -> None:
        async for piece in endless():
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()

    pushing = asyncio.create_task(push())
    try:
        assert await _status(reader) == 400
    finally:
        pushing.cancel()
        writer.close()
        await asyncio.gather(pushing, return_exceptions=True)


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_a_body_that_is_announced_too_long_is_refused_before_it_is_read(api: Api) -> None:
    reader, writer = await _raw(api, "Content-Length: 1048577", "Expect: 100-continue")

    assert await _status(reader) == 413
    writer.close()
    assert await api.objects_left() == 0


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_a_body_that_turns_out_too_long_is_refused_and_leaves_nothing(api: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        body = form_body([PATH, replace(FILE, content=bytes(1024 * 1024))])
        for at in range(0, len(body), 65536):
            yield body[at : at + 65536]

    answer = await api.post("/projects/import", by="ann", data=pieces(), headers=HEADERS)

    assert answer.status == 413
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"1048576 bytes" in answer.body
    assert await api.objects_left() == 0


async def test_a_body_is_asked_for_once_nothing_speaks_against_it(api: Api) -> None:
    body = form_body([PATH, FILE])
    reader, writer = await _raw(api, f"Content-Length: {len(body)}", "Expect: 100-continue")

    assert await _status(reader) == 100
    assert await reader.readline() == b"\r\n"
    writer.write(body)
    assert await _status(reader) == 201
    writer.close()


async def test_a_stranger_is_refused_before_the_body(api: Api) -> None:
    reader, writer = await _raw(api, "Content-Length: 999999", "Expect: 100-continue", by="nobody")

    assert await _status(reader) == 401
    writer.close()


@pytest.mark.parametrize("leave", [asyncio.StreamWriter.close, lambda writer: writer.transport.abort()])
async def test_an_upload_that_is_broken_off_leaves_nothing(
    api: Api, leave: Callable[[asyncio.StreamWriter], None]
) -> None:
    _, writer = await _raw(api, "Content-Length: 99999999")
    writer.write(form_body([PATH, Part("file", ARCHIVE * 300, "x.gz")], closed=False))
    await writer.drain()
    await _until(lambda: _files_below(api), 1)

    leave(writer)

    await _until(api.objects_left, 0)
    assert await _files_below(api) == 0
    assert await api.pool.fetchval("SELECT count(*) FROM projects") == 0


IMPATIENT = {"listener": {"bodies": BodyLimits(rate=1 << 40, grace=timedelta(milliseconds=200))}}


@pytest.mark.parametrize("api", [IMPATIENT], indirect=True)
async def test_an_upload_that_stands_still_is_ended_and_leaves_nothing(api: Api) -> None:
    reader, writer = await _raw(api, "Content-Length: 99999999")
    writer.write(form_body([PATH, Part("file", ARCHIVE, "x.gz")], closed=False))

    assert await _status(reader) == 408

    await _until(api.objects_left, 0)
    writer.close()


@pytest.mark.parametrize("api", [IMPATIENT], indirect=True)
@pytest.mark.parametrize("by", ["ann", "nobody"])
async def test_a_body_that_drips_is_answered_408_and_its_connection_closed(api: Api, by: str) -> None:
    reader, writer = await _raw_body(api, by=by)
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    while not answer.done():  # each byte would renew a limit of idleness
        writer.write(b" ")
        await asyncio.sleep(0)

    head = (await answer).lower()
    assert head.startswith(b"http/1.1 408 ")
    assert b"\r\nconnection: close\r\n" in head
    writer.close()


async def _raw_body(api: Api, *, by: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection on which the head of a small body was sent."""
    reader, writer = await asyncio.open_connection(api.url.host, api.url.port)
    token = api.tokens.get(by, "")
    writer.write(
        f"POST /api/v4/projects HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 999999\r\n\r\n".encode()
    )
    return reader, writer


async def _files_below(api: Api) -> int:
    """Files in the store's folder, those being written among them."""
    return sum(path.is_file() for path in api.folder.rglob("*"))


async def _until(count: Callable[[], Awaitable[int]], wanted: int) -> None:
    async def reached() -> bool:
        return await count() == wanted

    await until(reached)
