"""Closes a run at its bucket: what was left half done, what is kept no more, the catalogue, and a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from shared.catalogue.archives import ArchiveRecord, amend_catalogue, forget_files, write_run
from shared.database.pool import Pool
from shared.destinations.bucket_errors import at_bucket, is_there
from shared.gitlab.relation_selection import RelationSelection
from shared.schedules import backups, runs
from shared.schedules.backups import Backup
from shared.schedules.models import ProjectState, Run, Schedule
from shared.storage.base import ObjectStore

_AT_ONCE = 200
_MOST_TOLD = 1000
"""How many projects that failed a report has."""

_log = structlog.get_logger()


class RunCloser:
    """Closes runs, each at its bucket. May be repeated. Memory: the names of archives that go in one run."""

    def __init__(self, pool: Pool, *, source: str) -> None:
        self._pool = pool
        self._source = source

    async def close(self, bucket: ObjectStore, run: Run, schedule: Schedule) -> None:
        """Close a run whose jobs have ended. Raises BucketRefused and BucketUnavailable.

        The catalogue is written before anything is deleted: nobody looks for what is gone.
        """
        with at_bucket():
            await self._delete_left(bucket, schedule)
            going = await self._find_going(bucket, schedule)
            if going or run.counts.get(ProjectState.DONE):
                await amend_catalogue(bucket, self._added(run, set(going)), set(going))
            await self._delete(bucket, schedule, going)
            started = run.started_at or run.created_at
            await write_run(bucket, started, await self._report(run, started))

    async def _delete_left(self, bucket: ObjectStore, schedule: Schedule) -> None:
        """Delete what jobs have left that failed, were canceled or died."""
        left = await backups.list_left(self._pool, schedule.id)
        for file in left:
            await bucket.abort_uploads_of(file)
        await self._delete(bucket, schedule, left)

    async def _find_going(self, bucket: ObjectStore, schedule: Schedule) -> Sequence[str]:
        """Find the archives of the schedule that its retention does not keep."""
        order, going = schedule.order, list[str]()
        if order.retention.is_empty:
            return going
        for project_id in await backups.list_project_ids(self._pool, schedule.id, order.destination_id):
            stored = await backups.list_stored(
                self._pool, schedule.id, order.destination_id, project_id=project_id
            )
            for series in _series(stored):
                going += await self._not_kept(bucket, schedule, series)
        return going

    async def _not_kept(
        self, bucket: ObjectStore, schedule: Schedule, stored: Sequence[Backup]
    ) -> Sequence[str]:
        kept = schedule.order.retention.keep([each.record(self._source) for each in stored])
        going = [each.file for each in stored if each.file not in kept]
        if not going:
            return going
        newest = stored[-1]
        if await is_there(bucket, newest.file, newest.stored_size):
            return going
        # Somebody has deleted the newest one: the older ones may be all that there is.
        _log.warning("retention_suspended", file=newest.file, schedule_id=schedule.id)
        return []

    async def _delete(self, bucket: ObjectStore, schedule: Schedule, files: Sequence[str]) -> None:
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            await forget_files(bucket, some)
            await backups.forget(self._pool, schedule.order.destination_id, some)

    async def _added(self, run: Run, going: set[str]) -> AsyncGenerator[ArchiveRecord, None]:
        behind = 0
        while found := await backups.list_of_run(self._pool, run.id, behind=behind, limit=_AT_ONCE):
            for each in found:
                if each.file not in going:
                    yield each.record(self._source)
            behind = found[-1].id

    async def _report(self, run: Run, started: datetime) -> dict[str, Any]:
        """Make what `crossdock backup` writes of a run."""
        failed = await runs.list_projects(self._pool, run.id, state=ProjectState.FAILED, limit=_MOST_TOLD)
        told = (ProjectState.DONE, ProjectState.SKIPPED, ProjectState.FAILED)
        return {
            **{state.value: run.counts.get(state, 0) for state in told},
            "bytes": await backups.bytes_of_run(self._pool, run.id),
            "seconds": (datetime.now(UTC) - started).total_seconds(),
            "failures": [
                {"project": each.path, "state": "failed", "why": each.why, "error_code": each.code}
                for each in failed
            ],
        }


def _series(stored: Sequence[Backup]) -> Iterable[Sequence[Backup]]:
    """Part the archives of a project by what of it they have: some relations stand for no whole project."""
    found: dict[RelationSelection | None, list[Backup]] = defaultdict(list)
    for each in stored:
        found[each.relations].append(each)
    return found.values()
