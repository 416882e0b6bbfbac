"""Imports of archives that are not uploaded: they lie elsewhere, or in our store already."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.models import User
from shared.database.pool import Connection, Pool
from shared.usecases.archive_sources import ArchiveFinder, ArchiveSource
from shared.usecases.imports import Destination, FindArchive, ImportRequest, Imports, Scheduled
from shared.usecases.job_queue import JobQueue
from shared.usecases.origin import JobOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An import that was checked: where it goes, and what takes its archive over."""

    asked: ImportRequest
    to: Destination
    take: FindArchive


class RemoteImports:
    """Imports whose archive is fetched, or found, by us."""

    def __init__(self, pool: Pool, queue: JobQueue, *, imports: Imports, sources: ArchiveFinder) -> None:
        self._pool = pool
        self._queue = queue
        self._imports = imports
        self._sources = sources

    async def prepare(self, actor: User | None, asked: ImportRequest, source: ArchiveSource) -> Prepared:
        """Check an import in GitLab's order: the user, the request, the archive, then the destination.

        Raises what ``Imports.admit``, ``look_ahead``, ``ArchiveFinder.find`` and ``Imports.place`` raise.
        """
        admission = await self._imports.admit(actor)
        assert actor is not None  # noqa: S101  # ``admit`` raises for strangers
        await self._imports.look_ahead(actor, asked)
        take = await self._sources.find(source, admission.settings)
        return Prepared(asked=asked, to=await self._imports.place(actor, asked), take=take)

    async def insert(self, db: Connection, actor: User, ready: Prepared, *, origin: JobOrigin) -> Scheduled:
        """Insert the project and its job, in the caller's transaction; announcing is left to the caller.

        Raises ArchiveTaken and ImportNotSaved.
        """
        archive = await ready.take(db)
        return await self._imports.insert(db, actor, ready.asked, to=ready.to, archive=archive, origin=origin)

    async def schedule(
        self, actor: User, asked: ImportRequest, source: ArchiveSource, *, origin: JobOrigin
    ) -> Scheduled:
        """Prepare an import, insert it and wake a worker. Raises what these raise."""
        ready = await self.prepare(actor, asked, source)
        async with self._pool.acquire() as db, db.transaction():
            scheduled = await self.insert(db, actor, ready, origin=origin)
        await self._queue.announce(scheduled.job)
        return scheduled
