"""Makes the snapshot that is exported where an export selects relations: its rows, and no byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from shared.database.pool import Pool
from shared.gitlab.relation_selection import RelationSelection, missed_references
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease
from shared.jobs.progress import LeftOut, Progress, SelectionProgress
from shared.snapshots import selected
from shared.snapshots.derived import kept_derived, open_derived
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.reading import keep_prolonged
from shared.snapshots.selected import LeftOutRelation


class RelationSelector:
    """Gives the snapshot that is exported. Selections that leave out the same have the same one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def selected(
        self,
        pinned: Pinned | None,
        selection: RelationSelection | None,
        job: Job,
        lease: Lease,
        progress: Progress,
    ) -> AsyncIterator[Pinned | None]:
        """Give the selected snapshot, which is kept for the block; the pinned one where nothing is left out.

        What is left out is counted in ``progress``. Raises LeaseLost, SnapshotGone and ProjectGone.
        """
        if selection is None:
            yield pinned
            return
        progress.selection = SelectionProgress()
        left_out = [] if pinned is None else await self._count(pinned, selection, progress.selection)
        if pinned is None or not left_out:
            yield pinned
            return
        base, digest = pinned.snapshot_id, selected.digest_of(left_out)
        snapshot_id = await selected.find_selected(self._pool, base, digest)
        if snapshot_id is None:
            async with self._made(base, left_out, digest, lease, project_id=job.project_id) as made:
                yield made
            return
        async with kept_derived(self._pool, snapshot_id) as kept:
            yield kept

    async def _count(
        self, pinned: Pinned, selection: RelationSelection, progress: SelectionProgress
    ) -> Sequence[LeftOutRelation]:
        left_out = await selected.find_left_out(self._pool, pinned.snapshot_id, selection)
        progress.left_out = {each.relation: LeftOut(each.files, each.bytes) for each in left_out}
        kept = await selected.find_kept(self._pool, pinned.snapshot_id, selection)
        progress.missed = list(missed_references(kept, progress.left_out))
        return left_out

    @asynccontextmanager
    async def _made(
        self,
        base: int,
        left_out: Sequence[LeftOutRelation],
        digest: bytes,
        lease: Lease,
        *,
        project_id: int,
    ) -> AsyncIterator[Pinned]:
        names = [each.relation for each in left_out]
        snapshot_id, _ = await open_derived(self._pool, project_id=project_id)
        async with keep_prolonged(self._pool, snapshot_id):
            await selected.copy_selected(self._pool, base=base, snapshot_id=snapshot_id, left_out=names)
            body = await selected.lay_out_selected(
                self._pool, base=base, snapshot_id=snapshot_id, left_out=names
            )
            async with self._pool.acquire() as db, db.transaction():
                await jobs.hold(db, lease)
                await selected.commit_selected(
                    db, base=base, digest=digest, snapshot_id=snapshot_id, body=body
                )
            yield Pinned(snapshot_id, body)
