"""The intake of entries: it checks the bytes of an entry on their way into storage.

Archives, pushes and ``verify`` all use it, so that the same rules hold for them.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from shared.archive.budget import Budget, Work
from shared.archive.limits import Limits
from shared.gitlab.layout import lfs_oid_of, relation_of
from shared.gitlab.lfs import digest_of
from shared.jobs.progress import RelationProgress
from shared.restore.entries import close_verifier, lfs_failure
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import FailureLog
from shared.restore.relations import RecordInspector, RelationReceiver
from shared.restore.verifiers import Verifier
from shared.shielding import work_through
from shared.snapshots.sinks import BlobSink, LineSink

KEEPING = 2
"""The entries as which an entry that is kept counts beside its header: it is hashed, encoded and written.

One that is taken back, or becomes a failure, costs as much.
"""

RELATION = 4
"""The entries as which a relation counts besides: it has an encoder of its own, lines, and a segment."""


class EntryWriter(Protocol):
    """Writes entries."""

    def relation(self, name: str, mtime: int) -> LineSink:
        """Give the sink of a relation."""

    async def blob(self, name: str, mtime: int, *, size: int, sha256: bytes | None = None) -> BlobSink:
        """Give the sink of a blob of ``size`` bytes, and of that digest where it is known beforehand."""


class EntryReceiver(Protocol):
    """Takes the bytes of one entry."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises ArchiveError."""

    async def close(self) -> None:
        """End the entry: it is stored, or left out and a failure recorded. Raises ArchiveError."""

    async def abort(self) -> None:
        """Leave the entry out."""


class _FileReceiver:
    """EntryReceiver of a file, which is verified while it is written, and hashed once for all who ask."""

    def __init__(  # what a file is checked by
        self, sink: BlobSink, verifier: Verifier, *, oid: str | None, failures: FailureLog, budget: Budget
    ) -> None:
        self._sink = sink
        self._verifier = verifier
        self._oid = oid
        self._digest = hashlib.sha256()
        self._failures = failures
        self._budget = budget

    async def write(self, data: bytes) -> None:
        if self._verifier.parses:
            self._budget.spend_on_lines(data)
        before = self._verifier.work
        stored = await work_through(data, self._take)
        self._budget.spend(Work.LINES, self._verifier.work - before)
        await self._sink.place(stored)

    def _take(self, data: bytes) -> bytes:
        self._verifier.feed(data)
        self._digest.update(data)
        return self._sink.encode(data)

    async def close(self) -> None:
        sha256 = self._digest.digest()
        failure = await close_verifier(self._verifier)
        if self._oid is not None:
            failure = lfs_failure(self._oid, sha256)
        if failure:
            await self._sink.abort()
            await self._failures.add(failure)
        else:
            await self._sink.commit(sha256)

    async def abort(self) -> None:
        await self._sink.abort()


class EntryIntake:
    """Opens entries, one at a time.

    Memory: one segment and one line of a relation, or one piece of a file. What is parsed, ``budget`` pays.
    """

    def __init__(
        self,
        writer: EntryWriter,
        *,
        limits: Limits,
        budget: Budget,
        failures: FailureLog,
        yielder: EventLoopYielder,
    ) -> None:
        self._writer = writer
        self._limits = limits
        self._budget = budget
        self._failures = failures
        self._yielder = yielder

    async def open(  # what is known of an entry before its bytes
        self,
        name: str,
        mtime: int,
        *,
        size: int,
        verifier: Verifier,
        count: RelationProgress,
        inspector: RecordInspector | None = None,
    ) -> EntryReceiver:
        """Open an entry. ``verifier`` checks a file; the lines of a relation are counted in ``count``.

        ``inspector`` looks into its records.

        Raises ArchiveCostsTooMuch.
        """
        self._budget.spend(Work.ENTRIES, KEEPING)
        relation = relation_of(name)
        if relation is None:
            oid = lfs_oid_of(name)
            sink = await self._writer.blob(name, mtime, size=size, sha256=digest_of(oid))
            return _FileReceiver(sink, verifier, oid=oid, failures=self._failures, budget=self._budget)
        self._budget.spend(Work.ENTRIES, RELATION)
        receiver = RelationReceiver(
            relation,
            self._writer.relation(name, mtime),
            limits=self._limits,
            budget=self._budget,
            failures=self._failures,
            count=count,
            yielder=self._yielder,
        )
        receiver.inspect_by(inspector)
        return receiver
