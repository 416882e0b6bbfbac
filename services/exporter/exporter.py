"""The export of a project: one pass from the snapshot's index to the finished archive."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.exporter.file_name import file_name
from shared.assembly.documents import VERSION, project_attributes
from shared.assembly.layout import ArchiveLayout
from shared.assembly.members import Document, members, with_parents
from shared.assembly.reading import filled
from shared.database.pool import Pool
from shared.errors import CrossdockError, Fault
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, Lease
from shared.jobs.progress import Progress
from shared.projects import archives
from shared.projects.content import ProjectContent, project_content
from shared.segments.inflater import inflate
from shared.snapshots import index, objects
from shared.snapshots.models import PlacedEntry
from shared.snapshots.reader import Run, read_run
from shared.storage.base import ObjectStore

_PROJECT = "tree/project.json"
_EMPTY = b"{}"


class UserGone(CrossdockError):
    """An archive is kept for who asked for it, and that user was deleted."""

    code = "user_gone"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("the user who asked for the export does not exist any more")


@dataclass(frozen=True, slots=True)
class Exported:
    """A committed archive, before anybody is told."""

    object_id: int
    size: int
    sha256: bytes


class Exporter:
    """Exports projects; one at a time or several, each in flat memory."""

    def __init__(self, pool: Pool, store: ObjectStore, *, retention: timedelta) -> None:
        self._pool = pool
        self._store = store
        self._retention = retention

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job and mark it finished; raises what stopped it. May be repeated."""
        if job.user_id is None:
            raise UserGone
        snapshot_id = await index.pin(self._pool, lease)
        content = await project_content(self._pool, job.project_id)
        documents = await self._documents(job, content, snapshot_id)
        exported = await self._write(snapshot_id, documents, progress)
        await self._finish(job, lease, exported, content, progress)

    async def _documents(
        self, job: Job, content: ProjectContent, snapshot_id: int | None
    ) -> dict[str, Document]:
        version = await self._find(snapshot_id, "VERSION")
        attributes = await self._find(snapshot_id, _PROJECT)
        created = int(content.created_at.timestamp())
        documents = [Document("VERSION", version.entry.mtime if version else created, VERSION)]
        overrides = dict(content.overrides)
        if isinstance(job.order, ExportOrder) and job.order.description:
            overrides["description"] = job.order.description
        if attributes is None:
            documents.append(
                Document(_PROJECT, created, project_attributes(_EMPTY, {**content.attributes, **overrides}))
            )
            documents.append(Document("lfs-objects.json", created, _EMPTY))
        elif overrides:
            data = await asyncio.to_thread(project_attributes, await self._load(attributes), overrides)
            documents.append(Document(_PROJECT, attributes.entry.mtime, data))
        return {document.name: document for document in documents}

    async def _find(self, snapshot_id: int | None, name: str) -> PlacedEntry | None:
        return None if snapshot_id is None else await index.find(self._pool, snapshot_id, name)

    async def _load(self, placed: PlacedEntry) -> bytes:
        entry = placed.entry
        stored = await read_run(self._store, Run(placed.key, entry.position, entry.stored_size))
        return await asyncio.to_thread(inflate, stored, raw_length=entry.raw_size, crc32=entry.crc32)

    async def _write(
        self, snapshot_id: int | None, documents: dict[str, Document], progress: Progress
    ) -> Exported:
        named = await objects.register(self._pool, kind="archive")
        digest = hashlib.sha256()
        async with objects.keep(self._pool, named.id), self._store.create(named.key) as writer:
            async with aclosing(self._archive(snapshot_id, documents, progress)) as pieces:
                async for piece in pieces:
                    digest.update(piece)
                    await writer.write(piece)
                    progress.bytes_done += len(piece)
            size = await writer.commit()
            await objects.stored(self._pool, named.id, size=size, sha256=digest.digest())
        return Exported(named.id, size, digest.digest())

    async def _archive(
        self, snapshot_id: int | None, documents: dict[str, Document], progress: Progress
    ) -> AsyncGenerator[bytes, None]:
        entries = _none() if snapshot_id is None else index.entries(self._pool, snapshot_id)
        layout = ArchiveLayout(root_mtime=documents["VERSION"].mtime)
        items = layout.items(with_parents(members(entries, documents)))
        async with aclosing(filled(self._store, items)) as pieces:
            async for piece in pieces:
                yield piece
                progress.entries = layout.members

    async def _finish(
        self, job: Job, lease: Lease, exported: Exported, content: ProjectContent, progress: Progress
    ) -> None:
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await archives.keep_newest(
                db, job, object_id=exported.object_id, size=exported.size, sha256=exported.sha256,
                file_name=file_name(content.full_path, datetime.now(UTC)), retention=self._retention,
            )  # fmt: skip
            await jobs.finish(db, lease, progress=progress.report())

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """The text that ends in the job's row; GitLab's API shows no error of an export."""
        return f"Error exporting project {job.project_id} - {error}"


async def _none() -> AsyncGenerator[PlacedEntry, None]:
    nothing: tuple[PlacedEntry, ...] = ()
    for placed in nothing:
        yield placed
