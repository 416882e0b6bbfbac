"""Uploads that are made with an Idempotency-Key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Answer, Api
from tests.support.tus import PIECE, UPLOADS, content, offset, patched, tus
from tests.support.upload_drafts import next_head, written
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("ann")
ARCHIVE = b"0123456789"
KEY = {"Idempotency_Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
WRITING = "SELECT true FROM objects WHERE state = 'writing'"
"""That bytes have arrived: before them, there is no object."""
BEGUN = f"POST {UPLOADS}\nUpload-Complete: ?1\nContent-Length: 10\nIdempotency-Key: {KEY['Idempotency_Key']}"


async def _made(api: Api, data: bytes = b"", **headers: Any) -> Answer:
    body = {"data": data, "Content_Type": PIECE["Content-Type"]} if data else {}
    return await tus(api, "POST", **({"Upload_Length": 10} | KEY | body | headers))


async def _uploads(api: Api) -> int:
    number: int = await api.pool.fetchval("SELECT count(*) FROM uploads")
    return number


@pytest.mark.parametrize("data", [b"", ARCHIVE[:4], ARCHIVE])
async def test_an_upload_is_made_once_with_its_bytes_or_without(api: Api, data: bytes) -> None:
    first, again = [await _made(api, data) for _ in range(2)]

    assert (first.status, again.status, await _uploads(api)) == (201, 201, 1)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Upload-Offset"] == first.headers["Upload-Offset"] == str(len(data))
    assert (again.headers["Idempotency-Replayed"], again.body) == ("true", first.body)


async def test_a_creation_that_is_cut_is_found_by_its_key(api: Api) -> None:
    reader, writer = await written(api, BEGUN, ARCHIVE[:4])
    await next_head(reader)  # what is not read would have the connection reset
    await until(lambda: api.pool.fetchval(WRITING))
    writer.close()
    await until(lambda: api.pool.fetchval("SELECT received > 0 FROM uploads"))

    reader, writer = await written(api, BEGUN, ARCHIVE)
    line, headers = await next_head(reader)
    writer.close()
    number = int(headers["Location"].rpartition("/")[2])

    assert (line, headers["Upload-Offset"]) == ("HTTP/1.1 201 Created", "0")  # that of its creation
    assert (await _uploads(api), await offset(api, number)) == (1, 4)
    await patched(api, number, ARCHIVE[4:], offset=4)
    assert b"".join(await content(api, number)) == ARCHIVE


async def test_a_creation_that_hangs_is_found_by_its_key(api: Api) -> None:
    _, hanging = await written(api, BEGUN, ARCHIVE[:4])
    await until(lambda: api.pool.fetchval(WRITING))

    reader, writer = await written(api, BEGUN, ARCHIVE)
    _, headers = await next_head(reader)

    assert await offset(api, int(headers["Location"].rpartition("/")[2])) == 4
    hanging.close()
    writer.close()


@pytest.mark.parametrize(
    "other",
    [{"Upload_Length": 11}, {"Upload_Metadata": "a YQ=="}, {"data": ARCHIVE}, {"data": ARCHIVE[:3]}],
)
async def test_a_key_is_for_one_upload(api: Api, other: dict[str, Any]) -> None:
    await _made(api, ARCHIVE[:4])

    assert (await _made(api, **({"data": ARCHIVE[:4]} | other))).status == 422
    assert await _uploads(api) == 1


async def test_a_creation_that_is_refused_frees_its_key(api: Api) -> None:
    refused = await _made(api, ARCHIVE, Upload_Length=9)
    made = await _made(api, ARCHIVE)

    assert (refused.status, made.status, await _uploads(api)) == (413, 201, 1)


async def test_a_piece_that_comes_as_a_post_is_kept_once(api: Api) -> None:
    number = int((await tus(api, "POST", Upload_Length=10)).headers["Location"].rpartition("/")[2])
    piece: dict[str, Any] = {
        "X_HTTP_Method_Override": "PATCH",
        "Upload_Offset": 0,
        "data": ARCHIVE[:4],
        **KEY,
    }
    typed = {name.replace("-", "_"): value for name, value in PIECE.items()}

    first, again = [await tus(api, "POST", f"/{number}", **piece, **typed) for _ in range(2)]

    assert (first.status, again.status, again.headers["Upload-Offset"]) == (204, 204, "4")
    assert await content(api, number) == [ARCHIVE[:4]]
