"""A relation of an archive on its way into a snapshot, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.archive.limits import Limits
from shared.gitlab.lines import LineSplitter, OverlongLine
from shared.gitlab.record_check import Null, Record, Refused, Verdict, check
from shared.jobs.progress import RelationProgress
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, FailureLog
from shared.snapshots.sinks import LineSink

INLINE = 64 * 1024
"""Bytes of a line that may be parsed on the event loop."""

Wanted = Callable[[bytes], Awaitable[bool]]
"""Whether a record, which has been checked, is to be kept."""


class RelationReceiver:
    """Splits a relation into lines and keeps those that are records, and null.

    Where ``wanted`` is given, only the records that it takes.
    """

    def __init__(
        self,
        relation: str,
        sink: LineSink,
        *,
        limits: Limits,
        failures: FailureLog,
        count: RelationProgress,
        yielder: EventLoopYielder,
        wanted: Wanted | None = None,
    ) -> None:
        self._relation = relation
        self._sink = sink
        self._limits = limits
        self._failures = failures
        self._count = count
        self._yielder = yielder
        self._wanted = wanted
        self._splitter = LineSplitter(limits.line)
        self._line = 0

    async def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._count.bytes += len(data)
        for line in self._splitter.feed(data):
            await self._take(line)

    async def close(self) -> None:
        """Take the last line, and write the entry."""
        for line in self._splitter.close():
            await self._take(line)
        await self._sink.commit()

    async def _take(self, line: bytes | OverlongLine) -> None:
        verdict = await self._check(line)
        match verdict:
            case Record() if isinstance(line, bytes):
                if self._wanted is None or await self._wanted(line):
                    self._count.lines += 1
                    await self._sink.write(line)
            case Null() if isinstance(line, bytes) and self._wanted is None:
                await self._sink.write(line, record=False)
            case Refused():
                self._count.failed += 1
                await self._failures.add(self._failure(verdict))
        self._line += 1
        await self._yielder.yield_if_due()

    async def _check(self, line: bytes | OverlongLine) -> Verdict:
        if isinstance(line, OverlongLine):
            message = f"line of {line.length} bytes is over the limit of {self._limits.line} bytes"
            return Refused("Gitlab::ImportExport::Error", message)
        if len(line) <= INLINE:
            return check(line, relation=self._relation, depth=self._limits.depth)
        return await asyncio.to_thread(check, line, relation=self._relation, depth=self._limits.depth)

    def _failure(self, refused: Refused) -> Failure:
        return Failure(
            relation=self._relation,
            line_number=self._line,
            exception_class=refused.exception_class,
            message=refused.message,
            external_identifiers=refused.external_identifiers,
        )
