"""Plans the archive of a project as it is now: mapped people, selected relations, and attributes on top."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from services.exporter.composer import ArchiveComposer
from services.exporter.lfs_namer import LfsNamer
from services.exporter.people_mapper import PeopleMapper
from services.exporter.planner import ArchivePlanner
from services.exporter.relation_selector import RelationSelector
from shared.assembly.blocks import BlockReader
from shared.database.pool import Pool
from shared.exports.archives import ArchivePlan
from shared.gitlab.layout import relation_of
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Phase, Progress
from shared.ledger.presence import require_objects
from shared.projects.content import ProjectContent, project_content
from shared.snapshots import lifecycle, lookups
from shared.snapshots.contents import OF_HEAD
from shared.snapshots.laying_out import body_of
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.models import Body, PlacedEntry
from shared.storage.base import ObjectStore

_MADE = 3
"""Files of the archive of a project without content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPlan:
    """The archive of a project. ``made`` is its snapshot where an export made it."""

    archive: ArchivePlan
    content: ProjectContent
    made: int | None


class ProjectPlanner:
    """Plans archives, in flat memory. They become objects by ``composer``, if there is one."""

    def __init__(
        self, pool: Pool, store: ObjectStore, blocks: BlockReader, *, composer: ArchiveComposer | None = None
    ) -> None:
        self._pool = pool
        self._store = store
        self._namer = LfsNamer(pool, store, blocks)
        self._people = PeopleMapper(pool, store)
        self._selector = RelationSelector(pool)
        self._planner = ArchivePlanner(pool, store, blocks)
        self._composer = composer

    @asynccontextmanager
    async def plan(
        self,
        job: Job,
        lease: Lease,
        progress: Progress,
        *,
        description: str | None = None,
        selection: RelationSelection | None = None,
    ) -> AsyncIterator[ProjectPlan]:
        """Give the plan of the snapshot that the job pins; what it names is kept for the block.

        Raises ProjectGone, LeaseLost, SnapshotGone, CorruptSegment and StorageError.
        """
        progress.begin(Phase.PREPARING)
        pinned = await lifecycle.pin(self._pool, lease)
        content = await project_content(self._pool, job.project_id)
        overrides = dict(content.overrides) | ({"description": description} if description else {})
        async with (
            self._namer.named(pinned, job, lease) as named,
            self._people.mapped(named, content, job, lease, progress) as mapped,
            self._selector.selected(mapped, selection, job, lease, progress) as exported,
            self._planned(progress, content, exported, overrides=overrides) as archive,
        ):
            made = None if exported is pinned or exported is None else exported.snapshot_id
            yield ProjectPlan(archive=archive, content=content, made=made)

    @asynccontextmanager
    async def _planned(
        self,
        progress: Progress,
        content: ProjectContent,
        pinned: Pinned | None,
        *,
        overrides: Mapping[str, object],
    ) -> AsyncIterator[ArchivePlan]:
        snapshot_id = None if pinned is None else pinned.snapshot_id
        body = None if pinned is None else await body_of(self._pool, pinned)
        stored = {} if snapshot_id is None else await self._stored(snapshot_id)
        progress.begin(Phase.WRITING)
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
