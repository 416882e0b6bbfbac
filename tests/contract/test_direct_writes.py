"""Objects that others write by addresses, with SeaweedFS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from shared.errors import ObjectMissing
from shared.storage.direct import PartsRefused
from shared.storage.filesystem import FilesystemStore
from shared.storage.s3 import S3Store, s3_store
from tests.support.objects import get, s3_config
from tests.support.seaweedfs import S3Server

MIB = 1024 * 1024
PARTS = (b"a" * 5 * MIB, b"b" * 5 * MIB, b"end")
HOUR = timedelta(hours=1)


@pytest.fixture
async def store(s3_server: S3Server) -> AsyncIterator[S3Store]:
    async with s3_store(s3_config(s3_server)) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture
def key() -> str:
    return f"uploads/{uuid4().hex}"


async def _put(address: str, body: bytes) -> tuple[int, str]:
    sent = partial(aiohttp.ClientSession.put, data=BytesIO(body))
    async with aiohttp.ClientSession() as session, sent(session, URL(address, encoded=True)) as answer:
        return answer.status, answer.headers.get("ETag", "")


async def _sent(store: S3Store, key: str, write: str) -> list[str]:
    """Send all parts, the last first, and give their entity tags."""
    etags = {}
    for number, part in reversed(list(enumerate(PARTS, 1))):
        address = await store.direct.address_of(key, write, number, length=len(part), valid=HOUR)
        status, etags[number] = await _put(address, part)
        assert status == 200
    return [etags[number] for number in sorted(etags)]


async def test_parts_that_others_send_become_an_object_once_they_are_completed(
    store: S3Store, key: str
) -> None:
    write = await store.direct.begin(key)
    etags = await _sent(store, key, write)
    with pytest.raises(ObjectMissing):
        await store.stat(key)
    assert await store.direct.complete(key, write, etags) == sum(map(len, PARTS))
    assert await get(store, key) == b"".join(PARTS)


async def test_a_completion_can_be_repeated(store: S3Store, key: str) -> None:
    write = await store.direct.begin(key)
    etags = await _sent(store, key, write)
    sizes = [await store.direct.complete(key, write, etags) for _ in range(2)]
    assert sizes == [sum(map(len, PARTS))] * 2


async def test_a_completion_after_the_store_has_forgotten_the_write_finds_the_object(
    store: S3Store, key: str
) -> None:
    write = await store.direct.begin(key)
    etags = await _sent(store, key, write)
    await store.direct.complete(key, write, etags)
    other = await store.direct.begin(key)
    await store.abort_uploads_of(key)
    assert await store.direct.complete(key, other, etags) == sum(map(len, PARTS))


@pytest.mark.parametrize("length", [len(PARTS[0]) - 1, len(PARTS[0]) + 1, 3])
async def test_a_part_of_another_length_than_was_signed_is_refused(
    store: S3Store, key: str, length: int
) -> None:
    write = await store.direct.begin(key)
    address = await store.direct.address_of(key, write, 1, length=len(PARTS[0]), valid=HOUR)
    assert "content-length" in URL(address).query["X-Amz-SignedHeaders"]
    assert (await _put(address, b"a" * length))[0] == 403


@pytest.mark.parametrize(
    "change", [("partNumber=1", "partNumber=2"), ("/uploads/", "/others/"), ("uploadId=", "uploadId=0")]
)
async def test_an_address_is_for_one_part_of_one_object(
    store: S3Store, key: str, change: tuple[str, str]
) -> None:
    write = await store.direct.begin(key)
    address = await store.direct.address_of(key, write, 1, length=3, valid=HOUR)
    assert change[0] in address
    assert (await _put(address.replace(*change), b"abc"))[0] == 403
    async with aiohttp.ClientSession() as session:
        for method in ("GET", "DELETE", "POST"):
            async with session.request(method, URL(address, encoded=True)) as answer:
                assert answer.status == 403


@pytest.mark.parametrize("wrong", ["tag", "order", "missing", "aborted"])
async def test_other_parts_than_the_store_has_make_no_object(store: S3Store, key: str, wrong: str) -> None:
    write = await store.direct.begin(key)
    etags = await _sent(store, key, write)
    if wrong == "aborted":
        await store.abort_uploads_of(key)
    given = {"tag": ['"0"', *etags[1:]], "order": etags[::-1], "missing": [*etags, etags[0]]}
    with pytest.raises(PartsRefused):
        await store.direct.complete(key, write, given.get(wrong, etags))
    with pytest.raises(ObjectMissing):
        await store.stat(key)


async def test_what_is_not_completed_is_aborted_by_its_key(store: S3Store, key: str) -> None:
    write = await store.direct.begin(key)
    await _sent(store, key, write)
    assert await store.abort_uploads_of(key) == 1


async def test_files_can_be_written_by_nobody_else(tmp_path: Path) -> None:
    assert FilesystemStore(tmp_path).direct is None
