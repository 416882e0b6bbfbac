from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

import pytest

from shared.errors import StorageError
from shared.storage import filesystem_composer
from shared.storage.base import Composed
from shared.storage.composition import Piece, length_of
from shared.storage.errors import OperationFailed, RangeOutside
from shared.storage.filesystem import FilesystemStore
from shared.storage.filesystem_composer import FilesystemComposer
from tests.support.composition import ARCHIVES, LARGE, MIB, STORED, composed, content, large, small
from tests.support.objects import PART, get, keys, leftovers, put


@pytest.fixture
async def files(tmp_path: Path) -> FilesystemStore:
    store = FilesystemStore(tmp_path / "objects")
    for key, data in STORED.items():
        await put(store, key, data)
    return store


async def test_files_are_copied_without_passing_through_the_process(files: FilesystemStore) -> None:
    assert await composed(files, *ARCHIVES["leads"]) == Composed(4 * PART + 718, 709)


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, 0])
async def test_files_are_read_and_written_where_the_kernel_does_not_copy(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:

    def refuse(_source: int, _target: int, _count: int) -> int:
        if refusal:
            raise OSError(refusal, os.strerror(refusal))
        return 0  # as of files whose size the kernel does not know

    monkeypatch.setattr(os, "copy_file_range", refuse)
    made = await composed(files, *ARCHIVES["leads"])
    assert made == Composed(4 * PART + 718, 4 * PART + 718)
    assert await get(files, "archives/1") == content(ARCHIVES["leads"])


async def test_files_are_copied_in_steps_and_each_goes_on_where_the_last_ended(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.filesystem_composer._STEP", MIB + 1)
    assert (await composed(files, b"head", large(7, 4 * PART))).sent == 4
    assert await get(files, "archives/1") == b"head" + LARGE[7 : 4 * PART + 7]


async def test_pieces_that_wait_for_a_step_are_few_and_small(tmp_path: Path) -> None:
    async with FilesystemComposer("archives/1", root=tmp_path, incoming=tmp_path / "new") as composer:
        for size in (300_000, 1) * 600 + (1,) * 600:
            await composer.append(bytes(size))
            assert len(composer._buffer) + sum(map(length_of, composer._waiting)) < MIB
            assert len(composer._waiting) < 256
        assert await composer.commit() == composer.sent == 600 * 300_002


async def test_small_ranges_of_one_file_are_copied_by_few_steps_which_open_it_once(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, opened, steps = FilesystemComposer._write_pieces, [], 0
    open_object = filesystem_composer.open_object

    def counted(composer: FilesystemComposer, pieces: Iterable[Piece]) -> None:
        nonlocal steps
        steps += 1
        step(composer, pieces)

    def noted(path: Path, key: str) -> FileIO:
        opened.append(key)
        return open_object(path, key)

    monkeypatch.setattr(FilesystemComposer, "_write_pieces", counted)
    monkeypatch.setattr(filesystem_composer, "open_object", noted)
    await composed(files, *(piece for n in range(1000) for piece in (b"lead", small(n * 1300, 1200))))
    assert (steps, opened) == (8, ["packs/small"])


async def test_a_full_disk_ends_a_copy_and_is_said_clearly(
    files: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_source: int, _target: int, _count: int) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "copy_file_range", fail)
    with pytest.raises(StorageError, match="no space is left"):
        await composed(files, large(0, PART))
    assert await keys(files) == sorted(STORED)
    assert await leftovers(files) == 0


async def test_a_range_outside_of_a_file_names_its_source(files: FilesystemStore) -> None:
    with pytest.raises(RangeOutside) as raised:
        await composed(files, small(0, 3 * MIB + 1))
    assert raised.value.key == "packs/small"


async def test_a_file_that_is_cut_while_it_is_copied_leaves_nothing(
    files: FilesystemStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_source: int, _target: int, _count: int) -> int:
        os.truncate(tmp_path / "objects" / "packs/large", PART)
        return 0

    monkeypatch.setattr(os, "copy_file_range", cut)
    async with asyncio.timeout(60):
        with pytest.raises(OperationFailed, match=f"its last {PART} bytes are gone"):
            await composed(files, large(0, 2 * PART))
    assert await keys(files) == sorted(STORED)
    assert await leftovers(files) == 0
