"""Receives entries for an open snapshot, one or an archive of them: checks and stores them as an import does.

A request needs the memory of one entry of an import: a segment of lines and one line, or one piece, and the
parts of the upload to object storage; for an archive also those of its pack, and 100 bytes for each name.
Documents that have to be parsed as a whole, of up to 50 MiB, are held by few requests of a process at a time;
further requests wait before they read theirs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.admission import Holder
from shared.archive.budget import Budget, Work
from shared.archive.errors import ArchiveTooLarge
from shared.archive.events import ArchiveEvent, EntryEnded, EntryStarted
from shared.archive.limits import MIB, Limits
from shared.database.pool import Pool
from shared.errors import ArchiveError
from shared.gitlab.project_json import ProjectAttributes, ProjectDocument
from shared.jobs.progress import Progress, RelationProgress
from shared.projects.content import without_nul
from shared.pushes import store as pushes
from shared.pushes.parts import Moved, Part, commit_part, write_part
from shared.pushes.store import Push
from shared.restore.archive_events import archive_events
from shared.restore.entries import is_document, verifier_of
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, LimitedFailures, is_of_lines
from shared.restore.intake import EntryIntake
from shared.restore.restorer import Restorer
from shared.settings.archive_limits import LimitsProvider
from shared.snapshots import lookups
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
        self.log = LimitedFailures(self._keep, self._withdraw)

    @property
    def count(self) -> int:
        """The number of failures."""
        return self.log.count

    async def _keep(self, failure: Failure) -> None:
        if failure.line_number is None:
            raise EntryUnusable(failure.message)
        if len(self.first) < SHOWN_FAILURES:
            self.first.append(failure)

    async def _withdraw(self, relation: str) -> None:
        self.first = [each for each in self.first if not is_of_lines(each, relation)]


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


@dataclass(frozen=True, slots=True)
class ReceivedArchive:
    """The number of stored entries, their bytes, and the lines that were skipped."""

    entries: int
    raw_size: int
    failures: FirstFailures


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRules:
    """An open snapshot expires ``idle`` after the last request for it.

    The files of an archive of up to ``packed_up_to`` bytes share an object; an archive has at most
    ``most_entries`` names, with the directories that they imply.
    """

    idle: timedelta = timedelta(days=1)
    packed_up_to: int = 8 * MIB
    most_entries: int = 20_000


class PushContent:
    """Receives entries."""

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        *,
        limits: LimitsProvider,
        rules: PushRules,
        documents: Documents,
    ) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits
        self._rules = rules
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
        budget, verifier = _budget(limits), verifier_of(name)
        async with write_part(self._pool, self._store, push) as part:
            intake = EntryIntake(
                part.writer, limits=limits, budget=budget, failures=failures.log, yielder=yielder
            )
            receiver = await intake.open(
                # The size of a compressed body is unknown. Here each file becomes an object of its own.
                name, int(time.time()), size=0, verifier=verifier, count=RelationProgress()
            )  # fmt: skip
            postponement = await self._postpone(push)
            async for chunk in _limit_body(name, body, limits=limits, budget=budget):
                await receiver.write(chunk)
                await yielder.yield_if_due()
                await postponement.repeat_if_due()
            await receiver.close()
            await part.writer.close()
            placed = await lookups.find_entry(self._pool, part.writer.snapshot_id, name)
            attributes = verifier.attributes if isinstance(verifier, ProjectDocument) else None
            await self._commit(part, name, limits=limits, attributes=attributes)
        assert placed is not None  # noqa: S101  # what has no entry cannot be committed
        return ReceivedEntry(placed, failures)

    async def receive_archive(self, push: Push, body: PushedBody, *, holder: Holder) -> ReceivedArchive:
        """Store the entries of a ``.tar.gz``, all or none, which replace the entries with the same names.

        ``holder`` takes the place of a document, while one is read. Raises what ``receive`` raises, and
        ArchiveError for what is no archive or has too many entries. Earlier entries stay then.
        """
        limits, failures, progress = await self._limits(), FirstFailures(), Progress()
        budget, yielder = _budget(limits), EventLoopYielder()
        each = replace(limits, entries=min(limits.entries, self._rules.most_entries))
        async with write_part(self._pool, self._store, push, packed_up_to=self._rules.packed_up_to) as part:
            restorer = Restorer(
                part.writer, limits=each, budget=budget, failures=failures.log, progress=progress,
                yielder=yielder,
            )  # fmt: skip
            events = archive_events(
                _SentArchive(body), each, budget=budget, progress=progress, yielder=yielder
            )
            last = await self._restore(push, restorer, events, holder=holder)
            if not last:
                return ReceivedArchive(0, 0, failures)
            await part.writer.close()
            moved = await self._commit(part, last, limits=limits, attributes=restorer.project)
        return ReceivedArchive(moved.entries, moved.raw_size, failures)

    async def _restore(
        self, push: Push, restorer: Restorer, events: AsyncGenerator[ArchiveEvent, None], *, holder: Holder
    ) -> str:
        """Restore the entries, and return the name of the last one, or ""."""
        postponement, last = await self._postpone(push), ""
        async with aclosing(events), AsyncExitStack() as place:
            async for event in events:
                last = event.name if isinstance(event, EntryStarted) else last
                if isinstance(event, EntryStarted) and is_document(last):
                    await place.enter_async_context(self._documents.hold(holder))
                await restorer.handle(event)
                if isinstance(event, EntryEnded):
                    await place.aclose()
                await postponement.repeat_if_due()
        return last

    async def _postpone(self, push: Push) -> _Postponement:
        """Prolong the snapshot, which has to be open. Raises PushGone and PushCommitted."""
        idle = self._rules.idle
        return _Postponement(self._pool, await pushes.prolong(self._pool, push, idle=idle), idle)

    async def _commit(
        self, part: Part, name: str, *, limits: Limits, attributes: ProjectAttributes | None
    ) -> Moved:
        return await commit_part(
            self._pool,
            part,
            name=name,
            limits=limits,
            idle=self._rules.idle,
            attributes=None if attributes is None else _attributes(attributes),
        )


class _Postponement:
    """Prolongs a snapshot from time to time while a request writes into it."""

    def __init__(self, pool: Pool, push: Push, idle: timedelta) -> None:
        self._pool = pool
        self._push = push
        self._idle = idle
        self._due = self._next()

    def _next(self) -> float:
        return time.monotonic() + self._idle.total_seconds() / _PROLONGED

    async def repeat_if_due(self) -> None:
        """Prolong the snapshot where a quarter of its time has passed. Raises PushGone and PushCommitted."""
        if time.monotonic() >= self._due:
            await pushes.prolong(self._pool, self._push, idle=self._idle)
            self._due = self._next()


class _SentArchive:
    """The body of a request as an archive to read."""

    def __init__(self, body: PushedBody) -> None:
        self._body = body

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See Readable."""
        async for chunk in self._body.chunks:
            yield chunk


def _budget(limits: Limits) -> Budget:
    return Budget(replace(limits.prices, gift=limits.prices.gift // _SHARE_OF_GIFT))


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


def _attributes(found: ProjectAttributes) -> dict[str, object]:
    """Return the attributes as they are kept until the commit."""
    description = found.description and without_nul(found.description)
    return {"description": description, "visibility_level": found.visibility_level}
