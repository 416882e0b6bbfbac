"""The codec by itself against what Python offers, in turn."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator

from isal import igzip

from shared.archive import writer
from shared.archive.budget import Budget
from shared.archive.limits import Limits, Prices
from shared.archive.reader import ArchiveReader
from shared.archive.tar_reader import TarReader
from shared.gitlab.lines import LineSplitter
from shared.gitlab.record_check import check_line
from shared.segments.encoder import SegmentEncoder
from tests.benchmarks.bench import Bench
from tests.benchmarks.results import Sample
from tests.support.spools import MIB

_ENTRIES = 20_000
_BODY = b"x" * 4096
_TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 10


def measure(bench: Bench) -> Iterator[Sample]:
    """Give how many times as fast as the other each part of the codec is."""
    tree, lines = _tree(), _lines()
    archive = igzip.compress(tree, 1)
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "tar entries of 4 KiB, read / tarfile": (lambda: _read_tar(tree), lambda: _tarfile(tree, "r|")),
        ".tar.gz, read / tarfile": (lambda: _read_archive(archive), lambda: _tarfile(archive, "r|gz")),
        "tar headers, made / tarfile": (_headers, _tarfile_headers),
        "records, deflated / gzip -6": (lambda: _deflate(lines), lambda: _gzip(lines)),
        "records, split and checked / json": (lambda: _check(lines), lambda: _json(lines)),
    }
    yield Sample("records, deflated size / gzip -6", _deflate(lines) / len(_gzip(lines)))
    for _ in range(bench.options.pairs):
        for name, (ours, theirs) in ways.items():
            took = _seconds(ours)
            yield Sample(name, _seconds(theirs) / took, "times as fast")


def _seconds(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def _tree() -> bytes:
    """A tar of many small files."""
    parts = []
    for number in range(_ENTRIES):
        parts += [writer.file_header(f"uploads/{number:032x}/file.txt", size=len(_BODY), mtime=1), _BODY]
    parts.append(writer.end_of_archive(sum(map(len, parts))))
    return b"".join(parts)


def _lines() -> bytes:
    """32 MiB of records as issues are."""
    return b"".join(
        f'{{"iid":{n},"title":"Issue {n}","description":"{n} {_TEXT}","notes":[{{"note":"{n}"}}]}}\n'.encode()
        for n in range(32 * MIB // 700)
    )


def _pieces(data: bytes, size: int = MIB // 4) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def _read_tar(tree: bytes) -> int:
    reader = TarReader(Limits(), Budget(Prices(gift=1 << 40)))
    return sum(1 for piece in _pieces(tree) for _ in reader.feed(piece))


def _read_archive(archive: bytes) -> int:
    reader = ArchiveReader(Limits())
    return sum(1 for piece in _pieces(archive) for _ in reader.feed(piece)) + len(list(reader.close()))


def _tarfile(data: bytes, mode: str) -> int:
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as tar:  # type: ignore[call-overload]  # of a table
        return sum(len(found.read()) for member in tar if (found := tar.extractfile(member)))


def _headers() -> int:
    return sum(len(writer.file_header(f"uploads/{n:032x}/f", size=n, mtime=1)) for n in range(_ENTRIES))


def _tarfile_headers() -> int:
    total = 0
    for number in range(_ENTRIES):
        info = tarfile.TarInfo(f"./uploads/{number:032x}/f")
        info.size = number
        total += len(info.tobuf(tarfile.GNU_FORMAT))
    return total


def _deflate(lines: bytes) -> int:
    encoder = SegmentEncoder()
    return sum(len(encoder.write(piece)) + len(encoder.end()[0]) for piece in _pieces(lines, MIB))


def _gzip(lines: bytes) -> bytes:
    """Compress as GNU gzip does, which Python does by the same library and without a process."""
    return gzip.compress(lines, 6)


def _check(lines: bytes) -> int:
    splitter, count = LineSplitter(50 * MIB), 0
    for piece in _pieces(lines):
        for line in splitter.feed(piece):
            assert isinstance(line, bytes)
            check_line(line, relation="issues", depth=1000)
            count += 1
    return count


def _json(lines: bytes) -> int:
    return sum(1 for line in lines.splitlines() if json.loads(line)["title"])
