"""Exports a project: plans its archive, whose bytes are put together when somebody reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from services.exporter.composer import ArchiveComposer
from services.exporter.project_planner import ProjectPlan, ProjectPlanner
from shared.assembly.blocks import BlockReader
from shared.database.pool import Connection, Pool
from shared.errors import CrossdockError, Fault
from shared.exports import archives
from shared.gitlab.file_name import file_name
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, Lease, UploadOrder
from shared.jobs.progress import Phase, Progress
from shared.settings.store import SettingsProvider
from shared.snapshots import lifecycle
from shared.storage.base import ObjectStore


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
        self._planner = ProjectPlanner(pool, store, blocks, composer=composer)
        self._settings = settings
        self._announce = announce

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
        order = job.order
        assert isinstance(order, ExportOrder)  # noqa: S101  # this worker claims no other kind
        planned = self._planner.plan(
            job, lease, progress, description=order.description, selection=order.selection
        )
        async with planned as plan:
            progress.begin(Phase.COMMITTING)
            return await self._record(job, lease, plan, progress=progress)

    async def _record(self, job: Job, lease: Lease, plan: ProjectPlan, *, progress: Progress) -> Job | None:
        """Record the archive for its user, and end the job in the same transaction."""
        retention = (await self._settings()).retention
        name = file_name(plan.content.full_path, datetime.now(UTC))
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await archives.keep_newest(db, job, plan.archive, file_name=name, retention=retention)
            if plan.made is not None:
                await lifecycle.name_exported(db, job.id, plan.made)
            return await _end(db, job, lease, progress=progress)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """Return the error message for the job's row. GitLab's API shows no errors of exports."""
        return f"Error exporting project {job.project_id} - {error.shown}"


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
