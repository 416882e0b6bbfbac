"""Stores compose objects themselves: whatever the pieces are, the result is the same as by a writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from shared.errors import ObjectMissing, StorageError
from shared.metrics.storage import StorageMetrics
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange, Piece
from shared.storage.errors import KeyInvalid
from shared.storage.filesystem import FilesystemStore
from shared.storage.observed import ObservedStore
from shared.storage.s3 import s3_store
from tests.support.composition import ARCHIVES, LARGE, MIB, STORED, composed, content, large, small
from tests.support.objects import PART, get, keys, leftovers, put, s3_config


@pytest.fixture(params=["files", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """A store with something to copy."""
    async with AsyncExitStack() as stack:
        opened: ObjectStore = FilesystemStore(tmp_path / "objects")
        if request.param == "bucket":
            server = request.getfixturevalue("s3_server")
            bucket = await stack.enter_async_context(s3_store(s3_config(server)))
            await bucket.ensure_bucket()
            opened = bucket
        for key, data in STORED.items():
            await put(opened, key, data)
        yield opened


@pytest.mark.parametrize("name", ARCHIVES)
async def test_an_object_is_what_its_pieces_are_one_after_another(store: ObjectStore, name: str) -> None:
    expected = content(ARCHIVES[name])
    made = await composed(store, *ARCHIVES[name])
    assert made.size == (await store.stat("archives/1")).size == len(expected)
    assert await get(store, "archives/1") == expected
    assert await leftovers(store) == 0


@pytest.mark.parametrize("seed", range(6))
async def test_any_pieces_are_an_object(store: ObjectStore, seed: int) -> None:
    random = Random(seed)  # noqa: S311  # the same every time
    pieces: list[Piece] = []
    for _ in range(random.randrange(12)):
        start = random.randrange(2 * PART)
        lengths = random.randrange(3 * PART), random.randrange(2 * MIB), random.randrange(2000)
        kinds = (large(start, lengths[0]), small(start % MIB, lengths[1]), random.randbytes(lengths[2]))
        pieces.append(kinds[random.randrange(3)])
    made = await composed(store, *pieces)
    assert await get(store, "archives/1") == content(pieces)
    assert made.size == len(content(pieces))


async def test_a_range_of_nothing_needs_no_source(store: ObjectStore) -> None:
    for nothing in (ObjectRange("", 0, 0), ObjectRange("packs/lost", 5, 0)):
        await composed(store, b"a", nothing, b"b")
        assert await get(store, "archives/1") == b"ab"


async def test_bytes_that_a_store_copies_are_not_counted(store: ObjectStore) -> None:
    registry = CollectorRegistry()
    observed = ObservedStore(store, StorageMetrics(registry))
    made = await composed(observed, b"head", large(0, 5 * PART), b"tail")
    counted = {
        operation: registry.get_sample_value("crossdock_storage_bytes_total", {"operation": operation}) or 0
        for operation in ("compose", "read", "write")
    }
    assert counted == {"compose": made.sent, "read": 0, "write": 0}
    ended = {"operation": "compose", "result": "ok"}
    assert registry.get_sample_value("crossdock_storage_operations_total", ended) == 1


@pytest.mark.parametrize(
    "lost",
    [ObjectRange("packs/lost", 0, 3 * PART), ObjectRange("packs/lost", 0, 5)],
    ids=["that is copied", "that is read"],
)
async def test_a_source_that_is_missing_leaves_nothing(store: ObjectStore, lost: ObjectRange) -> None:
    with pytest.raises(ObjectMissing) as raised:
        await composed(store, b"head", large(0, 3 * PART), lost, large(0, 3 * PART))
    assert raised.value.key == "packs/lost"
    assert await keys(store) == sorted(STORED)
    assert await leftovers(store) == 0


@pytest.mark.parametrize("past", [small(MIB, 2 * MIB + 1), large(4 * PART, 3 * PART), small(4 * MIB, 1)])
async def test_a_range_outside_of_its_source_leaves_nothing(store: ObjectStore, past: ObjectRange) -> None:
    with pytest.raises(StorageError) as raised:
        await composed(store, large(0, 3 * PART), past, b"tail")
    assert not raised.value.retryable
    assert await keys(store) == sorted(STORED)
    assert await leftovers(store) == 0


async def test_pieces_that_fail_leave_nothing(store: ObjectStore) -> None:
    async def failing() -> AsyncGenerator[Piece, None]:
        yield large(0, 4 * PART)
        yield b"lead"
        raise LookupError

    with pytest.raises(LookupError):
        await store.compose("archives/1", failing(), size=5 * PART)
    assert await keys(store) == sorted(STORED)
    assert await leftovers(store) == 0


async def test_a_composition_that_is_cancelled_leaves_nothing(store: ObjectStore) -> None:
    begun = asyncio.Event()

    async def hanging() -> AsyncGenerator[Piece, None]:
        yield large(0, 4 * PART)
        yield b"lead"
        yield large(0, 4 * PART)
        begun.set()
        await asyncio.Event().wait()

    async def compose() -> None:
        async with aclosing(hanging()) as pieces:
            await store.compose("archives/1", pieces, size=8 * PART)

    task = asyncio.create_task(compose())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await keys(store) == sorted(STORED)
    assert await leftovers(store) == 0


@pytest.mark.parametrize("key", ["", "/a", "../a", ".incoming/a"])
async def test_a_key_outside_the_rules_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(KeyInvalid):
        await composed(store, b"x", key=key)
    for source in (ObjectRange(key, 0, 1), ObjectRange(key, 0, 2 * PART)):
        with pytest.raises(KeyInvalid):
            await composed(store, source)


async def test_an_object_is_invisible_before_its_last_piece_and_replaces_another_whole(
    store: ObjectStore,
) -> None:
    await put(store, "archives/1", b"old")

    async def watched() -> AsyncGenerator[Piece, None]:
        yield large(0, 3 * PART)
        assert await get(store, "archives/1") == b"old"
        yield b"tail"

    await store.compose("archives/1", watched(), size=3 * PART + 4)
    assert await get(store, "archives/1") == LARGE[: 3 * PART] + b"tail"
