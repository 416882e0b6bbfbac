"""Keeps the runs of schedules going: starts what is due, queues jobs, ends what is done. By the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from asyncpg import ForeignKeyViolationError

from shared.accounts.models import User
from shared.broker.base import Broker
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.jobs import store as jobs
from shared.jobs.models import BackupOrder, Job
from shared.jobs.outbox import announce
from shared.logs import describe
from shared.projects.models import Project
from shared.schedules import peer_copies, runs, store
from shared.schedules.closing import RunCloser
from shared.schedules.metrics import RunMetrics
from shared.schedules.models import ProjectState, Run, RunProject, RunState, Schedule
from shared.schedules.places import KnownBackups, SchedulePlaces
from shared.usecases.errors import NotFound
from shared.usecases.peer_runs import PeerRuns
from shared.usecases.runs import ExportableProjects

WINDOW = 20
"""How many jobs of one run are queued or running at a time; which of them run, claims decide, by user."""

_MOST_STARTED = 100
_MOST_OPEN = 1000
_CLOSING_AT_ONCE = 4
"""In one round: how many runs are started, and looked at; and how many are closed at a time."""

_SELECTING_AT_ONCE = 4
_PATIENCE = timedelta(hours=1)
_PAUSE = timedelta(minutes=1)
"""How many peers are asked for their projects at a time; how long, and how often, one that is away."""

_CLOSE_WITHIN = timedelta(minutes=30)
_BUSY = timedelta(seconds=1)
"""How long a round is away from the next while there are runs."""

_log = structlog.get_logger()


class RunKeeper:
    """Keeps runs going, in rounds. All that it knows is in the database: whoever leads next goes on."""

    def __init__(  # noqa: PLR0913  # what it works with
        self,
        pool: Pool,
        broker: Broker,
        projects: ExportableProjects,
        places: SchedulePlaces,
        peers: PeerRuns,
        *,
        source: str,
        attempts: int,
        every: timedelta,
        metrics: RunMetrics,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._projects = projects
        self._places = places
        self._peers = peers
        self._closer = RunCloser(pool, source=source)
        self._attempts = attempts
        self._every = every
        self._metrics = metrics
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._selecting: dict[int, asyncio.Task[None]] = {}
        self._later: dict[int, float] = {}

    async def run(self) -> None:
        """Make rounds until cancelled."""
        try:
            while True:
                is_busy = await self._attempt()
                await asyncio.sleep((_BUSY if is_busy else self._every).total_seconds())
        finally:
            left = [*self._closing.values(), *self._selecting.values()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _attempt(self) -> bool:
        try:
            return await self.make_round()
        except (CrossdockError, *DATABASE_ERRORS) as error:
            _log.warning("runs_not_kept", error=describe(error))
            return False

    async def make_round(self) -> bool:
        """Start what is due, and advance every run that has not ended; tell whether there is one.

        Where there is nothing to do it is one statement.
        """
        if not await runs.has_work(self._pool):
            return False
        await self._start_due()
        found = await runs.list_open(self._pool, limit=_MOST_OPEN)
        for run in found:
            try:
                await self._advance(run)
            except CrossdockError as error:
                _log.warning("run_not_advanced", run_id=run.id, error=describe(error))
        return bool(found)

    async def _start_due(self) -> None:
        for _ in range(_MOST_STARTED):
            if await runs.start_due(self._pool) is None:
                return

    async def close_all(self) -> None:
        """Wait until what is being closed is, and until what is asked for at peers is there."""
        await asyncio.gather(*self._closing.values(), *self._selecting.values())

    async def _advance(self, run: Run) -> None:
        schedule = await store.find(self._pool, run.schedule_id)
        if schedule is None:
            return
        match run.state:
            case RunState.QUEUED:
                await self._begin(run, schedule)
            case RunState.RUNNING:
                await self._continue(run, schedule)
            case RunState.CLOSING:
                self._close_beside(run, schedule)

    async def _begin(self, run: Run, schedule: Schedule) -> None:
        """Find the projects of a run, with the rights that its owner has now."""
        if run.is_canceled:
            await self._end(run, RunState.CANCELED)
            return
        if schedule.order.into is not None:
            self._select_beside(run, schedule)
            return
        try:
            await self._fill(run, await self._projects.select(schedule))
        except CrossdockError as error:
            await self._end(run, RunState.FAILED, error=error)

    async def _fill(self, run: Run, found: Sequence[Mapping[str, Any]]) -> None:
        async with self._pool.acquire() as db, db.transaction():
            await runs.fill(db, run.id, found)

    def _select_beside(self, run: Run, schedule: Schedule) -> None:
        """Ask a peer for its projects in a task, as it may be slow; others go on meanwhile."""
        if run.id in self._selecting or len(self._selecting) >= _SELECTING_AT_ONCE:
            return
        if self._later.get(run.id, 0) > asyncio.get_running_loop().time():
            return
        task = asyncio.create_task(self._select(run, schedule))
        self._selecting[run.id] = task
        task.add_done_callback(lambda _: self._selecting.pop(run.id, None))

    async def _select(self, run: Run, schedule: Schedule) -> None:
        """Find the projects of a run at a peer. One that is away or busy is asked again for an hour."""
        self._later.pop(run.id, None)
        try:
            await self._fill(run, await self._peers.select(schedule))
        except CrossdockError as error:
            if error.retryable and datetime.now(UTC) - run.created_at < _PATIENCE:
                pause = error.wait or int(_PAUSE.total_seconds())
                self._later[run.id] = asyncio.get_running_loop().time() + pause
                _log.info("run_waits_for_peer", run_id=run.id, error=describe(error), delay=pause)
                return
            await self._end(run, RunState.FAILED, error=error)
        except DATABASE_ERRORS as error:
            _log.warning("run_not_begun", run_id=run.id, error=describe(error))

    async def _continue(self, run: Run, schedule: Schedule) -> None:
        if run.is_canceled:
            async with self._pool.acquire() as db, db.transaction():
                await runs.cancel_projects(db, run.id)
        await peer_copies.settle(self._pool, run.id)
        await runs.settle(self._pool, run.id)
        await self._queue(run, schedule)
        await runs.begin_to_close(self._pool, run.id)

    async def _queue(self, run: Run, schedule: Schedule) -> None:
        """Queue jobs of projects that wait, as many as there may be, and skip what has not changed."""
        free = WINDOW - await runs.count_queued(self._pool, run.id)
        if free <= 0:
            return
        waiting = await runs.list_projects(self._pool, run.id, state=ProjectState.WAITING, limit=free)
        if not waiting:
            return
        try:
            owner = await self._projects.find_owner(schedule)
        except CrossdockError as error:  # the owner was blocked meanwhile
            await self._fail_all(waiting, error)
            return
        if await self._peers.has_peer(schedule):
            await self._queue_for_peer(waiting, schedule, owner)
            return
        async with self._places.look(schedule) as known:
            for each in waiting:
                await self._queue_one(each, self._skip_or_insert(each, owner, known))

    async def _queue_for_peer(self, waiting: Sequence[RunProject], schedule: Schedule, owner: User) -> None:
        try:
            place = await self._peers.find_place(schedule)
        except CrossdockError as error:  # the token cannot be read
            await self._fail_all(waiting, error)
            return
        if place is not None:
            for each in waiting:
                await self._queue_one(each, self._peers.queue(each, schedule, place, owner))

    async def _fail_all(self, waiting: Sequence[RunProject], error: CrossdockError) -> None:
        for each in waiting:
            await self._fail(each, error)

    async def _queue_one(self, each: RunProject, queueing: Awaitable[Job | None]) -> None:
        try:
            job = await queueing
        except CrossdockError as error:
            await self._fail(each, error)
        except ForeignKeyViolationError:
            await self._fail(each, NotFound("Project"))
        else:
            if job is not None:
                await announce(self._broker, job)

    async def _skip_or_insert(self, each: RunProject, owner: User, known: KnownBackups) -> Job | None:
        project = await self._projects.permit(owner, each.project_id or 0)
        last = await known.find_current(project)
        if last is None:
            return await self._insert(each, owner, project)
        await runs.end_project(self._pool, each.id, ProjectState.SKIPPED, why="unchanged", file=last.file)
        return None

    async def _fail(self, each: RunProject, error: CrossdockError) -> None:
        await runs.end_project(self._pool, each.id, ProjectState.FAILED, why=error.shown, code=error.code)

    async def _insert(self, each: RunProject, owner: User, project: Project) -> Job | None:
        """Queue a job; None where the project does not wait any more, as the run was canceled."""
        async with self._pool.acquire() as db, db.transaction():
            job = await jobs.enqueue(
                db, BackupOrder(run_project_id=each.id, last_activity_at=project.last_activity_at),
                project_id=project.id, user_id=owner.id, correlation_id=f"run-{each.run_id}",
                max_attempts=self._attempts,
            )  # fmt: skip
            if await runs.queue_project(db, each.id, job.id):
                return job
            await jobs.cancel(db, job.id)
            return None

    def _close_beside(self, run: Run, schedule: Schedule) -> None:
        """Close a run in a task, as a bucket may be slow: one at a time at each, as its catalogue is one."""
        where = schedule.order.destination_id
        if where in self._closing or len(self._closing) >= _CLOSING_AT_ONCE:
            return
        task = asyncio.create_task(self._close(run, schedule))
        self._closing[where] = task
        task.add_done_callback(lambda _: self._closing.pop(where, None))

    async def _close(self, run: Run, schedule: Schedule) -> None:
        """Close a run and end it. Where the database is away it is still to be closed."""
        try:
            problem = await self._close_at_bucket(run, schedule)
            await self._end(run, _end_of(run, problem), error=problem)
        except DATABASE_ERRORS as error:
            _log.warning("run_not_closed", run_id=run.id, error=describe(error))

    async def _close_at_bucket(self, run: Run, schedule: Schedule) -> CrossdockError | None:
        """Close a run, and give what stopped that. A peer is left as its projects are."""
        if await self._peers.has_peer(schedule):
            return None
        deadline = asyncio.timeout(_CLOSE_WITHIN.total_seconds())
        try:
            async with deadline, self._places.open(schedule) as bucket:
                await self._closer.close(bucket, run, schedule)
        except CrossdockError as error:
            return error
        except TimeoutError:
            return CloseTimedOut(_CLOSE_WITHIN)
        return None

    async def _end(self, run: Run, state: RunState, *, error: CrossdockError | None = None) -> None:
        failed, all_ = run.counts.get(ProjectState.FAILED, 0), sum(run.counts.values())
        told = (None, None) if error is None else (error.shown, error.code)
        if error is None and failed and state is not RunState.CANCELED:
            told = (f"{failed} of {all_} projects failed", "projects_failed")
        await runs.end(self._pool, run.id, state, error=told[0], code=told[1])
        self._metrics.count_end(state)
        _log.info("run_ended", run_id=run.id, schedule_id=run.schedule_id, state=state.value, error=told[0])


class CloseTimedOut(CrossdockError):
    """The bucket was too slow to apply the retention of a run, or to take its catalogue."""

    code = "close_timed_out"

    def __init__(self, within: timedelta) -> None:
        minutes = int(within.total_seconds() // 60)
        super().__init__(f"the bucket took longer than {minutes} minutes to apply the retention")


def _end_of(run: Run, problem: CrossdockError | None) -> RunState:
    good = run.counts.get(ProjectState.DONE, 0) + run.counts.get(ProjectState.SKIPPED, 0)
    failed = run.counts.get(ProjectState.FAILED, 0)
    if run.is_canceled:
        return RunState.CANCELED
    if failed and not good:
        return RunState.FAILED
    return RunState.PARTIAL if failed or problem is not None else RunState.FINISHED
