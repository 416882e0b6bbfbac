"""Imports of what the request does not contain: from elsewhere, and of objects in our storage."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.models import User
from shared.database.pool import Connection, Pool
from shared.database.transactions import transaction
from shared.usecases.archive_sources import ArchiveFinder, ArchiveSource, import_source
from shared.usecases.imports import ArchiveClaim, Destination, ImportRequest, Imports, ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedImport:
    """A checked import: its destination, and the function that claims its archive."""

    request: ImportRequest
    to: Destination
    claim: ArchiveClaim


class RemoteImports:
    """Schedules imports of remote archives and repositories, and of archives in our storage."""

    def __init__(self, pool: Pool, queue: JobQueue, *, imports: Imports, sources: ArchiveFinder) -> None:
        self._pool = pool
        self._queue = queue
        self._imports = imports
        self._sources = sources

    async def prepare(
        self, actor: User | None, request: ImportRequest, source: ArchiveSource
    ) -> PreparedImport:
        """Check an import in GitLab's order: the user, the request, the archive, then the destination.

        Raises what ``Imports.admit``, ``check_early``, ``ArchiveFinder.find`` and ``find_destination`` raise.
        """
        admission = await self._imports.admit(actor, source=import_source(source))
        assert actor is not None  # noqa: S101  # ``admit`` raises Unauthenticated
        await self._imports.check_early(actor, request)
        claim = await self._sources.find(source, admission.settings)
        return PreparedImport(
            request=request, to=await self._imports.find_destination(actor, request), claim=claim
        )

    async def insert(
        self, db: Connection, actor: User, ready: PreparedImport, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Insert the project and its job in the caller's transaction. The caller announces the job.

        Raises ArchiveTaken and ImportNotSaved.
        """
        archive = await ready.claim(db)
        return await self._imports.insert(
            db, actor, ready.request, to=ready.to, archive=archive, origin=origin
        )

    async def schedule(
        self, actor: User, request: ImportRequest, source: ArchiveSource, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Prepare an import, insert it and announce its job. Raises what ``prepare`` and ``insert`` raise."""
        ready = await self.prepare(actor, request, source)
        async with transaction(self._pool) as db:
            scheduled = await self.insert(db, actor, ready, origin=origin)
        self._queue.announce(scheduled.job)
        return scheduled
