"""Use case of a request that brings one entry of an open snapshot: checked as an import checks it, and kept.

Memory is that of one entry of an import, for each request: a segment of lines and one line, or a piece, and
the parts of the store's upload that are on their way. The documents that are understood as a whole, of up to
50 MiB, are held by two requests of a process at once; others wait for their turn before they read.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from services.api.dependencies import Dependencies
from shared.archive.errors import ArchiveTooLarge
from shared.archive.limits import Limits
from shared.errors import ArchiveError
from shared.gitlab.layout import relation_of
from shared.gitlab.project_json import ProjectDocument
from shared.jobs.progress import RelationProgress
from shared.projects.content import without_nul
from shared.pushes import store
from shared.pushes.parts import Part, adopt, write_part
from shared.pushes.store import Push
from shared.restore.entries import closed, is_document, verifier_of
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import FAILURE_LIMIT, Failure, TooManyFailures
from shared.restore.relations import RelationReceiver
from shared.restore.verifiers import Verifier
from shared.settings.archive_limits import current_limits
from shared.snapshots.models import PlacedEntry
from shared.snapshots.sinks import BlobSink

_TOLD_OF_IT = 4
"""How often in the time after which it would go a snapshot is told that something is being sent for it."""

TOLD = 100
"""Failures of one request that are told; the rest are counted."""


class EntryUnusable(ArchiveError):
    """The entry is one that an import would leave out."""

    code = "entry_unusable"


@dataclass(slots=True)
class FirstFailures:
    """FailureLog: keeps the first 100 of a request, and counts them all."""

    count: int = 0
    first: list[Failure] = field(default_factory=list)

    async def add(self, failure: Failure) -> None:
        """Take a failure. Raises TooManyFailures."""
        self.count += 1
        if self.count > FAILURE_LIMIT:
            raise TooManyFailures(failure.relation, limit=FAILURE_LIMIT)
        if len(self.first) < TOLD:
            self.first.append(failure)


@dataclass(frozen=True, slots=True)
class Received:
    """The entry as it is kept, and the lines that were left out of it."""

    placed: PlacedEntry
    failures: FirstFailures


class _Receiver(Protocol):
    """Takes the bytes of one entry."""

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class _File:
    """Verifies a file on its way to its object."""

    def __init__(self, name: str, sink: BlobSink, verifier: Verifier, *, yielder: EventLoopYielder) -> None:
        self._name = name
        self._sink = sink
        self._verifier = verifier
        self._yielder = yielder

    async def write(self, data: bytes) -> None:
        self._verifier.feed(data)
        await self._sink.write(data)
        await self._yielder.yield_if_due()

    async def close(self) -> None:
        """Raise EntryUnusable where an import would go on without it."""
        failure = await closed(self._name, self._verifier)
        if failure:
            raise EntryUnusable(failure.message)
        await self._sink.close()


class Receiving:
    """Receives entries of one push."""

    def __init__(self, dependencies: Dependencies, push: Push) -> None:
        self._pool = dependencies.pool
        self._store = dependencies.store
        self._config = dependencies.config
        self._documents = dependencies.documents
        self._push = push

    async def receive(self, name: str, body: AsyncIterator[bytes]) -> Received:
        """Take an entry in; it is there, whole, when this returns, in the place of what had its name.

        Raises ArchiveError, PushGone and PushCommitted, what the body does, and for a document what its turn
        does: what was there stays then.
        """
        async with self._documents.turn() if is_document(name) else nullcontext():
            return await self._received(name, body)

    async def _received(self, name: str, body: AsyncIterator[bytes]) -> Received:
        limits = await current_limits(self._pool, self._config.limits, defaults=self._config.defaults)
        failures, verifier = FirstFailures(), verifier_of(name)
        async with write_part(self._pool, self._store, self._push, name) as part:
            receiver = await self._receiver(part, verifier, limits=limits, failures=failures)
            await self._fill(receiver, _counted(name, body, limits=limits))
            await part.writer.close()
            placed = await adopt(
                self._pool, part, limits=limits, idle=self._config.open_snapshot_retention,
                attributes=_attributes(verifier),
            )  # fmt: skip
        return Received(placed, failures)

    async def _receiver(
        self, part: Part, verifier: Verifier, *, limits: Limits, failures: FirstFailures
    ) -> _Receiver:
        now, relation, yielder = int(time.time()), relation_of(part.name), EventLoopYielder()
        if relation is None:
            # Its size is not known where it comes in an encoding; every file is an object here.
            sink = await part.writer.blob(part.name, now, size=0)
            return _File(part.name, sink, verifier, yielder=yielder)
        return RelationReceiver(
            relation,
            part.writer.relation(part.name, now),
            limits=limits,
            failures=failures,
            count=RelationProgress(),
            yielder=yielder,
        )

    async def _fill(self, receiver: _Receiver, body: AsyncIterator[bytes]) -> None:
        """Pass the body on, and tell the snapshot from time to time that it is not idle."""
        retention = self._config.open_snapshot_retention
        push = await store.prolong(self._pool, self._push, idle=retention)
        pause = retention.total_seconds() / _TOLD_OF_IT
        due = time.monotonic() + pause
        async for chunk in body:
            await receiver.write(chunk)
            if time.monotonic() >= due:
                await store.prolong(self._pool, push, idle=retention)
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
