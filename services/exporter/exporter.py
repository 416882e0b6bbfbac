"""Exports a project: plans its archive, whose bytes are put together when somebody reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime

from services.exporter.composer import ArchiveComposer
from services.exporter.file_name import file_name
from services.exporter.people_mapper import PeopleMapper
from services.exporter.planner import ArchivePlanner
from services.exporter.relation_selector import RelationSelector
from shared.assembly.blocks import BlockReader
from shared.database.pool import Connection, Pool
from shared.errors import CrossdockError, Fault
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.gitlab.layout import relation_of
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, Lease, UploadOrder
from shared.jobs.progress import Phase, Progress
from shared.ledger.presence import require_objects
from shared.projects.content import ProjectContent, project_content
from shared.settings.store import SettingsProvider
from shared.snapshots import lifecycle, lookups
from shared.snapshots.contents import OF_HEAD
from shared.snapshots.laying_out import body_of
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.models import Body, PlacedEntry
from shared.storage.base import ObjectStore

_MADE = 3
"""Files of the archive of a project without content."""


class UserGone(CrossdockError):
    """The user who requested the export was deleted, so that nobody can download its archive."""

    code = "user_gone"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("the user who asked for the export does not exist any more")


class Exporter:
    """Exports projects, one or several at a time, each in flat memory. ``announce`` wakes who uploads.

    Archives become objects by ``composer``, if there is one.
    """

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        *,
        blocks: BlockReader,
        settings: SettingsProvider,
        announce: Callable[[Job], Awaitable[object]],
        composer: ArchiveComposer | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._people = PeopleMapper(pool, store)
        self._selector = RelationSelector(pool)
        self._planner = ArchivePlanner(pool, store, blocks)
        self._settings = settings
        self._announce = announce
        self._composer = composer

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job and mark it finished. Raises the error that stopped it. May be repeated.

        An export with an upload ends with a job for that, which does not need the exporter's slot.
        """
        if job.user_id is None:
            raise UserGone
        upload = await self._export(job, lease, progress)
        if upload is not None:
            await self._announce(upload)

    async def _export(self, job: Job, lease: Lease, progress: Progress) -> Job | None:
        """Plan the archive and end the job. Return the job of its upload, if there is one."""
        progress.begin(Phase.PREPARING)
        pinned = await lifecycle.pin(self._pool, lease)
        content = await project_content(self._pool, job.project_id)
        async with (
            self._people.mapped(pinned, content, job, lease, progress) as mapped,
            self._selector.selected(mapped, _selection(job), job, lease, progress) as exported,
            self._planned(job, progress, content, exported) as plan,
        ):
            progress.begin(Phase.COMMITTING)
            made = None if exported is pinned or exported is None else exported.snapshot_id
            return await self._record(job, lease, plan, content, progress=progress, made=made)

    @asynccontextmanager
    async def _planned(
        self, job: Job, progress: Progress, content: ProjectContent, pinned: Pinned | None
    ) -> AsyncIterator[ArchivePlan]:
        """Give the archive of a snapshot; record it before the block ends."""
        snapshot_id = None if pinned is None else pinned.snapshot_id
        body = None if pinned is None else await body_of(self._pool, pinned)
        stored = {} if snapshot_id is None else await self._stored(snapshot_id)
        progress.begin(Phase.WRITING)
        overrides = _overrides(job, content)
        async with self._planner.plan(snapshot_id, body, stored, content, overrides=overrides) as plan:
            if snapshot_id is not None:
                await require_objects(self._pool, self._store, snapshot_id)
            _count(progress, plan, body, stored)
            async with self._composed(plan, progress) as made:
                yield made

    def _composed(self, plan: ArchivePlan, progress: Progress) -> AbstractAsyncContextManager[ArchivePlan]:
        return nullcontext(plan) if self._composer is None else self._composer.compose(plan, progress)

    async def _stored(self, snapshot_id: int) -> dict[str, PlacedEntry]:
        """Find what is stored of the archive's head, and the relations, by their names."""
        found = await lookups.find_with_relations(self._pool, snapshot_id, OF_HEAD)
        return {each.entry.name: each for each in found}

    async def _record(
        self,
        job: Job,
        lease: Lease,
        plan: ArchivePlan,
        content: ProjectContent,
        *,
        progress: Progress,
        made: int | None,
    ) -> Job | None:
        """Record the archive for its user, and end the job in the same transaction.

        ``made`` is the snapshot, where a map of people or a selection has had another one made.
        """
        retention = (await self._settings()).retention
        name = file_name(content.full_path, datetime.now(UTC))
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await archives.keep_newest(db, job, plan, file_name=name, retention=retention)
            if made is not None:
                await lifecycle.name_exported(db, job.id, made)
            return await _end(db, job, lease, progress=progress)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """Return the error message for the job's row. GitLab's API shows no errors of exports."""
        return f"Error exporting project {job.project_id} - {error.shown}"


def _selection(job: Job) -> RelationSelection | None:
    return job.order.selection if isinstance(job.order, ExportOrder) else None


def _overrides(job: Job, content: ProjectContent) -> dict[str, object]:
    overrides = dict(content.overrides)
    if isinstance(job.order, ExportOrder) and job.order.description:
        overrides["description"] = job.order.description
    return overrides


def _count(
    progress: Progress, plan: ArchivePlan, body: Body | None, stored: Mapping[str, PlacedEntry]
) -> None:
    """Count what the archive has: its bytes, its entries, and the lines of its relations."""
    progress.bytes_done = progress.bytes_total = progress.planned_bytes = plan.size
    progress.entries = body.entries if body else _MADE
    for name, placed in stored.items():
        if relation := relation_of(name):
            count = progress.relation(relation)
            count.bytes, count.lines = placed.entry.raw_size, placed.entry.lines


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
