from __future__ import annotations

import asyncio
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from shared.archive import writer as tar
from shared.archive.tar_header import parse_header
from shared.assembly.blocks import BlockReader
from shared.assembly.item_reader import read_items
from shared.assembly.layout import ArchiveLayout, LayoutItem, cut_part
from shared.assembly.members import ArchiveMember, Directory, GeneratedFile, StoredFile
from shared.errors import StorageError
from shared.segments.encoder import BlobEncoder
from shared.snapshots.models import Entry, EntryKind, PlacedEntry
from shared.storage.composition import ObjectRange, length_of
from shared.storage.filesystem import FilesystemStore

T = TypeVar("T")
NOW = 1_700_000_000


def _file(name: str) -> PlacedEntry:
    return PlacedEntry(Entry(name=name, kind=EntryKind.BLOB, mtime=NOW), "")


async def _unknown(key: str, *, first: int, count: int) -> None:
    """Find no checksums."""


async def _each(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


async def _items(planned: Sequence[ArchiveMember]) -> AsyncIterator[LayoutItem]:
    async def each() -> AsyncIterator[ArchiveMember]:
        for member in planned:
            yield member

    async for item in ArchiveLayout(root_mtime=NOW).items(each()):
        yield item


async def _archive(planned: Sequence[ArchiveMember], store: Path) -> bytes:
    return b"".join(
        [piece async for piece in read_items(BlockReader(FilesystemStore(store), _unknown), _items(planned))]
    )


def _listing(made: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["tar", "-tzf", "-"], input=made, capture_output=True, check=False)


async def test_gnu_tar_takes_the_listing_without_a_word(tmp_path: Path) -> None:
    names = ["a", "a-b/c", "a.b", "b/" + "n" * 300, "\u00e9/\u2713", "x/y/z/1", "x/y-/1", "b/" + "m" * 98]
    planned: list[ArchiveMember] = [*(StoredFile(_file(name)) for name in names), Directory("empty/in/", NOW)]
    made = await _archive(planned, tmp_path)
    done = await asyncio.to_thread(_listing, made)
    assert (done.returncode, done.stderr) == (0, b"")
    with tarfile.open(fileobj=BytesIO(made)) as tar:
        listed = [member.name for member in tar]
    assert len(listed) == len(set(listed)) == len(done.stdout.splitlines())
    assert {name.removeprefix("./") for name in listed} == {
        ".", *names, "empty/in",
    }  # fmt: skip


async def test_neither_directories_nor_empty_files_gather_in_memory() -> None:
    layout = ArchiveLayout(root_mtime=NOW)
    longest = 0

    async def each() -> AsyncIterator[ArchiveMember]:
        nonlocal longest
        for number in range(5000):
            longest = max(longest, len(layout._own))
            yield Directory(f"{number}/", NOW) if number % 2 else StoredFile(_file(f"{number}"))

    async for _ in layout.items(each()):
        pass
    assert longest <= 64 * 1024 + 512


async def test_what_is_made_here_is_not_deflated(tmp_path: Path) -> None:
    made = await _archive([GeneratedFile("d", NOW, bytes(1000))], tmp_path)
    assert tar.file_header("d", size=1000, mtime=NOW) in made
    assert len(made) > 512 + 512 + 1024 + 1024


async def test_a_document_comes_in_pieces_of_1_mib(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    made = await _archive([GeneratedFile("d", NOW, data)], tmp_path)
    with tarfile.open(fileobj=BytesIO(made)) as tar:
        file = tar.extractfile("./d")
        assert file
        assert file.read() == data
    parts = list(ArchiveLayout(root_mtime=NOW)._parts(GeneratedFile("d", NOW, data)))
    assert max(len(cut_part) for cut_part in parts if isinstance(cut_part, memoryview)) == 1024 * 1024


@pytest.mark.parametrize("size", [8 * 1024**3 - 1, 8 * 1024**3, 9 * 1024**3 + 5])
async def test_a_file_over_8_gib_is_announced_and_accounted_for(size: int) -> None:
    layout = ArchiveLayout(root_mtime=NOW)
    entry = Entry(name="big", kind=EntryKind.BLOB, mtime=NOW, object_id=1, stored_size=9, raw_size=size)
    before = layout._gzip.raw_length
    announced, placed = layout._parts(StoredFile(PlacedEntry(entry, "key")))
    header = parse_header(bytes(announced)[512:])  # type: ignore[arg-type]  # the first is bytes
    assert header
    assert (header.name, header.size) == (b"./big", size)
    assert placed == ObjectRange("key", 0, 9)
    assert layout._gzip.raw_length - before == size
    assert layout._written % 512 == 0
    assert 0 <= layout._written - (1024 + size) < 512


async def _stored(contents: dict[str, bytes], store: FilesystemStore) -> list[PlacedEntry]:
    """Some in one object and some in objects of their own, in another order than that of their names."""
    placed = []
    async with store.create("pack") as pack:
        position = 0
        for turn, (name, data) in enumerate(sorted(contents.items(), key=lambda item: item[0][::-1])):
            encoder = BlobEncoder()
            stored = encoder.write(data)
            rest, extent = encoder.end()
            key = "pack" if turn % 3 and data else f"own-{turn}"
            entry = Entry(
                name=name, kind=EntryKind.BLOB, mtime=NOW, object_id=1, raw_size=len(data),
                crc32=extent.crc32, stored_size=extent.stored_length,
                position=position if key == "pack" else 0,
            )  # fmt: skip
            placed.append(PlacedEntry(entry, key))
            if key == "pack":
                await pack.write(stored + rest)
                position += extent.stored_length
            else:
                async with store.create(key) as own:
                    await own.write(stored + rest)
                    await own.commit()
        await pack.commit()
    return placed


async def test_runs_from_many_places_come_in_the_order_of_the_members(tmp_path: Path) -> None:
    contents = {f"f{n:03}": bytes([n]) * (n * 997 % 3000) for n in range(200)} | {"large": bytes(700_000)}
    placed = await _stored(contents, FilesystemStore(tmp_path))
    made = await _archive([StoredFile(each) for each in placed], tmp_path)
    with tarfile.open(fileobj=BytesIO(made)) as tar:
        found = {member.name.removeprefix("./"): tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in found.items() if file} == contents


async def test_a_part_is_cut_out_of_the_whole_and_reads_nothing_else(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    contents = {f"f{n:02}": Random(n).randbytes(n * 997 % 3000) for n in range(40)}  # noqa: S311  # the same every time
    planned = [StoredFile(each) for each in await _stored(contents, store)]
    whole = await _archive(planned, tmp_path)
    sizes = [length_of(item) async for item in _items(planned)]
    assert sum(sizes) == len(whole)
    for start, length in [(0, 1), (0, len(whole)), (9, 3), (1234, 20_000), (len(whole) - 9, 9)]:
        items = [item async for item in cut_part(_items(planned), start=start, length=length)]
        assert sum(map(length_of, items)) == length
        pieces = read_items(BlockReader(store, _unknown), _each(items))
        assert b"".join([piece async for piece in pieces]) == whole[start : start + length]


async def test_an_object_that_ends_early_is_an_error_that_a_retry_may_help(tmp_path: Path) -> None:
    entry = Entry(name="f", kind=EntryKind.BLOB, mtime=NOW, object_id=1, stored_size=10, raw_size=5)
    store = FilesystemStore(tmp_path)
    async with store.create("short") as writer:
        await writer.write(b"12345")
        await writer.commit()
    with pytest.raises(StorageError):
        await _archive([StoredFile(PlacedEntry(entry, "short"))], tmp_path)
