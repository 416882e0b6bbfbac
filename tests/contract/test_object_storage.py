from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import pytest
from prometheus_client import CollectorRegistry

from shared.errors import ObjectMissing, StorageError
from shared.metrics.storage import StorageMetrics
from shared.storage.base import ObjectInfo, ObjectStore
from shared.storage.errors import KeyInvalid, RangeOutside, WriterClosed
from shared.storage.filesystem import FilesystemStore
from shared.storage.observed import ObservedStore
from shared.storage.s3 import s3_store
from tests.support.objects import PART, get, keys, leftovers, pattern, put, s3_config


@pytest.fixture(params=["filesystem", "s3", "watched"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    if request.param == "filesystem":
        yield FilesystemStore(tmp_path / "objects")
        return
    if request.param == "watched":
        yield ObservedStore(FilesystemStore(tmp_path / "objects"), StorageMetrics(CollectorRegistry()))
        return
    server = request.getfixturevalue("s3_server")
    async with s3_store(s3_config(server, connections=16)) as opened:
        await opened.ensure_bucket()
        yield opened


async def test_object_is_invisible_until_commit(store: ObjectStore) -> None:
    async with store.create("packs/ab/1") as writer:
        await writer.write(pattern(PART + 1))
        with pytest.raises(ObjectMissing):
            await store.stat("packs/ab/1")
        assert await keys(store) == []
        await writer.commit()
    assert await keys(store) == ["packs/ab/1"]


@pytest.mark.parametrize("size", [0, 1, 2 * PART + 3])
async def test_upload_left_without_commit_leaves_nothing(store: ObjectStore, size: int) -> None:
    async with store.create("packs/ab/1") as writer:
        await writer.write(pattern(size))
    with pytest.raises(ObjectMissing):
        await get(store, "packs/ab/1")
    assert await leftovers(store) == 0


async def test_upload_left_by_an_exception_leaves_nothing(store: ObjectStore) -> None:
    async def upload() -> None:
        async with store.create("packs/ab/1") as writer:
            await writer.write(pattern(2 * PART + 3))
            raise LookupError

    with pytest.raises(LookupError):
        await upload()
    assert await keys(store) == []
    assert await leftovers(store) == 0


async def test_cancelled_upload_leaves_nothing(store: ObjectStore) -> None:
    written = asyncio.Event()

    async def upload() -> None:
        async with store.create("packs/ab/1") as writer:
            await writer.write(pattern(2 * PART + 3))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(upload())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await keys(store) == []
    assert await leftovers(store) == 0


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 3])
async def test_committed_object_reads_back_with_its_size(store: ObjectStore, size: int) -> None:
    data = pattern(size)
    assert await put(store, "packs/ab/1", data) == size
    assert await store.stat("packs/ab/1") == ObjectInfo("packs/ab/1", size)
    assert await get(store, "packs/ab/1") == data


async def test_commit_replaces_the_object_whole(store: ObjectStore) -> None:
    old, new = pattern(100), pattern(PART + 50)[::-1]
    await put(store, "packs/ab/1", old)
    async with store.create("packs/ab/1") as writer:
        await writer.write(new)
        assert await get(store, "packs/ab/1") == old
        await writer.commit()
    assert await get(store, "packs/ab/1") == new


async def test_object_replaced_while_it_is_read_is_never_mixed(store: ObjectStore) -> None:
    old = pattern(4 * PART)
    await put(store, "packs/ab/1", old)
    async with aclosing(store.read("packs/ab/1")) as chunks:
        got = await anext(chunks)
        await put(store, "packs/ab/1", old[::-1])
        try:
            got += b"".join([chunk async for chunk in chunks])
        except StorageError:
            return
    assert got == old


async def test_written_buffers_may_be_used_again(store: ObjectStore) -> None:
    buffer = bytearray(b"a" * (PART + 10))
    async with store.create("packs/ab/1") as writer:
        await writer.write(buffer)
        buffer[:] = b"b" * len(buffer)
        await writer.write(memoryview(buffer)[:3])
        buffer.clear()  # a kept view would not allow it
        await writer.commit()
    assert await get(store, "packs/ab/1") == b"a" * (PART + 10) + b"bbb"


