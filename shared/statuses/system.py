"""How a whole Crossdock is, for its administrators: workers, queues, storage and maintenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import QueryCanceledError

from shared.database.pool import Connection, Pool, Row, one_moment
from shared.jobs.maintenance import TaskRun, list_runs

_PATIENCE = timedelta(seconds=2)
"""How long the objects of the ledger are counted: of tens of millions nobody waits for the sum."""

_MOST_WORKERS = 1000
_MOST_RUNNING = 100
"""The number of workers that are told, the newest first, and of the jobs that each is at."""

_WORKERS = """SELECT w.kind, w.name, w.slots, w.version, w.seen_at,
        w.seen_at <= now() - $3::interval AS is_silent, coalesce(
        (SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM jobs j WHERE j.state = 'running'
             AND j.kind = w.kind AND j.worker = w.name ORDER BY id LIMIT $2) own), '{}') AS running
    FROM job_workers w ORDER BY w.seen_at DESC, w.kind, w.name LIMIT $1"""
_QUEUES = """SELECT kinds.kind, coalesce(w.slots, 0) AS slots, coalesce(q.waiting, 0) AS waiting,
        coalesce(q.due, 0) AS due, coalesce(q.running, 0) AS running, q.oldest AS oldest_waiting_since
    FROM (SELECT kind FROM job_workers UNION SELECT kind FROM jobs WHERE state IN ('queued', 'running')) kinds
    LEFT JOIN (SELECT kind, sum(slots)::bigint AS slots FROM job_workers
               WHERE seen_at > now() - $1::interval GROUP BY kind) w ON w.kind = kinds.kind
    LEFT JOIN (SELECT kind, count(*) FILTER (WHERE state = 'queued') AS waiting,
                   count(*) FILTER (WHERE state = 'queued' AND not_before <= now()) AS due,
                   count(*) FILTER (WHERE state = 'running') AS running,
                   min(not_before) FILTER (WHERE state = 'queued' AND not_before <= now()) AS oldest
               FROM jobs WHERE state IN ('queued', 'running') GROUP BY kind) q ON q.kind = kinds.kind
    ORDER BY kinds.kind"""
_STORAGE = """SELECT kind, count(*) AS objects, coalesce(sum(size), 0)::bigint AS bytes,
                     count(*) FILTER (WHERE state = 'damaged') AS damaged
              FROM objects GROUP BY kind ORDER BY kind"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """A worker that was there in the last day, and the jobs that it is at, 100 at most.

    One that ``is_silent`` has probably gone.
    """

    kind: str
    name: str
    slots: int
    version: str | None
    seen_at: datetime
    is_silent: bool
    running: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The jobs of a kind that wait, of which some are due, and that run; and the slots of its workers."""

    kind: str
    slots: int
    waiting: int
    due: int
    running: int
    oldest_waiting_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKind:
    """The objects of a kind in the ledger, with their bytes, and how many of them are damaged."""

    kind: str
    objects: int
    bytes: int
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """How a whole Crossdock is. ``storage`` is None where counting took too long."""

    schema: int
    postgres: str
    workers: Sequence[SeenWorker]
    queues: Sequence[Queue]
    tasks: Sequence[TaskRun]
    suspects: int
    storage: Sequence[StoredKind] | None


async def read_system(pool: Pool, *, silence: timedelta, patience: timedelta = _PATIENCE) -> SystemStatus:
    """Read it by six statements, the last of which may take as long as ``patience``.

    The slots of a queue are those of workers that were not silent for ``silence``.
    """
    async with one_moment(pool) as db:
        versions = await _versions(db)
        workers = await db.fetch(_WORKERS, _MOST_WORKERS, _MOST_RUNNING, silence)
        queues = await db.fetch(_QUEUES, silence)
        tasks = await list_runs(db)
    return SystemStatus(
        schema=versions["schema"],
        postgres=versions["postgres"],
        suspects=versions["suspects"],
        workers=[SeenWorker(**dict(row)) for row in workers],
        queues=[Queue(**dict(row)) for row in queues],
        tasks=tasks,
        storage=await _read_storage(pool, patience),
    )


async def _versions(db: Connection) -> Row:
    row = await db.fetchrow(
        """SELECT (SELECT max(number) FROM schema_migrations) AS schema,
                  current_setting('server_version') AS postgres,
                  (SELECT count(*) FROM suspects) AS suspects"""
    )
    assert row is not None  # noqa: S101  # a row without a table
    return row


async def _read_storage(pool: Pool, patience: timedelta) -> list[StoredKind] | None:
    try:
        async with one_moment(pool) as db:
            milliseconds = str(max(1, patience // timedelta(milliseconds=1)))
            await db.execute("SELECT set_config('statement_timeout', $1, true)", milliseconds)
            return [StoredKind(**dict(row)) for row in await db.fetch(_STORAGE)]
    except QueryCanceledError:
        return None
