from __future__ import annotations

import hashlib
from pathlib import Path

from services.cli.small_files import MOST_BYTES, MOST_FILES, SMALL, FileArchive, group_files
from services.cli.tree import TreeFile
from tests.support.projects import files


async def _packed(archive: FileArchive) -> bytes:
    return b"".join([piece async for piece in archive])


async def test_an_archive_has_the_files_as_they_are(tmp_path: Path) -> None:
    contents = {"empty": b"", "n" * 200: b"long", "a/b/\u00e9": bytes(SMALL)}
    sent = []
    for number, (name, data) in enumerate(contents.items()):
        (tmp_path / f"{number}").write_bytes(data)
        sent.append(TreeFile(name, tmp_path / f"{number}", len(data)))
    assert files(await _packed(FileArchive(sent, lambda _: None))) == contents


def test_an_archive_is_bounded_in_files_and_in_bytes() -> None:
    large = [TreeFile(f"{number}", Path(), SMALL) for number in range(20)]
    many = [TreeFile(f"{number}", Path(), 0) for number in range(2500)]
    assert [len(group) for group in group_files(large)] == [MOST_BYTES // SMALL, 4]
    assert [len(group) for group in group_files(many)] == [MOST_FILES, MOST_FILES, 500]
    assert list(group_files([])) == []


async def test_of_an_archive_one_file_is_held_at_a_time(tmp_path: Path) -> None:
    block = hashlib.shake_128(b"not to be deflated").digest(SMALL)
    for number in range(8):
        (tmp_path / f"{number}").write_bytes(block)
    sent = [TreeFile(f"{number}", tmp_path / f"{number}", SMALL) for number in range(8)]
    read, sizes = list[int](), []
    async for piece in FileArchive(sent, read.append):
        sizes.append(len(piece))
        assert sum(read) - sum(sizes) < SMALL // 2
    assert read == [SMALL] * 8
    assert max(sizes) < SMALL * 1.1
