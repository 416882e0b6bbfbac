"""Receives an entry for an open snapshot: checks it as an import does, and stores it.

A request needs the memory of one entry of an import: a segment of lines and one line, or one piece, and the
parts of the upload to object storage. Documents that have to be parsed as a whole, of up to 50 MiB, are held
by few requests of a process at a time; further requests wait before they read their bodies.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.admission import Holder
from shared.archive.budget import Budget, Work
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
from shared.snapshots import index
from shared.snapshots.models import PlacedEntry
from shared.storage.base import ObjectStore
from shared.usecases.documents import Documents

_PROLONGED = 4
"""How often a request prolongs its snapshot within the time after which the snapshot expires."""

_SHARE_OF_GIFT = 16
"""A push has many requests; together they would have as many gifts as they are."""

SHOWN_FAILURES = 100
"""The number of failures of one request that the response shows; further ones are only counted."""


class EntryUnusable(ArchiveError):
    """The entry is one that an import would skip; the message says why."""

    code = "entry_unusable"


class FirstFailures:
    """Stores the first 100 failed lines of a request, and counts all. A failed file is an error."""

    def __init__(self) -> None:
        self.first: list[Failure] = []
        self.log = LimitedFailures(self._keep)

    @property
    def count(self) -> int:
        """The number of failures."""
        return self.log.count

    async def _keep(self, failure: Failure) -> None:
        if failure.line_number is None:
            raise EntryUnusable(failure.message)
        if len(self.first) < SHOWN_FAILURES:
            self.first.append(failure)


@dataclass(frozen=True, slots=True)
class PushedBody:
    """The decoded bytes of an entry as they arrive; ``received`` gives how many were sent so far."""

    chunks: AsyncIterator[bytes]
    received: Callable[[], int]


@dataclass(frozen=True, slots=True)
class ReceivedEntry:
    """The stored entry, and the lines that were skipped."""

    placed: PlacedEntry
    failures: FirstFailures


class PushContent:
    """Receives entries. An open snapshot expires ``idle`` after the last request for it."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, limits: LimitsProvider, idle: timedelta, documents: Documents
    ) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits
        self._idle = idle
        self._documents = documents

    async def receive(self, push: Push, name: str, body: PushedBody, *, holder: Holder) -> ReceivedEntry:
        """Store an entry, which replaces the entry with the same name. It is complete when this returns.

        ``holder`` takes the place of a document. Raises ArchiveError, PushGone, PushCommitted, the errors of
        ``body`` and, for documents, those of ``Documents``. The earlier entry stays then.
        """
        async with self._documents.hold(holder) if is_document(name) else nullcontext():
            return await self._receive(push, name, body)

    async def _receive(self, push: Push, name: str, body: PushedBody) -> ReceivedEntry:
        limits, failures, yielder = await self._limits(), FirstFailures(), EventLoopYielder()
        budget = Budget(replace(limits.prices, gift=limits.prices.gift // _SHARE_OF_GIFT))
        verifier = verifier_of(name)
        async with write_part(self._pool, self._store, push) as part:
            intake = EntryIntake(
                part.writer, limits=limits, budget=budget, failures=failures.log, yielder=yielder
            )
            receiver = await intake.open(
                # The size of a compressed body is unknown. Here each file becomes an object of its own.
                name, int(time.time()), size=0, verifier=verifier, count=RelationProgress()
            )  # fmt: skip
            chunks = _limit_body(name, body, limits=limits, budget=budget)
            await self._fill(push, receiver, chunks, yielder=yielder)
            await part.writer.close()
            attributes = _attributes(verifier)
            placed = await index.find_entry(self._pool, part.writer.snapshot_id, name)
            await commit_part(
                self._pool, part, name=name, limits=limits, idle=self._idle, attributes=attributes
            )
        assert placed is not None  # noqa: S101  # what has no entry cannot be committed
        return ReceivedEntry(placed, failures)

    async def _fill(
        self, push: Push, receiver: EntryReceiver, body: AsyncIterator[bytes], *, yielder: EventLoopYielder
    ) -> None:
        """Pass the body to the receiver, and prolong the snapshot from time to time."""
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


async def _limit_body(name: str, body: PushedBody, *, limits: Limits, budget: Budget) -> AsyncIterator[bytes]:
    """Yield the body, up to the limit for a whole archive, and as far as the bytes sent pay for it.

    Raises ArchiveTooLarge and ArchiveCostsTooMuch.
    """
    size = 0
    async for chunk in body.chunks:
        size += len(chunk)
        if limits.decompressed and size > limits.decompressed:
            raise ArchiveTooLarge(name, limit=limits.decompressed)
        budget.earn(body.received() - budget.received)
        budget.spend(Work.BYTES, len(chunk))
        yield chunk


def _attributes(verifier: Verifier) -> dict[str, object] | None:
    """Return the attributes of the project, if the entry is the document that has them."""
    if not isinstance(verifier, ProjectDocument):
        return None
    found = verifier.attributes
    description = found.description and without_nul(found.description)
    return {"description": description, "visibility_level": found.visibility_level}
