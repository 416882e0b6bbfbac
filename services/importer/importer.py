"""The import of an archive: one pass from the uploaded object to the project's new snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.importer.failures import Failures
from services.importer.restorer import Restorer
from services.importer.verifiers import ProjectAttributes
from shared.archive.errors import ArchiveTooLarge
from shared.archive.events import Event
from shared.archive.limits import Limits
from shared.archive.reader import ArchiveReader
from shared.database.pool import Pool
from shared.errors import CrossdockError, Fault
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, Lease
from shared.jobs.progress import Progress
from shared.projects import content
from shared.snapshots import index, objects
from shared.snapshots.writer import SnapshotWriter, write_snapshot
from shared.storage.base import ObjectStore

_BREATH = 64
"""Events after which other tasks get their turn, even where nothing had to be waited for."""


class MissingArchive(CrossdockError):
    """The uploaded archive is not there any more (GitLab's text)."""

    code = "archive_missing"
    fault = Fault.CLIENT

    def __init__(self, project_id: int, user_id: int | None) -> None:
        super().__init__(f"Missing import file for Project ID {project_id} and user ID {user_id}.")


class Importer:
    """Imports archives; one at a time or several, each in flat memory."""

    def __init__(self, pool: Pool, store: ObjectStore, *, limits: Limits, packed_up_to: int) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits
        self._packed_up_to = packed_up_to

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job and mark it finished; raises what stopped it. May be repeated."""
        upload = await self._upload(job)
        progress.bytes_total = upload.size
        failures = Failures(self._pool, lease)
        async with write_snapshot(
            self._pool, self._store, lease, project_id=job.project_id, packed_up_to=self._packed_up_to
        ) as writer:
            restorer = Restorer(writer, limits=self._limits, failures=failures, progress=progress)
            await self._restore(upload.key, restorer, progress)
            attributes = restorer.attributes()
            await writer.close()
            await failures.flush()
            await self._finish(job, lease, writer, attributes, progress)

    async def _upload(self, job: Job) -> objects.Upload:
        upload = job.object_id and await objects.find_upload(self._pool, job.object_id)
        if not upload:
            raise MissingArchive(job.project_id, job.user_id)
        return upload

    async def _restore(self, key: str, restorer: Restorer, progress: Progress) -> None:
        async with aclosing(self._events(key, progress)) as events:
            count = 0
            async for event in events:
                await restorer.handle(event)
                count += 1
                if count % _BREATH == 0:
                    await asyncio.sleep(0)

    async def _events(self, key: str, progress: Progress) -> AsyncGenerator[Event, None]:
        reader = ArchiveReader(self._limits)
        async with aclosing(self._store.read(key)) as chunks:
            async for chunk in chunks:
                for event in reader.feed(chunk):
                    yield event
                progress.bytes_done += len(chunk)
        for event in reader.close():
            yield event

    async def _finish(
        self,
        job: Job,
        lease: Lease,
        writer: SnapshotWriter,
        attributes: ProjectAttributes,
        progress: Progress,
    ) -> None:
        order = job.order
        assert isinstance(order, ImportOrder)  # noqa: S101  # the queue of imports
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await index.commit(db, snapshot_id=writer.snapshot_id, project_id=job.project_id)
            await content.apply_attributes(
                db,
                job.project_id,
                description=attributes.description if isinstance(attributes.description, str) else None,
                visibility=_visibility(attributes.visibility_level),
                overrides=order.override_params,
            )
            if order.replaces:
                await content.take_place(db, job.project_id, of=order.replaces, user_id=job.user_id)
            await jobs.finish(db, lease, progress=progress.report())

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """The text of ``import_error``, in GitLab's form: two blanks where an address would stand."""
        path = (await content.project_content(self._pool, job.project_id)).full_path
        return f"Error importing repository  into {path} - {_reason(error)}"


def _reason(error: CrossdockError) -> str:
    if isinstance(error, ArchiveTooLarge):
        return f"Decompressed archive size validation failed. ({error})"
    return str(error)


def _visibility(level: object) -> int | None:
    return level if isinstance(level, int) and level in {0, 10, 20} else None