async def test_tiny_writes_add_up(store: ObjectStore) -> None:
    data = pattern(PART + 700)
    async with store.create("packs/ab/1") as writer:
        for at in range(0, len(data), 701):
            await writer.write(data[at : at + 701])
        await writer.write(b"")
        assert await writer.commit() == len(data)
    assert await get(store, "packs/ab/1") == data


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, PART + 7])
async def test_the_writer_has_a_checksum_of_each_mib(store: ObjectStore, size: int) -> None:
    data = pattern(size)
    async with store.create("packs/ab/1") as writer:
        for at in range(0, size, 700_001):
            await writer.write(memoryview(data)[at : at + 700_001])
        await writer.commit()
        blocks = [data[at : at + 2**20] for at in range(0, size, 2**20)]
        assert writer.crc32s == b"".join(crc32(block).to_bytes(4, "big") for block in blocks)


async def test_writers_beside_each_other_do_not_mix(store: ObjectStore) -> None:
    objects = {f"packs/{number}/1": bytes([number]) * (PART + number) for number in range(8)}
    async with asyncio.TaskGroup() as group:
        for key, data in objects.items():
            group.create_task(put(store, key, data))
    for key, data in objects.items():
        assert await get(store, key) == data


async def test_abort_after_commit_is_harmless_and_repeats(store: ObjectStore) -> None:
    async with store.create("packs/ab/1") as writer:
        await writer.write(b"kept")
        await writer.commit()
        await writer.abort()
        await writer.abort()
    assert await get(store, "packs/ab/1") == b"kept"


async def test_closed_writer_takes_nothing_more(store: ObjectStore) -> None:
    async with store.create("packs/ab/1") as writer:
        await writer.abort()
        with pytest.raises(WriterClosed):
            await writer.write(b"late")
        with pytest.raises(WriterClosed):
            await writer.commit()
    assert await keys(store) == []


@pytest.mark.parametrize(
    ("start", "length"), [(0, 10), (3, None), (7, 1), (0, 0), (5, 0), (10, 0), (300_000, 600_000), (0, 10**6)]
)
async def test_range_gives_just_its_bytes(store: ObjectStore, start: int, length: int | None) -> None:
    data = pattern(10**6)
    await put(store, "packs/ab/1", data)
    end = None if length is None else start + length
    assert await get(store, "packs/ab/1", start=start, length=length) == data[start:end]


@pytest.mark.parametrize("start", [10, 11, 1000])
async def test_open_range_from_the_end_on_gives_nothing(store: ObjectStore, start: int) -> None:
    await put(store, "packs/ab/1", b"0123456789")
    assert await get(store, "packs/ab/1", start=start) == b""


@pytest.mark.parametrize(("start", "length"), [(0, 11), (9, 2), (10, 1), (11, 0), (50, 5), (-1, 2), (0, -1)])
async def test_range_outside_the_object_is_an_error(store: ObjectStore, start: int, length: int) -> None:
    await put(store, "packs/ab/1", b"0123456789")
    chunks = store.read("packs/ab/1", start=start, length=length)
    with pytest.raises(RangeOutside) as caught:
        await anext(chunks)
    assert not caught.value.retryable


async def test_chunks_are_never_empty_nor_above_a_mebibyte(store: ObjectStore) -> None:
    await put(store, "packs/ab/1", pattern(2 * PART + 3))
    sizes = [len(chunk) async for chunk in store.read("packs/ab/1")]
    assert 0 < min(sizes) <= max(sizes) <= 1024 * 1024


@pytest.mark.parametrize(("start", "length"), [(0, None), (5, None), (0, 5), (0, 0)])
async def test_missing_object_is_said_at_the_first_step(
    store: ObjectStore, start: int, length: int | None
) -> None:
    await put(store, "packs/ab/1")
    for key in ("packs/ab/2", "packs/ab", "packs/ab/1/below"):
        with pytest.raises(ObjectMissing):
            await anext(store.read(key, start=start, length=length))
        with pytest.raises(ObjectMissing):
            await store.stat(key)


async def test_read_left_early_frees_what_it_held(store: ObjectStore) -> None:
    data = pattern(4 * PART)
    await put(store, "packs/ab/1", data)
    async with asyncio.timeout(60):
        for _ in range(30):  # twice as many as there are connections
            async with aclosing(store.read("packs/ab/1")) as chunks:
                await anext(chunks)
        assert await get(store, "packs/ab/1") == data


