"""What one request brings for an open snapshot: an entry, checked as an import checks it, and kept.

Memory is that of one entry of an import, for each request: a segment of lines and one line, or a piece, and
the parts of the store's upload that are on their way. The documents that are understood as a whole, of up to
50 MiB, are held by two requests of a process at once; others wait for their turn before they read.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

from shared.admission import TurnQueue
from shared.archive.errors import ArchiveTooLarge
from shared.archive.limits import Limits
from shared.database.pool import Pool
from shared.errors import ArchiveError
from shared.gitlab.project_json import ProjectDocument
from shared.jobs.progress import RelationProgress
from shared.projects.content import without_nul
from shared.pushes import store as pushes
from shared.pushes.parts import commit_part, write_part
from shared.pushes.store import Push
from shared.restore.entries import is_document, verifier_of
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, LimitedFailures
from shared.restore.intake import EntryIntake, EntryReceiver
from shared.restore.verifiers import Verifier
from shared.settings.archive_limits import LimitsProvider
from shared.snapshots.models import PlacedEntry
from shared.storage.base import ObjectStore

_PROLONGED = 4
"""How often a snapshot is prolonged while something is sent for it, in the time after which it expires."""

SHOWN_FAILURES = 100
"""Failures of one request that are shown; the rest are counted."""


class EntryUnusable(ArchiveError):
    """The entry is one that an import would skip; the message says why."""

    code = "entry_unusable"


class FirstFailures:
    """Keeps the first 100 failures of a request, and counts them all. A file that fails is refused."""

    def __init__(self) -> None:
        self.first: list[Failure] = []
        self.log = LimitedFailures(self._keep)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.log.count

    async def _keep(self, failure: Failure) -> None:
        if failure.line_number is None:
            raise EntryUnusable(failure.message)
        if len(self.first) < SHOWN_FAILURES:
            self.first.append(failure)


@dataclass(frozen=True, slots=True)
class Received:
    """The entry as it is kept, and the lines that were left out of it."""

    placed: PlacedEntry
    failures: FirstFailures


class PushContent:
    """Receives entries. An open snapshot expires after ``idle``, unless something is sent for it."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, limits: LimitsProvider, idle: timedelta, documents: TurnQueue
    ) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits
        self._idle = idle
        self._documents = documents

    async def receive(self, push: Push, name: str, body: AsyncIterator[bytes]) -> Received:
        """Take an entry in; it is there, whole, when this returns, in the place of what had its name.

        Raises ArchiveError, PushGone and PushCommitted, what the body does, and for a document what its turn
        does: what was there stays then.
        """
        async with self._documents.turn() if is_document(name) else nullcontext():
            return await self._receive(push, name, body)

    async def _receive(self, push: Push, name: str, body: AsyncIterator[bytes]) -> Received:
        limits, failures, yielder = await self._limits(), FirstFailures(), EventLoopYielder()
        verifier = verifier_of(name)
        async with write_part(self._pool, self._store, push, name) as part:
            intake = EntryIntake(part.writer, limits=limits, failures=failures.log, yielder=yielder)
            receiver = await intake.open(
                # Its size is not known where it comes in an encoding; every file is an object here.
                name, int(time.time()), size=0, verifier=verifier, count=RelationProgress()
            )  # fmt: skip
            await self._fill(push, receiver, _counted(name, body, limits=limits), yielder=yielder)
            await part.writer.close()
            attributes = _attributes(verifier)
            placed = await commit_part(
                self._pool, part, limits=limits, idle=self._idle, attributes=attributes
            )
        return Received(placed, failures)

    async def _fill(
        self, push: Push, receiver: EntryReceiver, body: AsyncIterator[bytes], *, yielder: EventLoopYielder
    ) -> None:
        """Pass the body on, and prolong the snapshot from time to time."""
        push = await pushes.prolong(self._pool, push, idle=self._idle)
        pause = self._idle.total_seconds() / _PROLONGED
        due = time.monotonic() + pause
        async for chunk in body:
            await receiver.write(chunk)
            await yielder.yield_if_due()
            if time.monotonic() >= due:
                await pushes.prolong(self._pool, push, idle=self._idle)
                due = time.monotonic() + pause
        await receiver.close()


async def _counted(name: str, body: AsyncIterator[bytes], *, limits: Limits) -> AsyncIterator[bytes]:
    """Pass the body on up to the limit of all that is in a snapshot."""
    received = 0
    async for chunk in body:
        received += len(chunk)
        if limits.decompressed and received > limits.decompressed:
            raise ArchiveTooLarge(name, limit=limits.decompressed)
        yield chunk


def _attributes(verifier: Verifier) -> dict[str, object] | None:
    """Give what the project's own document says of the project."""
    if not isinstance(verifier, ProjectDocument):
        return None
    found = verifier.attributes
    description = found.description and without_nul(found.description)
    return {"description": description, "visibility_level": found.visibility_level}
