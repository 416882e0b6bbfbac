"""The codec against what Python and GNU offer, alternating in one run; the ratios are what counts."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from isal import igzip

from shared.archive import writer
from shared.archive.budget import Budget
from shared.archive.limits import Limits, Prices
from shared.archive.reader import ArchiveReader
from shared.archive.tar_reader import TarReader
from shared.gitlab.lines import LineSplitter
from shared.gitlab.record_check import check_line
from shared.segments.encoder import SegmentEncoder

ENTRIES = 20_000
ROUNDS = 3
MIB = 1024 * 1024
BODY = b"x" * 4096


@pytest.fixture(scope="module")
def tree() -> bytes:
    """A tar of many small files."""
    parts = []
    for number in range(ENTRIES):
        parts += [writer.file_header(f"uploads/{number:032x}/file.txt", size=len(BODY), mtime=1), BODY]
    parts.append(writer.end_of_archive(sum(map(len, parts))))
    return b"".join(parts)


@pytest.fixture(scope="module")
def lines() -> bytes:
    """32 MiB of records as issues are."""
    text = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 10
    return b"".join(
        f'{{"iid":{n},"title":"Issue {n}","description":"{n} {text}","notes":[{{"note":"{n}"}}]}}\n'.encode()
        for n in range(32 * MIB // 700)
    )


def _compare(title: str, unit: str, amount: float, **ways: Callable[[], object]) -> None:
    """Print how much of ``amount`` each way does in a second, and its ratio to the last one."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: median(times) for name, times in seconds.items()}
    base = list(medians.values())[-1]
    print(f"\n{title}")
    for name, took in medians.items():
        print(f"  {name:<16} {amount / took:>12,.0f} {unit}/s   {base / took:5.1f} x")


def _chunks(data: bytes, size: int = 256 * 1024) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_reading_small_entries(tree: bytes) -> None:
    def ours() -> int:
        reader = TarReader(Limits(), Budget(Prices(gift=1 << 40)))
        return sum(1 for chunk in _chunks(tree) for _ in reader.feed(chunk))

    def stdlib() -> int:
        with tarfile.open(fileobj=io.BytesIO(tree), mode="r|") as tar:
            return sum(len(data.read()) for member in tar if (data := tar.extractfile(member)))

    _compare("Reading tar entries of 4 KiB", "entries", ENTRIES, ours=ours, tarfile=stdlib)


def test_writing_headers() -> None:
    def ours() -> int:
        return sum(len(writer.file_header(f"uploads/{n:032x}/f", size=n, mtime=1)) for n in range(ENTRIES))

    def stdlib() -> int:
        total = 0
        for n in range(ENTRIES):
            info = tarfile.TarInfo(f"./uploads/{n:032x}/f")
            info.size = n
            total += len(info.tobuf(tarfile.GNU_FORMAT))
        return total

    _compare("Writing tar headers", "headers", ENTRIES, ours=ours, tarfile=stdlib)


def test_reading_a_whole_archive(tree: bytes) -> None:
    archive = igzip.compress(tree, 1)

    def ours() -> int:
        reader = ArchiveReader(Limits())
        return sum(1 for chunk in _chunks(archive) for _ in reader.feed(chunk)) + len(list(reader.close()))

    def stdlib() -> int:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as tar:
            return sum(len(data.read()) for member in tar if (data := tar.extractfile(member)))

    _compare("Reading a .tar.gz", "MiB", len(tree) / MIB, ours=ours, tarfile=stdlib)


def test_deflating_records(lines: bytes, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(lines)

    def ours() -> int:
        encoder, size = SegmentEncoder(), 0
        for chunk in _chunks(lines, MIB):
            size += len(encoder.write(chunk)) + len(encoder.end()[0])
        return size

    def gnu() -> int:
        return len(
            subprocess.run(
                ["gzip", "-6", "-c", "lines"], cwd=tmp_path, capture_output=True, check=True
            ).stdout
        )

    print(f"\nSize of deflated records: {ours() / gnu():.2f} of gzip -6")
    _compare(
        "Deflating records",
        "MiB",
        len(lines) / MIB,
        segments=ours,
        gzip_6=gnu,
        zlib_6=lambda: gzip.compress(lines, 6),
    )


def test_checking_records(lines: bytes) -> None:
    def ours() -> int:
        splitter, count = LineSplitter(50 * MIB), 0
        for chunk in _chunks(lines):
            for line in splitter.feed(chunk):
                assert isinstance(line, bytes)
                check_line(line, relation="issues", depth=1000)
                count += 1
        return count

    def stdlib() -> int:
        return sum(1 for line in lines.splitlines() if json.loads(line)["title"])

    _compare("Splitting and checking records", "MiB", len(lines) / MIB, ours=ours, json=stdlib)
