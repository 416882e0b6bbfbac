from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from shared.archive.tar_header import MTIME_MAX, Header, parse_header
from shared.archive.writer import directory_header, end_of_archive, file_header, padding, root_header
from tests.support.archives import read
from tests.support.prerequisites import needs

MTIME = 1_700_000_000
FILES = {
    "VERSION": b"0.2.4",
    "empty": b"",
    "tree/project.json": b"x" * 512,
    "uploads/文件 (1).png": b"x" * 513,
    "tree/" + "n" * 92: b"99 bytes with the dot and slash",
    "tree/" + "n" * 93: b"100 bytes",
    "tree/" + "n" * 94: b"101 bytes",
    "d" * 120 + "/" + "é" * 100: b"long",
    # Headers of these are longer than the block that the name begins in.
    "/".join("p" * 200 for _ in range(3)): b"longer than a block",
}
GNU_TAR = needs("GNU tar")


def directories(names: Iterable[str]) -> list[str]:
    """Every directory above the names, parents first."""
    parts = [name.split("/")[:-1] for name in names]
    return sorted({"/".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1)})


def written(files: dict[str, bytes], mtime: int = MTIME) -> bytes:
    """A tar of the files and their directories."""
    parts = [root_header(mtime)]
    parts += [directory_header(name, mtime) for name in directories(files)]
    for name, data in files.items():
        parts += [file_header(name, size=len(data), mtime=mtime), data, padding(len(data))]
    tar = b"".join(parts)
    return tar + end_of_archive(len(tar))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files on disk, with GitLab's modes."""
    root = tmp_path / "tree"
    root.mkdir(mode=0o700)
    for name in directories(FILES):
        (root / name).mkdir(mode=0o700)
    for name, data in FILES.items():
        (root / name).write_bytes(data)
        (root / name).chmod(0o644)
    return root


def gnu_tar(root: Path, names: list[str]) -> list[str]:
    owner = ["--owner=git:1000", "--group=git:1000", f"--mtime=@{MTIME}"]
    return ["tar", "-cf", "-", "--format=gnu", "--no-recursion", *owner, "-C", str(root), *names]


@GNU_TAR
def test_the_bytes_are_those_of_gnu_tar(tree: Path) -> None:
    names = ["./", *(f"./{name}" for name in [*directories(FILES), *FILES])]
    assert written(FILES) == subprocess.run(gnu_tar(tree, names), capture_output=True, check=True).stdout


@GNU_TAR
@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 8**11 + 12345])
def test_sizes_around_8_gib_are_written_as_gnu_tar_writes_them(tmp_path: Path, size: int) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(size)
    (tmp_path / "big").chmod(0o644)
    with subprocess.Popen(gnu_tar(tmp_path, ["./big"]), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        block = process.stdout.read(512)
        process.kill()
    assert file_header("big", size=size, mtime=MTIME) == block


@GNU_TAR
def test_gnu_tar_and_gzip_read_it_without_a_word(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(gzip.compress(written(FILES)))
    subprocess.run(["gzip", "-t", archive], check=True)
    listing = subprocess.run(
        ["tar", "-tvzf", archive, "--quoting-style=literal", "--utc"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    assert listing.stderr == ""
    lines = [line.split(maxsplit=5) for line in listing.stdout.splitlines()]
    assert [line[5] for line in lines] == [
        "./",
        *(f"./{n}/" for n in directories(FILES)),
        *(f"./{n}" for n in FILES),
    ]
    assert {tuple(line[:2]) for line in lines} == {("drwx------", "git/git"), ("-rw-r--r--", "git/git")}
    assert [int(line[2]) for line in lines][-len(FILES) :] == [len(data) for data in FILES.values()]
    assert {" ".join(line[3:5]) for line in lines} == {"2023-11-14 22:13"}


@GNU_TAR
def test_gnu_tar_extracts_the_same_files(tmp_path: Path) -> None:
    command = ["tar", "-x", "-C", str(tmp_path), "--no-same-owner"]
    result = subprocess.run(command, input=written(FILES), capture_output=True, check=True)
    assert result.stderr == b""
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


def test_tarfile_reads_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(written(FILES))) as tar:
        members = {member.name: member for member in tar}
        assert list(members) == [".", *(f"./{name}" for name in [*directories(FILES), *FILES])]
        for name, data in FILES.items():
            file = tar.extractfile(members[f"./{name}"])
            assert file is not None
            assert file.read() == data


@pytest.mark.parametrize("size", [0, 8**11 - 1, 8**11, 2**63 - 1])
@pytest.mark.parametrize("mtime", [0, MTIME, MTIME_MAX])
def test_sizes_and_times_are_read_back(size: int, mtime: int) -> None:
    assert parse_header(file_header("a", size=size, mtime=mtime)) == Header(b"./a", size, mtime, b"0")


@pytest.mark.parametrize("length", [97, 98, 99, 100, 509, 510, 511, 4000])
def test_headers_are_whole_blocks(length: int) -> None:
    assert len(root_header(MTIME)) == 512
    for block in (directory_header("n" * length, MTIME), file_header("n" * length, size=1, mtime=MTIME)):
        assert len(block) % 512 == 0


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 2**40 + 1])
def test_padding_goes_to_the_next_block(size: int) -> None:
    assert (size + len(padding(size))) % 512 == 0
    assert padding(size) == bytes(len(padding(size)))
    assert len(padding(size)) < 512


@pytest.mark.parametrize("written_bytes", [0, 512, 8704, 9216, 9728, 10240, 2**40])
def test_the_end_is_two_zero_blocks_and_a_whole_record(written_bytes: int) -> None:
    end = end_of_archive(written_bytes)
    assert end == bytes(len(end))
    assert 1024 <= len(end) < 1024 + 10240
    assert (written_bytes + len(end)) % 10240 == 0


def test_the_reader_reads_what_the_writer_wrote() -> None:
    found = read(gzip.compress(written(FILES)))
    assert {entry.mtime for entry in found} == {MTIME}
    assert [entry.name for entry in found] == [*directories(FILES), *FILES]
    assert {entry.name: entry.data for entry in found if entry.name in FILES} == FILES
