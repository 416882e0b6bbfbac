"""What an archive consists of, from bytes to verdicts: each reader gives a result or an ArchiveError."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from shared.archive.errors import ArchiveTooLarge
from shared.archive.gzip_reader import STEP, GzipReader
from shared.archive.limits import MIB, Limits
from shared.errors import ArchiveError
from shared.git.bundle import BundleVerifier
from shared.git.bundle_references import ReferenceReader, References, TooManyReferences
from shared.gitlab.lfs import LfsIndex
from shared.gitlab.lines import BlankLines, LineSplitter, OverlongLine
from shared.gitlab.nesting import depth_over
from shared.gitlab.project_json import ProjectDocument, project_attributes
from shared.gitlab.record_check import NullLine, Record, RefusedLine, check_line
from shared.gitlab.version import VersionFile
from tests.support.archives import Entry, pieces, read, summed

LIMITS = Limits(decompressed=8 * MIB, entries=1000, header=64 * 1024)

_CUT = 7
_LINE = 64
_DEPTH = 8
_LONGEST_MESSAGE = 600


def outcome(archive: bytes, cut: int) -> list[Entry] | None:
    """What the archive holds, None when it is refused. Any other error is a fault."""
    try:
        return read(archive, cut=cut, limits=LIMITS)
    except ArchiveError:
        return None


def summed_again(tar: bytes) -> bytes:
    """The tar with good checksums in all that looks like a header, so that damage gets past them."""
    blocks = [tar[start : start + 512] for start in range(0, len(tar), 512)]
    return b"".join(
        summed(block) if len(block) == 512 and block[257:262] == b"ustar" else block for block in blocks
    )


def check_tar(data: bytes) -> None:
    """A tar is read the same at every cut, or refused."""
    archive = gzip.compress(summed_again(data), 0)
    assert outcome(archive, 13) == outcome(archive, len(archive))


def check_gzip(data: bytes) -> None:
    """A gzip file is inflated the same at every cut; where it is taken, zlib agrees."""
    inflated = _inflated(data, len(data))
    assert inflated == _inflated(data, _CUT)
    if inflated is not None:
        assert inflated == _inflated_by_zlib(data)


def _inflated_by_zlib(data: bytes) -> bytes:
    inflated = b""
    while data.lstrip(b"\0\t\n\r "):
        member = zlib.decompressobj(wbits=31)
        inflated += member.decompress(data)
        assert member.eof
        data = member.unused_data
    return inflated


def _inflated(data: bytes, cut: int) -> bytes | None:
    reader, taken = GzipReader(), bytearray()
    try:
        for piece in pieces(data, max(1, cut)):
            for step in reader.feed(piece):
                assert 1 <= len(step) <= STEP
                taken += step
                _limit(taken)
    except ArchiveError:
        return None
    assert reader.decompressed == len(taken)
    return bytes(taken) if reader.complete else None


def _limit(taken: bytearray) -> None:
    if len(taken) > LIMITS.decompressed:
        raise ArchiveTooLarge(None, limit=LIMITS.decompressed)


def check_relation(data: bytes) -> None:
    """Lines are those between newlines at every cut, and a record is an object for Python's parser too."""
    expected = [*map(_expected, _split(data))]
    for cut in (_CUT, max(1, len(data))):
        assert [*_lines(data, cut)] == expected
    for line in _split(data):
        if line.strip():
            _check_verdict(line)


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return (
        [*(line + b"\n" for line in lines[:-1]), *lines[-1:]]
        if lines[-1]
        else [line + b"\n" for line in lines[:-1]]
    )


def _expected(line: bytes) -> bytes | int | None:
    length = len(line.removesuffix(b"\n"))
    return length if length > _LINE else None if line.isspace() else line


def _lines(data: bytes, cut: int) -> Iterator[bytes | int | None]:
    splitter = LineSplitter(_LINE)
    for piece in [*pieces(data, cut), None]:
        for line in splitter.close() if piece is None else splitter.feed(piece):
            match line:
                case BlankLines(count):
                    yield from [None] * count
                case OverlongLine(length):
                    yield length
                case _:
                    yield line


def _check_verdict(line: bytes) -> None:
    match check_line(line, relation="issues", depth=_DEPTH):
        case Record():
            document = _parsed(line)
            assert isinstance(document, dict)
            assert (depth_over(line, 1) or 1) == _depth(document)
        case NullLine():
            assert line.strip() == b"null"
        case RefusedLine(_, message):
            assert len(message) <= _LONGEST_MESSAGE


def _parsed(line: bytes) -> object:
    return json.loads(line.decode(), parse_int=str, object_pairs_hook=_Pairs)


class _Pairs(dict[str, object]):
    """An object of JSON with the values of repeated names, which count for its depth."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.all = [value for _, value in pairs]


def _depth(value: object) -> int:
    inner = value.all if isinstance(value, _Pairs) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


class _Feedable(Protocol):
    def feed(self, data: bytes) -> object: ...
    def close(self) -> object: ...


def _verdict(make: Callable[[], _Feedable], data: bytes, cut: int) -> str:
    document = make()
    try:
        for piece in pieces(data, max(1, cut)):
            document.feed(piece)
        document.close()
    except ArchiveError as error:
        return type(error).__name__
    return "taken"


def _same(make: Callable[[], _Feedable], data: bytes) -> bool:
    """Whether the file is taken. Its verdict is the same at every cut."""
    verdict = _verdict(make, data, len(data))
    assert verdict == _verdict(make, data, _CUT)
    return verdict == "taken"


def check_documents(data: bytes) -> None:
    """VERSION, project.json and the index of LFS objects; overrides apply to each project that is taken."""
    _same(VersionFile, data)
    _same(lambda: LfsIndex("lfs-objects.json"), data)
    if _same(lambda: ProjectDocument("tree/project.json"), data):
        assert _same(
            lambda: ProjectDocument("tree/project.json"), project_attributes(data, {"description": "<new>"})
        )


def check_bundle(data: bytes) -> None:
    """The header and the pack of a bundle: the same verdict and references at every cut."""
    if _same(lambda: BundleVerifier("project.bundle"), data):
        assert _references(data, len(data)) is not None
    assert _references(data, max(1, len(data))) == _references(data, _CUT)


def _references(data: bytes, cut: int) -> References | None:
    reader = ReferenceReader("project.bundle")
    try:
        for piece in pieces(data, max(1, cut)):
            if (found := reader.feed(piece)) is not None:
                return found
    except (ArchiveError, TooManyReferences):
        pass
    return None
