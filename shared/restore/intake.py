"""The one intake of an entry: its bytes are checked on their way to where its content is kept.

Archives, pushes and ``verify`` take their entries in here, so that the same rules hold for all of them.
"""

from __future__ import annotations

from typing import Protocol

from shared.archive.limits import Limits
from shared.gitlab.layout import relation_of
from shared.jobs.progress import RelationProgress
from shared.restore.entries import closed
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import FailureLog
from shared.restore.relations import RelationReceiver
from shared.restore.verifiers import Verifier
from shared.snapshots.sinks import BlobSink, LineSink


class EntryWriter(Protocol):
    """Where entries go."""

    def relation(self, name: str, mtime: int) -> LineSink:
        """Take a relation."""

    async def blob(self, name: str, mtime: int, *, size: int) -> BlobSink:
        """Take a blob of ``size`` bytes."""


class EntryReceiver(Protocol):
    """Takes the bytes of one entry."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises ArchiveError."""

    async def close(self) -> None:
        """End the entry: it is kept, or left out and its failure added. Raises ArchiveError."""


class _FileReceiver:
    """EntryReceiver of a file, which is verified on its way to its blob."""

    def __init__(self, name: str, sink: BlobSink, verifier: Verifier, *, failures: FailureLog) -> None:
        self._name = name
        self._sink = sink
        self._verifier = verifier
        self._failures = failures

    async def write(self, data: bytes) -> None:
        self._verifier.feed(data)
        await self._sink.write(data)

    async def close(self) -> None:
        failure = await closed(self._name, self._verifier)
        if failure:
            await self._sink.abort()
            await self._failures.add(failure)
        else:
            await self._sink.commit()


class EntryIntake:
    """Opens entries, one at a time. Memory is that of one: a segment of lines and one line, or a piece."""

    def __init__(
        self, writer: EntryWriter, *, limits: Limits, failures: FailureLog, yielder: EventLoopYielder
    ) -> None:
        self._writer = writer
        self._limits = limits
        self._failures = failures
        self._yielder = yielder

    async def open(  # what is known of an entry before its bytes
        self, name: str, mtime: int, *, size: int, verifier: Verifier, count: RelationProgress
    ) -> EntryReceiver:
        """Open an entry; the lines of a relation are added to ``count``, ``verifier`` checks a file."""
        relation = relation_of(name)
        if relation is None:
            sink = await self._writer.blob(name, mtime, size=size)
            return _FileReceiver(name, sink, verifier, failures=self._failures)
        return RelationReceiver(
            relation,
            self._writer.relation(name, mtime),
            limits=self._limits,
            failures=self._failures,
            count=count,
            yielder=self._yielder,
        )
