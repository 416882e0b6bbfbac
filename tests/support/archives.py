"""Archives for tests: built block by block, and read with every rule checked."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from shared.archive.budget import Budget
from shared.archive.events import (
    ArchiveEnded,
    ArchiveEvent,
    EntryData,
    EntryDropped,
    EntryEnded,
    EntryLeftOut,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.archive.gzip_reader import STEP
from shared.archive.limits import Limits
from shared.archive.names import NameRules
from shared.archive.reader import ArchiveReader
from shared.errors import ArchiveError

CUTS = (1, 7, 512, 65536)

POSIX = b"ustar\x0000"
GNU = b"ustar  \0"
V7 = bytes(8)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, with all of its data."""

    name: str
    kind: TarEntryKind
    mtime: int
    data: bytes


def header(
    name: bytes = b"./file",
    *,
    kind: bytes = b"0",
    size: int | bytes = 0,
    mtime: int | bytes = 0,
    magic: bytes = POSIX,
    prefix: bytes = b"",
    link: bytes = b"",
) -> bytes:
    """One header with a good checksum; a number given as bytes stands as it is."""
    block = bytearray(512)
    for start, length, value in (
        (0, 100, name),
        (100, 8, b"0000644\0"),
        (108, 8, b"0001750\0"),
        (116, 8, b"0001750\0"),
        (124, 12, size if isinstance(size, bytes) else b"%011o\0" % size),
        (136, 12, mtime if isinstance(mtime, bytes) else b"%011o\0" % mtime),
        (156, 1, kind),
        (157, 100, link),
        (257, 8, magic),
        (345, 155, prefix),
    ):
        assert len(value) <= length
        block[start : start + len(value)] = value
    return summed(bytes(block))


def summed(block: bytes) -> bytes:
    """The block with the checksum that it ought to have."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def entry(name: bytes = b"./file", data: bytes = b"", **fields: bytes) -> bytes:
    return header(name, size=len(data), kind=fields.pop("kind", b"0"), **fields) + padded(data)


def pax_record(keyword: bytes, value: bytes) -> bytes:
    """``length keyword=value``, the length with its own digits in it."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    return entry(b"./PaxHeaders/file", b"".join(records), kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return entry(b"././@LongLink", name + b"\0", kind=kind, magic=GNU)


def file(name: str, data: bytes = b"") -> bytes:
    """The blocks of a file, or of a directory where the name ends with ``/``."""
    path = f"./{name}".encode()
    announced = long_name(path) if len(path) > 100 else b""
    if name.endswith("/"):
        return announced + header(path[:100], kind=b"5")
    return announced + entry(path[:100], data)


def packed(*parts: bytes, end: bytes = bytes(1024)) -> bytes:
    """A gzip file with these pieces of a tar and its end; stored, so that a cut cuts the tar too."""
    return gzip.compress(b"".join(parts) + end, compresslevel=0, mtime=0)


def pieces(data: bytes, cut: int) -> Iterator[bytes]:
    return (data[start : start + cut] for start in range(0, len(data), cut))


def events(
    archive: bytes,
    *,
    cut: int = 65536,
    limits: Limits | None = None,
    budget: Budget | None = None,
    rules: NameRules | None = None,
) -> Iterator[ArchiveEvent]:
    """Everything a reader tells of the archive, fed ``cut`` bytes at a time."""
    reader = ArchiveReader(limits or Limits(), budget, rules=rules)
    for piece in pieces(archive, cut):
        yield from reader.feed(piece)
    yield from reader.close()


def read(
    archive: bytes, *, cut: int = 65536, limits: Limits | None = None, rules: NameRules | None = None
) -> list[Entry]:
    """The entries of an archive. Asserts that the events come in their order."""
    return collected(events(archive, cut=cut, limits=limits, rules=rules))


def collected(stream: Iterable[ArchiveEvent]) -> list[Entry]:
    """Entries out of events. Asserts all that events promise, up to where the stream ends or raises."""
    entries: list[Entry] = []
    started: EntryStarted | None = None
    ended: ArchiveEnded | None = None
    data = bytearray()
    for event in stream:
        assert ended is None
        match event:
            case EntryStarted():
                assert started is None
                assert_normalised(event.name)
                assert 0 <= event.mtime < 8**11
                started, data = event, bytearray()
            case EntryData():
                assert started is not None
                assert 1 <= len(event.data) <= STEP
                data += event.data
            case EntryEnded():
                assert started is not None
                assert len(data) == started.size
                entries.append(Entry(started.name, started.kind, started.mtime, bytes(data)))
                started = None
            case EntryWithdrawn():
                assert started is None
                entries = [found for found in entries if found.name != event.name]
            case EntryDropped() | EntryLeftOut():
                assert started is None
            case ArchiveEnded():
                assert started is None
                ended = event
    assert ended is not None
    assert ended.entries >= len(entries)
    return entries


def assert_normalised(name: str) -> None:
    assert not {"", ".", ".."} & set(name.split("/")), name
    assert name.isprintable() or not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in name)


def told(*parts: bytes, cut: int) -> list[tuple[str, bytes]]:
    return [(found.name, found.data) for found in read(packed(*parts), cut=cut)]


def assert_refused(error: type[ArchiveError], *parts: bytes, cut: int, named: str = "the-entry") -> None:
    with pytest.raises(error, match=re.escape(named)) as caught:
        read(packed(*parts), cut=cut)
    assert type(caught.value) is error
