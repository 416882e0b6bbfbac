"""Receives a relation of an archive, and writes it into a snapshot line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.archive.budget import Budget, Work
from shared.archive.limits import Limits
from shared.gitlab.lines import BlankLines, Line, LineSplitter, OverlongLine
from shared.gitlab.nesting import count_openings
from shared.gitlab.record_check import NullLine, Record, RefusedLine, Verdict, check_line
from shared.jobs.progress import RelationProgress
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, FailureLog
from shared.snapshots.sinks import LineSink

INLINE = 64 * 1024
"""Bytes of a line that may be parsed on the event loop; a longer one is parsed on a thread."""

AsyncRecordPredicate = Callable[[bytes], Awaitable[bool]]
"""Tells whether a checked record is to be kept."""


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
        predicate: AsyncRecordPredicate | None = None,
    ) -> None:
        self._relation = relation
        self._sink = sink
        self._limits = limits
        self._budget = budget
        self._failures = failures
        self._count = count
        self._yielder = yielder
        self._predicate = predicate
        self._splitter = LineSplitter(limits.line)
        self._line = 0

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises ArchiveCostsTooMuch before it looks at a line of them."""
        self._count.bytes += len(data)
        self._budget.spend_on_lines(data)
        self._budget.spend(Work.BRACKETS, count_openings(data))
        for line in self._splitter.feed(data):
            await self._take(line)

    async def close(self) -> None:
        """Take the last line, and write the entry."""
        for line in self._splitter.close():
            await self._take(line)
        await self._sink.commit()

    async def _take(self, line: Line) -> None:
        match line:
            case BlankLines(count):
                self._line += count
            case _:
                await self._take_line(line)
                self._line += 1
        await self._yielder.yield_if_due()

    async def _take_line(self, line: bytes | OverlongLine) -> None:
        verdict = await self._check(line)
        match verdict:
            case Record() if isinstance(line, bytes):
                if self._predicate is None or await self._predicate(line):
                    self._count.lines += 1
                    await self._sink.write(line)
            case NullLine() if isinstance(line, bytes) and self._predicate is None:
                await self._sink.write(line, record=False)
            case RefusedLine():
                self._count.failed += 1
                await self._failures.add(self._failure(verdict))

    async def _check(self, line: bytes | OverlongLine) -> Verdict:
        if isinstance(line, OverlongLine):
            message = f"line of {line.length} bytes is over the limit of {self._limits.line} bytes"
            return RefusedLine("Gitlab::ImportExport::Error", message)
        if len(line) <= INLINE:
            return check_line(line, relation=self._relation, depth=self._limits.depth)
        return await asyncio.to_thread(check_line, line, relation=self._relation, depth=self._limits.depth)

    def _failure(self, refused: RefusedLine) -> Failure:
        return Failure(
            relation=self._relation,
            line_number=self._line,
            exception_class=refused.exception_class,
            message=refused.message,
            external_identifiers=refused.external_identifiers,
        )
