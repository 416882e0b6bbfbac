"""Reads finished archives whose SHA-256 nobody has taken, so that it is known before somebody asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import timedelta

import structlog

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Progress
from shared.jobs.worker import Work
from shared.logs import describe
from shared.snapshots.reading import keep_for_reading

_CLAIM = timedelta(hours=1)
"""How long an archive is left to one process; after a crash or an error it is read anew after that."""

_LOOK_EVERY = timedelta(seconds=30)
"""How long a process without news waits before it looks for archives of others."""

_log = structlog.get_logger()


class ArchiveSeal:
    """Reads one archive at a time, and only while none of the watched work is under way.

    Memory: a piece of the archive. The reader records the digest.
    """

    def __init__(self, pool: Pool, reader: ArchiveReader) -> None:
        self._pool = pool
        self._reader = reader
        self._at_work = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()

    def watch(self, work: Work) -> Work:
        """Make work that goes before the reading of archives; after each job there may be one to read."""
        return _WatchedWork(work, self)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Read nothing within the block, but for a piece that is on its way."""
        self._at_work += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()
            self._news.set()

    def stop(self) -> None:
        """Let ``run`` return at once; an archive that is being read is read anew later."""
        self._stopping.set()

    async def run(self) -> None:
        """Read archives until ``stop``."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read_all())
            await self._stopping.wait()
            reading.cancel()

    async def _read_all(self) -> None:
        while True:
            self._news.clear()
            if not await self._attempt():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY.total_seconds()):
                        await self._news.wait()

    async def _attempt(self) -> bool:
        try:
            return await self.read_next()
        except (CrossdockError, *DATABASE_ERRORS) as error:
            _log.warning("archive_not_read", error=describe(error))
            return False

    async def read_next(self) -> bool:
        """Read the archive that has waited longest, and give whether there was one. Raises StorageError."""
        await self._idle.wait()
        archive = await archives.claim_unread(self._pool, lasting=_CLAIM)
        if archive is None:
            return False
        pieces = self._reader.read(archive, 0, archive.size)
        async with keep_for_reading(self._pool, archive.snapshot_id), aclosing(pieces):
            async for _ in pieces:
                await self._idle.wait()
        return True


class _WatchedWork:
    def __init__(self, work: Work, seal: ArchiveSeal) -> None:
        self._work = work
        self._seal = seal

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """See Work."""
        with self._seal.paused():
            await self._work.run(job, lease, progress)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """See Work."""
        return await self._work.explain(job, error)