async def test_delete_takes_any_number_of_keys_and_repeats(store: ObjectStore) -> None:
    names = [f"packs/ab/{number:04}" for number in range(1001)]
    for name in (names[0], names[-1], "packs/ac/kept"):  # S3 deletes up to 1000 keys in a request
        await put(store, name, b"x")
    await store.delete(iter(names))
    assert await keys(store) == ["packs/ac/kept"]
    await store.delete(names[:2])
    await store.delete([])
    assert await keys(store) == ["packs/ac/kept"]


async def test_list_gives_keys_of_the_prefix_in_order(store: ObjectStore) -> None:
    names = ["blobs/ab/2", "blobs/ab/10", "blobs/b", "blobs/B/1", "blobsx", "packs/00/z"]
    for number, name in enumerate(names):
        await put(store, name, bytes(number))
    assert await keys(store) == sorted(names)
    assert await keys(store, "blobs/") == ["blobs/B/1", "blobs/ab/10", "blobs/ab/2", "blobs/b"]
    assert await keys(store, "blobs/ab/1") == ["blobs/ab/10"]
    assert await keys(store, "blobs/a") == ["blobs/ab/10", "blobs/ab/2"]
    assert await keys(store, "blobs/ab/2") == ["blobs/ab/2"]
    assert await keys(store, "blobs/ab/2/") == []
    [found] = [found async for found in store.list("packs")]
    assert (found.key, found.size) == ("packs/00/z", 5)


async def test_list_tells_when_an_object_was_committed(store: ObjectStore) -> None:
    before = datetime.now(UTC).replace(microsecond=0)  # servers tell whole seconds
    await put(store, "packs/ab/1", b"1")
    [found] = [found async for found in store.list("packs/")]
    assert found.committed_at is not None
    assert before <= found.committed_at <= datetime.now(UTC)


async def test_uploads_of_crashed_writers_can_be_aborted(store: ObjectStore) -> None:
    crashed = store.create("packs/ab/1")
    await crashed.write(pattern(2 * PART))
    assert await store.abort_uploads(older_than=timedelta(hours=1)) == 0
    assert await store.abort_uploads(older_than=timedelta(0)) == 1
    assert await store.abort_uploads(older_than=timedelta(0)) == 0
    with pytest.raises(StorageError) as caught:
        await crashed.commit()
    assert caught.value.retryable
    await crashed.abort()
    assert await keys(store) == []


async def test_uploads_of_one_object_can_be_aborted_whatever_their_age(store: ObjectStore) -> None:
    names = ["packs/ab/1", "packs/ab/1", "packs/ab/10", "packs/ab/2"]
    writers = [store.create(name) for name in names]
    for writer in writers:
        await writer.write(pattern(2 * PART))
    assert await store.abort_uploads_of("packs/ab/1") == 2
    assert await store.abort_uploads_of("packs/ab/1") == 0
    for lost in writers[:2]:
        with pytest.raises(StorageError):
            await lost.commit()
        await lost.abort()
    for other in writers[2:]:
        await other.commit()
    assert await keys(store) == ["packs/ab/10", "packs/ab/2"]


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "..", "a/../b", "./a", ".incoming/a", "a\nb", "a\\b", "a\x00", "ä", "a" * 256],
)
async def test_key_outside_the_rules_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(KeyInvalid):
        store.create(key)
    with pytest.raises(KeyInvalid):
        await anext(store.read(key))
    with pytest.raises(KeyInvalid):
        await store.stat(key)
    with pytest.raises(KeyInvalid):
        await store.delete([key])


async def test_key_may_have_any_other_printable_character(store: ObjectStore) -> None:
    key = "a !\"#$%&'()*+,-.:;<=>?@[]^_`{|}~/b c.tar.gz"
    await put(store, key, b"x")
    assert await keys(store) == [key]
    assert await get(store, key) == b"x"
    await store.delete([key])
    assert await keys(store) == []


async def test_check_passes_where_the_store_can_be_used(store: ObjectStore) -> None:
    await store.check()
    assert await keys(store) == []
