from __future__ import annotations

import asyncio
import os
import threading
from io import FileIO
from pathlib import Path

import pytest

from shared.storage.errors import DiskNearlyFull, OperationFailed, OperationRefused
from shared.storage.filesystem import FilesystemStore
from tests.support.objects import get, keys, leftovers, put


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path)


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_full_device_is_said_clearly_and_ends_the_upload(store: FilesystemStore) -> None:
    async with store.create("packs/1") as writer:
        writer._file = FileIO("/dev/full", "w")
        with pytest.raises(OperationFailed, match="no space is left on the device") as caught:
            await writer.write(bytes(2**20))
        assert (caught.value.cause, caught.value.retryable) == ("ENOSPC", True)
    assert await keys(store) == []


async def test_commit_survives_that_its_directory_is_pruned(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, pruned = Path.replace, 0

    def prune_first(source: Path, target: Path) -> Path:
        nonlocal pruned
        if pruned < 3:
            pruned += 1
            target.parent.rmdir()
        return move(source, target)

    monkeypatch.setattr(Path, "replace", prune_first)
    await put(store, "packs/ab/1", b"x")
    assert await get(store, "packs/ab/1") == b"x"


async def test_delete_prunes_directories_that_became_empty(store: FilesystemStore, tmp_path: Path) -> None:
    for key in ("packs/ab/1", "packs/ac/1", "packs/ac/2"):
        await put(store, key)
    await store.delete(["packs/ab/1", "packs/ac/1"])
    assert await asyncio.to_thread(_names, tmp_path / "packs") == ["ac"]
    await store.delete(["packs/ac/2"])
    assert await asyncio.to_thread(_names, tmp_path) == [".incoming"]


async def test_cancellation_waits_for_the_thread_that_writes(store: FilesystemStore) -> None:
    writer = store.create("packs/1")
    flush, entered, release = writer._flush, threading.Event(), threading.Event()

    def slow_flush() -> FileIO:
        entered.set()
        release.wait(10)
        return flush()

    async def upload() -> None:
        async with writer:
            await writer.write(bytes(2**20))

    writer._flush = slow_flush  # type: ignore[method-assign]  # the one place to hold the thread
    task = asyncio.create_task(upload())
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    await asyncio.wait([task], timeout=0.1)  # without the guard the abort comes first, and too early
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leftovers(store) == 0


async def test_commit_brings_bytes_then_names_to_the_disk(
    store: FilesystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = [], os.fsync

    def record(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path).parts[:2])
        sync(handle)

    monkeypatch.setattr(os, "fsync", record)
    await put(store, "packs/ab/1", b"x")
    assert [parts[0] if parts[:1] == (".incoming",) else "/".join(parts) for parts in synced] == [
        ".incoming", "packs/ab", "packs", "",
    ]  # fmt: skip


async def test_object_cannot_lie_below_another(store: FilesystemStore) -> None:
    await put(store, "packs/1", b"x")
    with pytest.raises(OperationRefused):
        await put(store, "packs/1/below")
    with pytest.raises(OperationRefused):
        await put(store, "packs")
    assert await keys(store) == ["packs/1"]
    assert await leftovers(store) == 0


async def test_check_names_the_folder_and_the_bytes_of_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    root = tmp_path / "data" / "objects"
    with pytest.raises(DiskNearlyFull) as caught:
        await FilesystemStore(root, wanted=2**60).check()
    assert caught.value.wanted == 2**60
    assert 0 < caught.value.free < 2**60
    for told in (str(root), str(caught.value.free), str(2**60)):
        assert told in str(caught.value)
    assert not root.exists()
    await FilesystemStore(root, wanted=1).check()


async def test_check_fails_where_no_file_can_be_made(tmp_path: Path) -> None:
    await put(FilesystemStore(tmp_path), "file")
    with pytest.raises(OperationRefused):
        await FilesystemStore(tmp_path / "file").check()


async def test_listing_orders_names_as_their_keys(store: FilesystemStore) -> None:
    names = ["a-b", "a/c/d", "a.b", "a0", "ab"]
    for name in names:
        await put(store, name)
    assert await keys(store) == sorted(names)
