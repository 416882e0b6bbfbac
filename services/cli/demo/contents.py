"""Reads the contents of archives and compares them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from shared.archive.events import (
    ArchiveEvent,
    EntryData,
    EntryEnded,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.archive.reader import ArchiveReader
from shared.restore.archive_events import NAME_RULES

_CHUNK = 256 * 1024
_DIGEST = 16
_RELATION = ("tree/project/", ".ndjson")

_NO_RECORD = frozenset({b"", hashlib.blake2b(b"null", digest_size=_DIGEST).digest()})

MADE_ANEW = frozenset({"lfs-objects.json"})
"""Files that the export may have although the import did not: GitLab always writes them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of an archive: a digest of each blob, and of each line of each relation, in order.

    ``sizes`` has the bytes of each file. A blank line has an empty digest. Neither it nor ``null``, which
    GitLab writes for a relation without a record, counts as a line.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)

    @property
    def line_count(self) -> int:
        """The number of lines of all relations."""
        return sum(1 for lines in self.lines.values() for line in lines if line not in _NO_RECORD)


class _Relation:
    """Hashes the lines of a relation; holds one line at most."""

    def __init__(self) -> None:
        self._open = BytesIO()
        self.lines: list[bytes] = []

    def feed(self, data: bytes) -> None:
        for piece in BytesIO(data):
            self._open.write(piece)
            if piece.endswith(b"\n"):
                self.close()

    def close(self) -> None:
        line = self._open.getvalue().removesuffix(b"\n")
        self.lines.append(hashlib.blake2b(line, digest_size=_DIGEST).digest() if line.strip() else b"")
        self._open = BytesIO()

    @property
    def unfinished(self) -> bool:
        return self._open.tell() > 0


class _Collector:
    """Collects the events of the reader into Contents."""

    def __init__(self) -> None:
        self.contents = Contents()
        self._name = ""
        self._relation: _Relation | None = None
        self._digest = hashlib.sha256()

    def take(self, event: ArchiveEvent) -> None:
        match event:
            case EntryStarted(kind=TarEntryKind.FILE):
                self._start(event)
            case EntryData(data) if self._name:
                self._receive(data)
            case EntryEnded() if self._name:
                self._end()
            case EntryWithdrawn(name):
                for found in (self.contents.sizes, self.contents.blobs, self.contents.lines):
                    found.pop(name, None)

    def _start(self, entry: EntryStarted) -> None:
        self._name = entry.name
        self.contents.sizes[entry.name] = entry.size
        self._relation = _Relation() if _is_relation(entry.name) else None
        self._digest = hashlib.sha256()

    def _receive(self, data: bytes) -> None:
        if self._relation:
            self._relation.feed(data)
        else:
            self._digest.update(data)

    def _end(self) -> None:
        if self._relation is None:
            self.contents.blobs[self._name] = self._digest.digest()
        else:
            if self._relation.unfinished:
                self._relation.close()
            self.contents.lines[self._name] = self._relation.lines
        self._name = ""


def _is_relation(name: str) -> bool:
    return name.startswith(_RELATION[0]) and name.endswith(_RELATION[1])


def read_contents(archive: Path) -> Contents:
    """Read ``archive`` as a stream. Raises ArchiveError."""
    reader, collector = ArchiveReader(rules=NAME_RULES), _Collector()
    with archive.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for event in reader.feed(chunk):
                collector.take(event)
        for event in reader.close():
            collector.take(event)
    return collector.contents


def differences(
    before: Contents, after: Contents, *, failed: Collection[tuple[str, int | None]], complete: bool = True
) -> Iterator[str]:
    """Yield the differences between two archives. Lines in ``failed`` (relation, number) must be missing.

    If ``failed`` is not ``complete``, any line may be missing, but no line may be new or in another place.
    """
    yield from _names(before, after, failed)
    for name, digest in before.blobs.items():
        if after.blobs.get(name, digest) != digest and name not in MADE_ANEW:
            yield f"{name} has other bytes"
    for name in before.lines.keys() & after.lines.keys():
        relation = name.removeprefix(_RELATION[0]).removesuffix(_RELATION[1])
        left_out = {number for of, number in failed if of == relation}
        kept = [line for number, line in enumerate(before.lines[name]) if line and number not in left_out]
        same = kept == after.lines[name] if complete else _is_part(after.lines[name], kept)
        if not same:
            yield f"{name} has other lines"


def _is_part(part: list[bytes], whole: list[bytes]) -> bool:
    """Return whether ``part`` is ``whole`` without some of its lines."""
    rest = iter(whole)
    return all(line in rest for line in part)


def _names(before: Contents, after: Contents, failed: Collection[tuple[str, int | None]]) -> Iterator[str]:
    whole_files = {relation for relation, number in failed if number is None}
    for name in sorted(before.sizes.keys() - after.sizes.keys()):
        if name.split("/")[0].replace("-", "_") not in whole_files:
            yield f"{name} is missing"
    for name in sorted(after.sizes.keys() - before.sizes.keys() - MADE_ANEW):
        yield f"{name} was not there before"
