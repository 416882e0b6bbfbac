from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from shared.storage.base import Composed
from shared.storage.errors import TooManyParts
from shared.storage.s3 import S3Config, S3Store, s3_store
from shared.storage.s3_composer import limits_of
from shared.storage.s3_part_sizes import MAX_PART, MIN_PART, PartSizes
from tests.support.composition import LARGE, MIB, STORED, composed, large, small
from tests.support.objects import PART, get, keys, leftovers, put, s3_config
from tests.support.seaweedfs import S3Server


@pytest.fixture
async def bucket(s3_server: S3Server) -> AsyncIterator[S3Store]:
    async with s3_store(s3_config(s3_server, uploads_in_flight=2)) as opened:
        await opened.ensure_bucket()
        for key, data in STORED.items():
            await put(opened, key, data)
        yield opened


async def test_s3_copies_all_but_what_a_part_needs_at_least(bucket: S3Store) -> None:
    made = await composed(bucket, b"head", large(0, 5 * PART), b"tail")
    assert made == Composed(5 * PART + 8, PART + 4)
    assert await composed(bucket, large(0, 5 * PART)) == Composed(5 * PART, 0)


async def test_nothing_is_sent_after_the_last_range(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket._presigned, "upload_part", None)
    assert (await composed(bucket, large(0, 2 * PART), large(1, 2 * PART))).sent == 0


async def test_parts_of_a_composition_wait_for_those_of_others(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, running, peak = bucket._bucket.client.upload_part_copy, 0, 0

    async def counted(**parameters: object) -> object:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        try:
            return await copy(**parameters)
        finally:
            running -= 1

    monkeypatch.setattr(bucket._bucket.client, "upload_part_copy", counted)
    pieces = [large(n, PART) for n in range(12)]
    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(composed(bucket, *pieces, key=f"archives/{number}"))
    assert peak == 2
    assert await get(bucket, "archives/3") == b"".join(LARGE[n : n + PART] for n in range(12))


async def test_a_short_object_is_one_request(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket._bucket.client, "create_multipart_upload", None)
    assert await composed(bucket, b"head", small(0, MIB), b"tail") == Composed(MIB + 8, MIB + 8)


async def test_short_ranges_that_lie_close_together_are_one_request(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_object, asked = bucket._presigned.get_object, list[str]()

    async def counted(key: str, conditions: Mapping[str, str]) -> object:
        asked.append(conditions["Range"])
        return await get_object(key, conditions)

    monkeypatch.setattr(bucket._presigned, "get_object", counted)
    pieces = [piece for n in range(200) for piece in (b"lead", small(n * 1300, 1200))]
    assert (await composed(bucket, *pieces)).sent == 200 * 1204
    assert asked == ["bytes=0-259899"]
    asked.clear()
    await composed(bucket, *(small(n * 100_000, 5) for n in range(20)))
    assert len(asked) == 20


@pytest.mark.parametrize("first", [MIN_PART, 8 * MIB, MAX_PART])
def test_parts_of_compositions_are_what_s3_takes_whatever_size_is_set(first: int) -> None:
    limits = limits_of(S3Config(bucket="b", parts=PartSizes(first=first)))
    assert MIN_PART == limits.least <= limits.longest_sent <= first
    assert 2 * limits.longest_sent <= limits.longest_copied <= MAX_PART


async def test_pieces_that_make_too_many_parts_leave_nothing(s3_server: S3Server) -> None:
    config = s3_config(s3_server, parts=PartSizes(first=PART, most=3))
    async with s3_store(config) as store:
        await store.ensure_bucket()
        await put(store, "packs/large", LARGE[: 3 * PART])
        with pytest.raises(TooManyParts):
            await composed(store, *(large(n, 2 * PART) for n in range(4)))
        assert await keys(store) == ["packs/large"]
        assert await leftovers(store) == 0
