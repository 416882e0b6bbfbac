"""Compares the bytes of one object with what the index says of them. Without I/O."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator

from shared.audit.findings import Finding, FindingKind
from shared.audit.indexed import IndexedObject, Stretch
from shared.gitlab.lines import BlankLines, Line, LineSplitter
from shared.segments.inflater import CorruptSegment, SegmentInflater
from shared.storage.checksums import BLOCK, checksum

_MOST = 20
"""Findings that are told of one object; the others are counted."""

_LONGEST_NULL = 4096
"""Bytes of a line that are looked at: one that is longer is a record, whatever is in it."""


class ObjectInspector:
    """Takes an object block by block, from byte ``start`` on, where a block begins.

    What began before that is not checked but for its blocks. It holds what is needed to inflate the stretches
    that have begun: two at a time, unless the index is wrong. ``digests`` takes a SHA-256 though none is
    known.
    """

    def __init__(self, known: IndexedObject, *, start: int = 0, digests: bool = False) -> None:
        self._known = known
        self._at = start
        self._open: list[_StretchInspector] = []
        self._waiting: deque[Stretch] = deque()
        self._findings: list[Finding] = []
        self._more = 0
        has_digest = known.sha256 is not None and known.kind != "blob"
        self._digest = hashlib.sha256() if not start and (has_digest or digests) else None

    @property
    def sha256(self) -> bytes | None:
        """The SHA-256 of all bytes of the object, where it was taken."""
        return self._digest.digest() if self._digest else None

    def take(self, block: bytes, crc32: bytes | None, stretches: Iterable[Stretch] = ()) -> None:
        """Take the next block, its checksum in the index, and the stretches that begin in it or later."""
        if crc32 is not None and checksum(block) != crc32:
            self._find(FindingKind.OBJECT_BLOCK, f"its block {self._at // BLOCK} has another CRC-32")
        if self._digest:
            self._digest.update(block)
        self._waiting.extend(stretches)
        end = self._at + len(block)
        while self._waiting and self._waiting[0].position < end:
            self._open.append(_StretchInspector(self._waiting.popleft()))
        for each in self._open:
            each.take(block, self._at)
        self._at = end
        self._close(each for each in self._open if each.end <= end)
        self._open = [each for each in self._open if each.end > end]

    def close(self) -> list[Finding]:
        """End the object, and give what was found: the first 20, and how many more there are."""
        known = self._known
        if self._at != known.size:
            self._find(FindingKind.OBJECT_SIZE, f"it has {self._at} bytes, not {known.size}")
        if self._digest and known.sha256 and known.kind != "blob" and self.sha256 != known.sha256:
            self._find(FindingKind.OBJECT_DIGEST, "it has another SHA-256")
        self._close(self._open)
        if self._more:
            reason = f"{self._more} more findings about it"
            self._findings.append(Finding(kind=self._findings[-1].kind, reason=reason, key=known.key))
        return self._findings

    def _close(self, ended: Iterable[_StretchInspector]) -> None:
        for each in ended:
            reason = each.close()
            if reason is not None:
                self._find(FindingKind.ENTRY, reason, each.stretch)

    def _find(self, kind: FindingKind, reason: str, stretch: Stretch | None = None) -> None:
        if len(self._findings) >= _MOST:
            self._more += 1
            return
        snapshot_id, name = (stretch.snapshot_id, stretch.name) if stretch else (None, "")
        self._findings.append(
            Finding(kind=kind, reason=reason, key=self._known.key, snapshot_id=snapshot_id, name=name)
        )


class _StretchInspector:
    """Inflates one stretch as the blocks of its object come."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.end = stretch.position + stretch.stored_size
        self._inflater = SegmentInflater(raw_length=stretch.raw_size, crc32=stretch.crc32)
        self._digest = hashlib.sha256() if stretch.sha256 is not None else None
        self._lines = RecordCounter() if stretch.lines is not None else None
        self._reason: str | None = None

    def take(self, block: bytes, at: int) -> None:
        """Take what is the stretch's of a block that begins at byte ``at`` of the object."""
        if self._reason is not None:
            return
        first, last = max(self.stretch.position - at, 0), min(self.end - at, len(block))
        try:
            for raw in self._inflater.feed(memoryview(block)[first:last]):
                self._look_at(raw)
        except CorruptSegment as error:
            self._reason = error.reason

    def _look_at(self, raw: bytes) -> None:
        if self._digest:
            self._digest.update(raw)
        if self._lines:
            self._lines.take(raw)

    def close(self) -> str | None:
        """End the stretch; give what is wrong, None where nothing is."""
        if self._reason is None:
            self._reason = next(self._differences(), None)
        return self._reason

    def _differences(self) -> Iterator[str]:
        try:
            self._inflater.close()
        except CorruptSegment as error:
            yield error.reason
        if self._digest and self._digest.digest() != self.stretch.sha256:
            yield "it has another SHA-256"
        if self._lines and self._lines.count != self.stretch.lines:
            yield f"it has {self._lines.count} records, not {self.stretch.lines}"


class RecordCounter:
    """Counts the records of a relation as it is stored: every line but blank ones and ``null``."""

    def __init__(self) -> None:
        self._splitter = LineSplitter(_LONGEST_NULL)
        self._count = 0

    def take(self, raw: bytes) -> None:
        """Take the next bytes."""
        self._count += sum(map(_is_record, self._splitter.feed(raw)))

    @property
    def count(self) -> int:
        """The records, with a last one that no newline ends. Ask once, at the end."""
        return self._count + sum(map(_is_record, self._splitter.close()))


def _is_record(line: Line) -> bool:
    return not isinstance(line, BlankLines) and (not isinstance(line, bytes) or line.strip() != b"null")
