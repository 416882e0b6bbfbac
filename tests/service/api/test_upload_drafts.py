"""Uploads by drafts of "Resumable Uploads for HTTP", beside tus."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.listener.peers import parse_networks
from shared.settings.environment import MIB
from tests.support.api import Answer, Api, running_api
from tests.support.prerequisites import program
from tests.support.tus import TUS, UPLOADS, content, created, hanging, offset, patched, tus
from tests.support.upload_drafts import (
    DRAFTS,
    HEADER,
    PARTIAL,
    appended,
    asked,
    begun,
    next_head,
    told,
    written,
)
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("ann")
ARCHIVE = b"0123456789"
WRITING = "SELECT true FROM objects WHERE state = 'writing'"
"""That bytes have arrived: before them, there is no object."""
TYPES = "https://iana.org/assignments/http-problem-types#"


async def _slowly(*pieces: bytes) -> AsyncIterator[bytes]:
    for each in pieces:
        yield each


@pytest.mark.parametrize("version", DRAFTS)
async def test_an_upload_comes_in_pieces_and_ends_with_the_one_that_says_so(api: Api, version: str) -> None:
    number = await begun(api, version)

    first = await appended(api, version, number, ARCHIVE[:4], offset=0)
    between = await told(api, version, number)
    last = await appended(api, version, number, ARCHIVE[4:], offset=4, complete="?1")

    assert [each.status for each in (first, last)] == [201, 201]
    assert (first.headers["Upload-Offset"], first.headers["Upload-Complete"]) == ("4", "?0")
    assert (last.headers["Upload-Offset"], last.headers["Upload-Complete"]) == ("10", "?1")
    assert (between, await told(api, version, number)) == ((4, "?0"), (10, "?1"))
    assert last.body["length"] == 10
    assert await content(api, number) == [ARCHIVE[:4], ARCHIVE[4:]]


@pytest.mark.parametrize("version", DRAFTS)
@pytest.mark.parametrize("length", ["said", "unsaid"])
async def test_one_request_may_make_an_upload_and_complete_it(api: Api, version: str, length: str) -> None:
    data = ARCHIVE if length == "said" else _slowly(ARCHIVE[:4], ARCHIVE[4:])

    made = await asked(api, version, "POST", Upload_Complete="?1", Content_Type="application/gzip", data=data)
    number = int(made.headers["Location"].rpartition("/")[2])

    assert (made.status, made.headers["Upload-Offset"], made.headers["Upload-Complete"]) == (201, "10", "?1")
    assert await told(api, version, number) == (10, "?1")
    assert b"".join(await content(api, number)) == ARCHIVE


async def test_an_upload_without_bytes_is_complete_at_once(api: Api) -> None:
    made = await asked(api, "6", "POST", Upload_Complete="?1")

    assert (made.headers["Upload-Complete"], made.headers["Upload-Length"]) == ("?1", "0")


@pytest.mark.parametrize("data", [ARCHIVE[4:], b""])
async def test_an_upload_of_unknown_length_ends_by_a_request_without_a_length(api: Api, data: bytes) -> None:
    number = await begun(api, "6", data=ARCHIVE[:4])

    last = await appended(api, "6", number, _slowly(data), offset=4, complete="?1")

    assert last.headers["Upload-Complete"] == "?1"
    assert b"".join(await content(api, number)) == ARCHIVE[:4] + data


async def test_a_request_that_is_cut_ends_no_upload(api: Api) -> None:
    number = await begun(api, "6")

    head = f"PATCH {UPLOADS}/{number}\nUpload-Offset: 0\nUpload-Complete: ?1\nContent-Type: {PARTIAL}"
    _, writer = await written(api, f"{head}\nTransfer-Encoding: chunked", b"4\r\n0123\r\n")
    await until(lambda: api.pool.fetchval(WRITING))
    writer.close()

    assert await told(api, "6", number) == (4, "?0")


@pytest.mark.parametrize("version", DRAFTS)
async def test_bytes_at_another_offset_are_told_where_they_belong(api: Api, version: str) -> None:
    number = await begun(api, version, data=ARCHIVE[:4])

    answer = await appended(api, version, number, ARCHIVE, offset=7)

    assert (answer.status, answer.headers["Upload-Offset"]) == (409, "4")
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = _problem(answer)
    assert problem["type"] == f"{TYPES}mismatching-upload-offset"
    assert (problem["expected-offset"], problem["provided-offset"]) == (4, 7)
    assert problem["code"] == "upload_offset_conflict"


def _problem(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_a_complete_upload_takes_no_more(api: Api) -> None:
    number = await begun(api, "6", Upload_Length=10)
    await appended(api, "6", number, ARCHIVE, offset=0)  # all bytes that were said

    more = await appended(api, "6", number, b"x", offset=10)
    slowly = await appended(api, "6", number, _slowly(b"x"), offset=10, complete="?1")
    again = await appended(api, "6", number, b"", offset=10, complete="?1")

    assert [each.status for each in (more, slowly, again)] == [400, 400, 201]
    assert {_problem(each)["type"] for each in (more, slowly)} == {f"{TYPES}completed-upload"}
    assert await content(api, number) == [ARCHIVE]


async def test_bytes_that_do_not_fit_the_length_are_refused(api: Api) -> None:
    number = await begun(api, "6", Upload_Length=10)

    too_many = await appended(api, "6", number, ARCHIVE * 2, offset=0)
    slowly = await appended(api, "6", number, _slowly(ARCHIVE, b"x"), offset=0)
    too_few = await appended(api, "6", number, ARCHIVE[:9], offset=0, complete="?1")
    lying = await appended(api, "6", number, ARCHIVE[:9], offset=0, complete="?1", Upload_Length=10)
    after_all = await appended(api, "6", number, _slowly(ARCHIVE[:9]), offset=0, complete="?1")

    assert [each.status for each in (too_many, slowly, too_few, lying, after_all)] == [400] * 5
    assert await told(api, "6", number) == (9, "?0")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload_Complete": "yes"},
        {"Upload_Complete": "?0", "Upload_Offset": "0"},
        {"Upload_Complete": "?0", "Upload_Length": "-1"},
        {"Upload_Complete": "?0", "Upload_Metadata": "a ?"},
        {"Upload_Complete": "?0", "Content_Disposition": f'attachment; filename="{"a" * 5000}"'},
        {"Upload_Complete": "?1", "Upload_Length": "5"},
    ],
)
async def test_a_creation_without_what_it_needs_is_refused(api: Api, headers: dict[str, str]) -> None:
    assert (await asked(api, "6", "POST", **headers)).status == 400
    assert await api.pool.fetchval("SELECT count(*) FROM uploads") == 0


async def test_an_upload_is_named_by_the_disposition_of_its_content(api: Api) -> None:
    plain, encoded = 'attachment; filename="a.tar.gz"', "attachment; filename*=UTF-8''%c3%a4.gz"
    for given in (plain, encoded):
        await begun(api, "6", Content_Disposition=given)
    await begun(api, "6", Content_Disposition=plain, Upload_Metadata=f"name {b64encode(b'b').decode()}")

    listed = (await tus(api, "GET")).body

    assert [each["filename"] for each in listed] == ["b", "ä.gz", "a.tar.gz"]


async def test_bytes_have_a_media_type_of_their_own_from_version_6_on(api: Api) -> None:
    older, newer = await begun(api, "5"), await begun(api, "6")
    untyped: dict[str, Any] = {"Upload_Offset": 0, "Upload_Complete": "?0", "data": b"x"}

    assert (await asked(api, "5", "PATCH", f"/{older}", **untyped)).status == 201
    assert (await asked(api, "6", "PATCH", f"/{newer}", **untyped)).status == 415
    assert (await asked(api, "6", "PATCH", f"/{newer}", Content_Type=PARTIAL, data=b"x")).status == 400


async def test_a_piece_that_does_not_say_so_is_not_the_last(api: Api) -> None:
    number = await begun(api, "6")

    answer = await asked(api, "6", "PATCH", f"/{number}", Upload_Offset=0, Content_Type=PARTIAL, data=ARCHIVE)

    assert (answer.status, answer.headers["Upload-Complete"]) == (201, "?0")


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
@pytest.mark.parametrize("header", ["Upload-Offset", "Upload-Complete", "Upload-Length"])
async def test_a_request_without_bytes_says_nothing_of_bytes(api: Api, method: str, header: str) -> None:
    number = await begun(api, "6")

    assert (await asked(api, "6", method, f"/{number}", **{header: "0"})).status == 400


@pytest.mark.parametrize("version", DRAFTS)
async def test_an_upload_that_is_deleted_is_gone(api: Api, version: str) -> None:
    number = await begun(api, version, data=ARCHIVE)

    removed = await asked(api, version, "DELETE", f"/{number}")

    assert (removed.status, (await asked(api, version, "HEAD", f"/{number}")).status) == (204, 404)


@pytest.mark.parametrize("version", ["", "4", "7", "06", "6, 5"])
async def test_a_version_that_nobody_knows_is_told_those_that_are_known(api: Api, version: str) -> None:
    number = await created(api)

    for method, path in (("POST", ""), ("PATCH", f"/{number}"), ("DELETE", f"/{number}")):
        answer = await asked(api, version, method, path, Upload_Complete="?0")
        assert (answer.status, _problem(answer)["code"]) == (412, "draft_version_unsupported")
        assert _problem(answer)["detail"] == f"{HEADER} has to be one of: 5, 6"
        assert "Tus-Resumable" not in answer.headers
    assert (await asked(api, version, "HEAD", f"/{number}")).status == 412


async def test_a_request_speaks_one_protocol(api: Api) -> None:
    answer = await asked(api, "6", "POST", Upload_Complete="?0", Upload_Length=1, **_TUS)

    assert (answer.status, await api.pool.fetchval("SELECT count(*) FROM uploads")) == (400, 0)


_TUS = {name.replace("-", "_"): value for name, value in TUS.items()}


async def test_one_protocol_goes_on_with_an_upload_of_another(api: Api) -> None:
    number = await created(api)
    await appended(api, "6", number, ARCHIVE[:4], offset=0)
    await patched(api, number, ARCHIVE[4:7], offset=4)

    last = await appended(api, "5", number, ARCHIVE[7:], offset=7, complete="?1")

    assert (last.status, await offset(api, number)) == (201, 10)
    assert b"".join(await content(api, number)) == ARCHIVE


@pytest.mark.parametrize("api", [{"max_import_size": 1}], indirect=True)
async def test_anybody_is_told_which_drafts_are_spoken_and_their_limits(api: Api) -> None:
    answer = await tus(api, "OPTIONS", by=None)
    made = await asked(api, "6", "POST", Upload_Complete="?0")
    older = await asked(api, "5", "POST", Upload_Complete="?0")

    assert (answer.headers[HEADER], answer.headers["Accept-Patch"]) == ("5, 6", PARTIAL)
    assert answer.headers["Upload-Limit"] == f"max-size={MIB}"
    assert 86390 <= int(made.headers["Upload-Limit"].removeprefix("expires=")) <= 86400
    assert "Upload-Limit" not in older.headers
    assert (await asked(api, "6", "POST", Upload_Complete="?0", Upload_Length=MIB + 1)).status == 413


@pytest.mark.parametrize("version", DRAFTS)
async def test_who_comes_back_ends_a_request_that_hangs(api: Api, version: str) -> None:
    number = await created(api)

    async with hanging(api, number, ARCHIVE[:7], length=10) as (reader, _):
        assert await told(api, version, number) == (7, "?0")
        assert (await reader.readline()).startswith(b"HTTP/1.1 423 ")


@pytest.mark.parametrize("version", DRAFTS)
async def test_a_token_or_a_database_that_does_not_hold_has_no_client_begin_anew(
    api: Api, version: str
) -> None:
    number = await begun(api, version)

    assert (await asked(api, version, "HEAD", f"/{number}", by=None)).status == 423
    await api.pool.execute("ALTER TABLE uploads RENAME TO away")
    try:
        assert (await asked(api, version, "HEAD", f"/{number}")).status == 423
    finally:
        await api.pool.execute("ALTER TABLE away RENAME TO uploads")


async def test_a_client_is_told_where_its_upload_is_before_its_bytes_are_read(api: Api) -> None:
    reader, writer = await written(
        api, f"POST {UPLOADS}\nUpload-Complete: ?1\nContent-Length: 10", ARCHIVE[:4]
    )
    line, headers = await next_head(reader)
    number = int(headers["Location"].rpartition("/")[2])
    await until(lambda: api.pool.fetchval(WRITING))
    writer.close()

    assert (line, headers[HEADER]) == ("HTTP/1.1 104 Upload Resumption Supported", "6")
    assert await told(api, "6", number) == (4, "?0")
    rest = await appended(api, "6", number, ARCHIVE[4:], offset=4, complete="?1")
    assert rest.headers["Upload-Complete"] == "?1"


@pytest.mark.parametrize("size", [10, 3 * MIB])  # curl asks before it sends much
async def test_curl_sends_an_archive_by_one_request(api: Api, tmp_path: Path, size: int) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(bytes(size))

    curl = await asyncio.create_subprocess_exec(
        program("curl"), "--silent", "-i", "-H", f"PRIVATE-TOKEN: {api.tokens['ann']}", "-H", f"{HEADER}: 6",
        "-H", "Upload-Complete: ?1", "--data-binary", f"@{archive}", f"{str(api.url).rstrip('/')}{UPLOADS}",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await curl.communicate()

    heads = [each.partition(b"\r\n")[0] for each in out.split(b"\r\n\r\n")]
    assert (heads[0], heads[-2]) == (b"HTTP/1.1 104 Upload Resumption Supported", b"HTTP/1.1 201 Created")
    assert (await tus(api, "GET")).body[0]["offset"] == size


@pytest.mark.parametrize("header", ["Via: 1.1 x", "Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1"])
async def test_a_proxy_gets_one_answer(api: Api, header: str) -> None:
    assert await _first_line(api, header) == "HTTP/1.1 201 Created"


async def test_a_proxy_that_is_trusted_gets_one_answer(database_url: str, tmp_path: Path) -> None:
    proxies = parse_networks("127.0.0.0/8")
    async with running_api(database_url, tmp_path / "o", listener={"trusted_proxies": proxies}) as api:
        await api.user("bob")
        api.tokens["ann"] = api.tokens["bob"]
        assert await _first_line(api, "Upload-Length: 10") == "HTTP/1.1 201 Created"


async def _first_line(api: Api, header: str) -> str:
    """How an answer begins that may have two."""
    head = f"POST {UPLOADS}\nUpload-Complete: ?1\nContent-Length: 10\n{header}"
    reader, writer = await written(api, head, ARCHIVE)
    line, _ = await next_head(reader)
    writer.close()
    return line


async def test_a_client_of_http_1_0_gets_one_answer(api: Api) -> None:
    head = f"POST {UPLOADS}\nUpload-Complete: ?1\nContent-Length: 10"
    reader, writer = await written(api, head, ARCHIVE, http="1.0")

    line, _ = await next_head(reader)
    writer.close()

    assert line.endswith(" 201 Created")


async def test_every_method_may_come_as_a_post(api: Api) -> None:
    number, path = await begun(api, "6"), {"X_HTTP_Method_Override": "PATCH"}

    filled = await asked(
        api, "6", "POST", f"/{number}", Upload_Offset=0, Upload_Complete="?1", Content_Type=PARTIAL,
        data=ARCHIVE, **path,
    )  # fmt: skip
    found = await asked(api, "6", "POST", f"/{number}", X_HTTP_Method_Override="HEAD")

    assert (filled.status, found.status, found.headers["Upload-Complete"]) == (201, 204, "?1")
