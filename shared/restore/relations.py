"""Receives a relation of an archive, and writes it into a snapshot line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from shared.archive.budget import Budget, Work
from shared.archive.limits import Limits
from shared.gitlab.lines import BlankLines, Line, LineSplitter, OverlongLine
from shared.gitlab.nesting import WINDOW, count_marks
from shared.gitlab.record_check import NullLine, Record, RefusedLine, Verdict, check_line
from shared.jobs.progress import RelationProgress
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, FailureLog
from shared.shielding import INLINE, on_thread
from shared.snapshots.quarantine import LONGEST_LINE, QuarantinedLine
from shared.snapshots.sinks import LineSink

_AT_ONCE = 1000
"""Lines that one step looks at, at most: each may be a failure, which needs some 500 bytes of memory."""

RecordPredicate = Callable[[bytes], bool]
"""Tells whether a checked record is to be kept."""


class RecordInspector(Protocol):
    """Looks into checked records, perhaps on a thread."""

    @property
    def mark(self) -> bytes:
        """What a record of interest has in its bytes."""

    def note_designs(self) -> None:
        """Take note that a record has designs."""

    def take(self, record: bytes, number: int) -> None:
        """Look into a record, that of the line with this number."""


@dataclass(slots=True)
class _Looked:
    """What came of some lines: runs of records and of nulls in their order, failures, or their end."""

    runs: list[tuple[bool, list[bytes]]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    refused: list[QuarantinedLine] = field(default_factory=list)
    ended: bool = False

    def keep(self, line: bytes, *, is_record: bool) -> None:
        if not self.runs or self.runs[-1][0] is not is_record:
            self.runs.append((is_record, []))
        self.runs[-1][1].append(line)


class RelationReceiver:
    """Splits a relation into lines, and keeps the records and null; with ``predicate``, only its records."""

    def __init__(
        self,
        relation: str,
        sink: LineSink,
        *,
        limits: Limits,
        budget: Budget,
        failures: FailureLog,
        count: RelationProgress,
        yielder: EventLoopYielder,
        predicate: RecordPredicate | None = None,
    ) -> None:
        self._relation = relation
        self._sink = sink
        self._limits = limits
        self._budget = budget
        self._failures = failures
        self._count = count
        self._yielder = yielder
        self._predicate = predicate
        self._inspector: RecordInspector | None = None
        self._has_marks = False
        self._splitter = LineSplitter(limits.line)
        self._line = 0
        self._begun = 0
        self._short = 0
        self._is_continued = False

    def inspect_by(self, inspector: RecordInspector | None) -> None:
        """Let an inspector look into each record that is kept, from now on."""
        self._inspector = inspector

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises ArchiveCostsTooMuch before it looks at a line of them."""
        self._count.bytes += len(data)
        marks = count_marks(data)
        self._budget.spend(Work.PARSED, len(data))
        self._budget.spend(Work.LINES, marks.lines)
        self._budget.spend(Work.BRACKETS, marks.openings)
        # A short line that lies in this piece as a whole has no more brackets than the densest stretch.
        self._short = WINDOW if marks.densest <= self._limits.depth else 0
        self._is_continued = self._splitter.waiting > 0
        self._begun += len(data)
        # Looked for in all of the piece at once: most lines have none.
        self._has_marks = self._inspector is not None and self._inspector.mark in data
        await self._take(self._splitter.feed(data))

    async def close(self) -> None:
        """Take the last line, and write the entry."""
        await self._take(self._splitter.close())
        await self._sink.commit()

    async def abort(self) -> None:
        """Leave the relation out: what is not committed has no entry."""

    async def _take(self, lines: Iterator[Line]) -> None:
        looked = _Looked()
        while not looked.ended:
            if self._begun <= INLINE:
                looked = self._look_at(lines)
            else:
                looked = await on_thread(self._look_at, lines)
            await self._keep(looked)
            await self._yielder.yield_if_due()
        self._begun = self._splitter.waiting

    async def _keep(self, looked: _Looked) -> None:
        for are_records, lines in looked.runs:
            self._count.lines += len(lines) if are_records else 0
            await self._sink.write(lines, records=are_records)
        self._budget.spend(Work.LINES, len(looked.failures))  # each is two rows
        self._count.failed += len(looked.failures)
        for failure in looked.failures:
            await self._failures.add(failure)
        if looked.refused:
            await self._sink.refuse(looked.refused)

    def _look_at(self, lines: Iterator[Line]) -> _Looked:
        """Check the next lines."""
        looked = _Looked()
        for _ in range(_AT_ONCE):
            line = next(lines, None)
            if line is None:
                looked.ended = True
                break
            self._check(line, looked)
        return looked

    def _check(self, line: Line, looked: _Looked) -> None:
        is_continued, self._is_continued = self._is_continued, False
        if isinstance(line, BlankLines):
            self._line += line.count
            return
        verdict = self._judge(line, is_whole=not is_continued)
        match verdict:
            case Record() if isinstance(line, bytes):
                if self._predicate is None or self._predicate(line):
                    looked.keep(line, is_record=True)
                    if self._has_marks or is_continued or verdict.has_designs:
                        self._inspect(line, verdict)
            case NullLine() if isinstance(line, bytes) and self._predicate is None:
                looked.keep(line, is_record=False)
            case RefusedLine():
                looked.failures.append(self._failure(verdict))
                looked.refused.append(self._quarantined(line, verdict))
        self._line += 1

    def _inspect(self, line: bytes, record: Record) -> None:
        if self._inspector is None:
            return
        if record.has_designs:
            self._inspector.note_designs()
        self._inspector.take(line, self._line)

    def _judge(self, line: bytes | OverlongLine, *, is_whole: bool) -> Verdict:
        if isinstance(line, OverlongLine):
            message = f"line of {line.length} bytes is over the limit of {self._limits.line} bytes"
            return RefusedLine("Gitlab::ImportExport::Error", message)
        shallow = is_whole and len(line) <= self._short
        return check_line(line, relation=self._relation, depth=self._limits.depth, shallow=shallow)

    def _failure(self, refused: RefusedLine) -> Failure:
        return Failure(
            relation=self._relation,
            line_number=self._line,
            exception_class=refused.exception_class,
            message=refused.message,
            external_identifiers=refused.external_identifiers,
        )

    def _quarantined(self, line: bytes | OverlongLine, refused: RefusedLine) -> QuarantinedLine:
        data = None if isinstance(line, OverlongLine) else line.removesuffix(b"\n")
        size = line.length if isinstance(line, OverlongLine) else len(data or b"")
        return QuarantinedLine(
            relation=self._relation,
            line=self._line,
            code=refused.code,
            reason=refused.message,
            size=size,
            # A long line is let go here: a thousand of them may be refused before any is written.
            data=data if size <= LONGEST_LINE else None,
        )
