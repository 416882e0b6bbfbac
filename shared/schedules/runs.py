"""Runs in Postgres, and what came of their projects. The clock is the database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.database.pool import Connection, Database, Pool, Row
from shared.errors import Conflict
from shared.jobs.details import USER_OF, JobUser
from shared.jobs.store import cancel as cancel_job
from shared.schedules import store
from shared.schedules.models import ProjectState, Run, RunCause, RunProject, RunState, Schedule

MOST_MISSED = 1000
"""Up to how many missed times are counted."""

_LATE = timedelta(minutes=5)
"""How long after its time a run is one that is caught up."""

_PLAIN = (
    "id", "schedule_id", "due_at", "missed", "is_canceled", "error", "error_code", "created_at", "started_at",
    "finished_at",
)  # fmt: skip
_RUN = f"""r.*, (SELECT coalesce(jsonb_object_agg(state, number), '{{}}') FROM (
    SELECT state, count(*) AS number FROM run_projects WHERE run_id = r.id GROUP BY state) counted
    ) AS counts,
    ({USER_OF} r.canceled_by) AS canceler"""  # noqa: S608  # fixed texts
_OF_PROJECT = (
    "id", "run_id", "project_id", "path", "job_id", "why", "code", "file", "size", "finished_at", "remote_id",
    "last_activity_at",
)  # fmt: skip
_ENDED = [each.value for each in (RunState.FINISHED, RunState.PARTIAL, RunState.FAILED, RunState.CANCELED)]
ENDS = frozenset(map(RunState, _ENDED))
"""The states of a run that has ended."""


class RunUnderway(Conflict):
    """A run of the schedule has not ended yet, and there is one at a time."""

    code = "run_underway"

    def __init__(self) -> None:
        super().__init__("a run of the schedule has not ended yet")


async def has_work(db: Database) -> bool:
    """Tell whether a schedule is due, or a run has not ended."""
    work: bool = await db.fetchval(
        """SELECT EXISTS (SELECT FROM schedules WHERE next_run_at <= now())
               OR EXISTS (SELECT FROM schedule_runs WHERE finished_at IS NULL)"""
    )
    return work


async def start_due(pool: Pool) -> Run | None:
    """Start the run of the schedule that has been due for the longest time; None where none is due.

    A schedule whose last run has not ended waits for that. Of several times that were missed the last one is
    caught up. Whoever else does the same at this moment passes over the schedule, and finds a run afterwards.
    """
    async with pool.acquire() as db, db.transaction():
        row = await db.fetchrow(
            f"""SELECT {store.COLUMNS}, now() AS now FROM schedules s
                WHERE next_run_at <= now() AND NOT EXISTS (
                    SELECT FROM schedule_runs WHERE schedule_id = s.id AND finished_at IS NULL)
                ORDER BY next_run_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"""  # noqa: S608  # fixed texts
        )
        return None if row is None else await _start(db, store.schedule_of(row), now=row["now"])


async def _start(db: Connection, schedule: Schedule, *, now: datetime) -> Run | None:
    table, first = schedule.order.timetable, schedule.next_run_at or now
    due = max(table.last_due(now), first)
    missed = table.count_between(first, due, most=MOST_MISSED)
    await store.set_next(db, schedule.id, table.after(max(now, due)))
    cause = RunCause.CAUGHT_UP if missed or now - due > _LATE else RunCause.DUE
    return await _insert(db, schedule.id, due, cause=cause, missed=missed)


async def request(db: Connection, schedule_id: int) -> Run:
    """Start a run now. Raises RunUnderway."""
    now = await db.fetchval(
        "SELECT clock_timestamp() FROM schedules WHERE id = $1 FOR NO KEY UPDATE", schedule_id
    )
    run = await _insert(db, schedule_id, now, cause=RunCause.REQUESTED, missed=0)
    if run is None:
        raise RunUnderway
    return run


async def _insert(
    db: Connection, schedule_id: int, due_at: datetime, *, cause: RunCause, missed: int
) -> Run | None:
    """Insert a run, unless there is one for this time, or one that has not ended."""
    number = await db.fetchval(
        """INSERT INTO schedule_runs (schedule_id, due_at, cause, missed) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING RETURNING id""",
        schedule_id, due_at, cause.value, missed,
    )  # fmt: skip
    return None if number is None else await find(db, number)


def _run(row: Row) -> Run:
    return Run(
        cause=RunCause(row["cause"]),
        state=RunState(row["state"]),
        canceled_by=None if row["canceler"] is None else JobUser(**row["canceler"]),
        counts={ProjectState(state): number for state, number in row["counts"].items()},
        **{name: row[name] for name in _PLAIN},
    )


async def find(db: Database, run_id: int) -> Run | None:
    """Find a run."""
    row = await db.fetchrow(f"SELECT {_RUN} FROM schedule_runs r WHERE id = $1", run_id)  # noqa: S608  # fixed texts
    return None if row is None else _run(row)


async def list_of(db: Database, schedule_id: int, *, below: int | None, limit: int) -> Sequence[Run]:
    """List the runs of a schedule with an id lower than ``below``, the newest first."""
    rows = await db.fetch(
        f"""SELECT {_RUN} FROM schedule_runs r WHERE schedule_id = $1 AND ($2::bigint IS NULL OR id < $2)
            ORDER BY id DESC LIMIT $3""",  # noqa: S608  # fixed texts
        schedule_id, below, limit,
    )  # fmt: skip
    return [_run(row) for row in rows]


async def list_open(db: Database, *, limit: int) -> Sequence[Run]:
    """List runs that have not ended, the oldest first."""
    rows = await db.fetch(
        f"SELECT {_RUN} FROM schedule_runs r WHERE finished_at IS NULL ORDER BY id LIMIT $1",  # noqa: S608  # fixed texts
        limit,
    )
    return [_run(row) for row in rows]


async def fill(db: Connection, run_id: int, found: Sequence[Mapping[str, Any]]) -> bool:
    """Give a run that is queued its projects, and let it run; False where somebody else has done that."""
    started = await db.fetchval(
        """UPDATE schedule_runs SET state = 'running', started_at = now()
           WHERE id = $1 AND state = 'queued' RETURNING true""",
        run_id,
    )
    if not started:
        return False
    await db.execute(
        """INSERT INTO run_projects (run_id, project_id, remote_id, last_activity_at, path, state, why, code,
                                     finished_at)
           SELECT $1, project_id, remote_id, last_activity_at, path,
               CASE WHEN code IS NULL THEN 'waiting' ELSE 'failed' END, why, code,
               CASE WHEN code IS NOT NULL THEN now() END
           FROM jsonb_to_recordset($2) AS found (project_id bigint, remote_id bigint,
               last_activity_at timestamptz, path text, why text, code text)
           ON CONFLICT DO NOTHING""",
        run_id, list(found),
    )  # fmt: skip
    return True


async def begin_to_close(db: Database, run_id: int) -> bool:
    """Let a run close whose projects have all ended; tell whether that is so."""
    return bool(
        await db.fetchval(
            """UPDATE schedule_runs SET state = 'closing' WHERE id = $1 AND state = 'running'
               AND NOT EXISTS (SELECT FROM run_projects WHERE run_id = $1 AND state IN ('waiting', 'queued'))
               RETURNING true""",
            run_id,
        )
    )


async def end(
    db: Database, run_id: int, state: RunState, *, error: str | None = None, code: str | None = None
) -> None:
    """End a run that has not ended."""
    await db.execute(
        """UPDATE schedule_runs SET state = $2, finished_at = now(), error = $3, error_code = $4,
               started_at = coalesce(started_at, now())
           WHERE id = $1 AND finished_at IS NULL""",
        run_id, state.value, error, code,
    )  # fmt: skip


async def cancel(db: Connection, run_id: int, *, by: int) -> bool:
    """Cancel a run and its jobs, as a user does; False where it has ended. The keeper of runs ends it."""
    canceled = await db.fetchval(
        """UPDATE schedule_runs SET is_canceled = true, canceled_by = $2
           WHERE id = $1 AND finished_at IS NULL RETURNING true""",
        run_id, by,
    )  # fmt: skip
    if canceled:
        await cancel_projects(db, run_id)
    return bool(canceled)


async def cancel_projects(db: Connection, run_id: int) -> None:
    """Cancel the projects of a run that wait, and the jobs of those that are queued, as who canceled it."""
    await db.execute(
        """UPDATE run_projects SET state = 'canceled', finished_at = now()
           WHERE run_id = $1 AND state = 'waiting'""",
        run_id,
    )
    for row in await db.fetch(
        """SELECT p.job_id, r.canceled_by FROM run_projects p JOIN schedule_runs r ON r.id = p.run_id
           WHERE p.run_id = $1 AND p.state = 'queued' AND p.job_id IS NOT NULL""",
        run_id,
    ):
        await cancel_job(db, row["job_id"], by=row["canceled_by"])


async def settle(db: Database, run_id: int) -> None:
    """Take over how jobs have ended that failed, were canceled, or went with their project."""
    await db.execute(
        """UPDATE run_projects p SET finished_at = now(),
               state = CASE j.state WHEN 'canceled' THEN 'canceled' ELSE 'failed' END,
               why = j.error, code = j.error_code
           FROM jobs j WHERE p.run_id = $1 AND p.state = 'queued' AND j.id = p.job_id
             AND j.state IN ('failed', 'canceled')""",
        run_id,
    )
    await _settle_deleted(db, run_id)


async def _settle_deleted(db: Database, run_id: int) -> None:
    await db.execute(
        """UPDATE run_projects SET state = 'failed', finished_at = now(), code = 'project_deleted',
               why = 'the project was deleted'
           WHERE run_id = $1 AND state = 'queued' AND job_id IS NULL""",
        run_id,
    )


async def list_projects(
    db: Database, run_id: int, *, state: ProjectState | None = None, behind: int | None = None, limit: int
) -> Sequence[RunProject]:
    """List the projects of a run with an id over ``behind``, in the order in which they were found."""
    rows = await db.fetch(
        """SELECT * FROM run_projects WHERE run_id = $1 AND ($2::text IS NULL OR state = $2)
           AND id > coalesce($3, 0) ORDER BY id LIMIT $4""",
        run_id, None if state is None else state.value, behind, limit,
    )  # fmt: skip
    return [_project(row) for row in rows]


async def count_queued(db: Database, run_id: int) -> int:
    """Count the projects of a run whose jobs have not ended."""
    number: int = await db.fetchval(
        "SELECT count(*) FROM run_projects WHERE run_id = $1 AND state = 'queued'", run_id
    )
    return number


async def find_project(db: Database, run_project_id: int) -> RunProject | None:
    """Find a project of a run."""
    row = await db.fetchrow("SELECT * FROM run_projects WHERE id = $1", run_project_id)
    return None if row is None else _project(row)


async def queue_project(db: Database, run_project_id: int, job_id: int) -> bool:
    """Say which job backs a project up that waits; False where it does not wait any more."""
    queued = await db.fetchval(
        """UPDATE run_projects SET state = 'queued', job_id = $2 WHERE id = $1 AND state = 'waiting'
           RETURNING true""",
        run_project_id, job_id,
    )  # fmt: skip
    return bool(queued)


async def end_project(
    db: Database,
    run_project_id: int,
    state: ProjectState,
    *,
    why: str | None = None,
    code: str | None = None,
    file: str | None = None,
) -> None:
    """End a project of a run that has not ended."""
    await db.execute(
        """UPDATE run_projects SET state = $2, why = $3, code = $4, file = $5, finished_at = now()
           WHERE id = $1 AND finished_at IS NULL""",
        run_project_id, state.value, why, code, file,
    )  # fmt: skip


def _project(row: Row) -> RunProject:
    return RunProject(
        state=ProjectState(row["state"]),
        sha256=_hex(row["sha256"]),
        manifest_sha256=_hex(row["manifest_sha256"]),
        **{name: row[name] for name in _OF_PROJECT},
    )


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
