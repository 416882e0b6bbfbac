"""Exports a project in one pass over the snapshot's index."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from services.exporter.file_name import file_name
from shared.assembly.blocks import BlockReader
from shared.assembly.item_reader import read_items
from shared.assembly.layout import ArchiveLayout
from shared.assembly.members import GeneratedFile, add_parents, merge_members
from shared.assembly.project import project_document
from shared.database.pool import Connection, Pool
from shared.errors import CrossdockError, Fault
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.gitlab.layout import LFS_INDEX, PROJECT, VERSION, relation_of
from shared.gitlab.version import FORMAT_VERSION
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, Lease, UploadOrder
from shared.jobs.progress import Phase, Progress
from shared.ledger import objects
from shared.projects.content import ProjectContent, project_content
from shared.settings.store import SettingsProvider
from shared.snapshots import index
from shared.snapshots.models import EntryKind, PlacedEntry
from shared.storage.base import ObjectStore

_EMPTY = b"{}"


class UserGone(CrossdockError):
    """The user who requested the export was deleted, so that nobody can download its archive."""

    code = "user_gone"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("the user who asked for the export does not exist any more")


@dataclass(frozen=True, slots=True)
class ExportedArchive:
    """An archive that is in object storage, but not yet recorded in the database."""

    object_id: int
    size: int
    sha256: bytes


class Exporter:
    """Exports projects, one or several at a time, each in flat memory. ``announce`` wakes who uploads."""

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        *,
        blocks: BlockReader,
        settings: SettingsProvider,
        announce: Callable[[Job], Awaitable[object]],
    ) -> None:
        self._pool = pool
        self._store = store
        self._blocks = blocks
        self._settings = settings
        self._announce = announce

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job and mark it finished. Raises the error that stopped it. May be repeated.

        An export with an upload ends with a job for that, which does not need the exporter's slot.
        """
        if job.user_id is None:
            raise UserGone
        # An exporter of the version before recorded an archive before the end, and was lost in its upload.
        if await archives.find_by_job(self._pool, job.id) is None:
            upload = await self._export(job, lease, progress)
        else:
            async with self._pool.acquire() as db, db.transaction():
                upload = await _end(db, job, lease, progress=progress)
        if upload is not None:
            await self._announce(upload)

    async def _export(self, job: Job, lease: Lease, progress: Progress) -> Job | None:
        """Make the archive and end the job. Return the job of its upload, if there is one."""
        progress.begin(Phase.PREPARING)
        snapshot_id = await index.pin(self._pool, lease)
        progress.bytes_total = await self._stored_size(snapshot_id)
        content = await project_content(self._pool, job.project_id)
        documents = await self._documents(job, content, snapshot_id)
        progress.begin(Phase.WRITING)
        exported = await self._write(snapshot_id, documents, progress)
        progress.begin(Phase.COMMITTING)
        return await self._record(job, lease, exported, content, progress=progress)

    async def _documents(
        self, job: Job, content: ProjectContent, snapshot_id: int | None
    ) -> dict[str, GeneratedFile]:
        version = await self._find(snapshot_id, VERSION)
        attributes = await self._find(snapshot_id, PROJECT)
        created = int(content.created_at.timestamp())
        documents = [GeneratedFile(VERSION, version.entry.mtime if version else created, FORMAT_VERSION)]
        overrides = dict(content.overrides)
        if isinstance(job.order, ExportOrder) and job.order.description:
            overrides["description"] = job.order.description
        data = await project_document(self._store, attributes, content, overrides=overrides)
        if data is not None:
            documents.append(GeneratedFile(PROJECT, attributes.entry.mtime if attributes else created, data))
        if attributes is None:
            documents.append(GeneratedFile(LFS_INDEX, created, _EMPTY))
        return {document.name: document for document in documents}

    async def _stored_size(self, snapshot_id: int | None) -> int:
        """Estimate the bytes of the archive: the stored bytes, without tar headers and padding."""
        return 0 if snapshot_id is None else await index.stored_size(self._pool, snapshot_id)

    async def _find(self, snapshot_id: int | None, name: str) -> PlacedEntry | None:
        return None if snapshot_id is None else await index.find_entry(self._pool, snapshot_id, name)

    async def _write(
        self, snapshot_id: int | None, documents: dict[str, GeneratedFile], progress: Progress
    ) -> ExportedArchive:
        named = await objects.register(self._pool, kind="archive")
        digest = hashlib.sha256()
        async with objects.keep_touched(self._pool, named.id), self._store.create(named.key) as writer:
            async with aclosing(self._archive(snapshot_id, documents, progress)) as pieces:
                async for piece in pieces:
                    digest.update(piece)
                    await writer.write(piece)
                    progress.bytes_done += len(piece)
            size = progress.bytes_total = await writer.commit()
            await objects.record_stored(self._pool, named.id, size=size, sha256=digest.digest())
        return ExportedArchive(named.id, size, digest.digest())

    async def _archive(
        self, snapshot_id: int | None, documents: dict[str, GeneratedFile], progress: Progress
    ) -> AsyncGenerator[bytes, None]:
        entries = _no_entries() if snapshot_id is None else index.read_entries(self._pool, snapshot_id)
        layout = ArchiveLayout(root_mtime=documents[VERSION].mtime)
        items = layout.items(add_parents(merge_members(_count_relations(entries, progress), documents)))
        async with aclosing(read_items(self._blocks, items)) as pieces:
            async for piece in pieces:
                yield piece
                progress.entries = layout.members

    async def _record(
        self,
        job: Job,
        lease: Lease,
        exported: ExportedArchive,
        content: ProjectContent,
        *,
        progress: Progress,
    ) -> Job | None:
        """Record the archive for its user, and end the job in the same transaction."""
        retention = (await self._settings()).retention
        plan = ArchivePlan(object_id=exported.object_id, size=exported.size, sha256=exported.sha256)
        name = file_name(content.full_path, datetime.now(UTC))
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await archives.keep_newest(db, job, plan, file_name=name, retention=retention)
            return await _end(db, job, lease, progress=progress)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """Return the error message for the job's row. GitLab's API shows no errors of exports."""
        return f"Error exporting project {job.project_id} - {error}"


async def _end(db: Connection, job: Job, lease: Lease, *, progress: Progress) -> Job | None:
    """Finish the job, and queue the upload of its archive if it has one. The address stays sealed."""
    await jobs.finish(db, lease, progress=progress.report())
    target = job.order.upload if isinstance(job.order, ExportOrder) else None
    if target is None or job.user_id is None:
        return None
    return await jobs.enqueue(
        db, UploadOrder(upload=target), project_id=job.project_id, user_id=job.user_id, parent_id=job.id,
        correlation_id=job.correlation_id, max_attempts=job.max_attempts, traceparent=job.traceparent,
    )  # fmt: skip


async def _count_relations(
    entries: AsyncIterator[PlacedEntry], progress: Progress
) -> AsyncGenerator[PlacedEntry, None]:
    """Yield the entries, and count a relation once the next entry is requested: it is written by then."""
    async for placed in entries:
        yield placed
        entry = placed.entry
        if entry.kind is EntryKind.RELATION and (relation := relation_of(entry.name)):
            count = progress.relation(relation)
            count.bytes, count.lines = entry.raw_size, entry.lines


async def _no_entries() -> AsyncGenerator[PlacedEntry, None]:
    nothing: tuple[PlacedEntry, ...] = ()
    for placed in nothing:
        yield placed
