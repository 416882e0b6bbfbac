"""Rows that jobs need, and a work whose course a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from shared.database.pool import Database, Pool, database
from shared.errors import CrossdockError
from shared.jobs import store
from shared.jobs.models import ExportOrder, Job, Lease
from shared.jobs.progress import Progress
from shared.jobs.states import Move, guard

MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def migrated(url: str) -> AsyncIterator[Pool]:
    """A pool on a database with the schema, one user, its namespace and its project (all number 1)."""
    async with database(url) as pool:
        await pool.execute("INSERT INTO users (username, name) VALUES ('ann', 'Ann')")
        await pool.execute(
            """INSERT INTO namespaces (kind, owner_id, path, name, full_path, full_name)
               VALUES ('user', 1, 'ann', 'Ann', 'ann', 'Ann')"""
        )
        await pool.execute("INSERT INTO projects (namespace_id, path, name) VALUES (1, 'p', 'p')")
        yield pool


async def queued(db: Database, *, object_id: int | None = None, max_attempts: int = 5) -> Job:
    """A fresh export job of project 1."""
    return await store.enqueue(
        db, ExportOrder(), project_id=1, user_id=1, correlation_id="c", object_id=object_id,
        max_attempts=max_attempts,
    )  # fmt: skip


async def claim(db: Database, job_id: int, *, ttl: timedelta = MINUTE) -> Job | None:
    """The very job, if it is due; a worker cannot choose."""
    row = await db.fetchrow(
        f"""UPDATE jobs SET state = 'running', worker = 'w', lease = lease + 1, attempt = attempt + 1,
                   lease_expires_at = now() + $2, started_at = coalesce(started_at, now())
            WHERE id = $1 AND {guard(Move.CLAIM)} AND not_before <= now() RETURNING {store.JOB}""",  # noqa: S608  # the tests' own
        job_id, ttl,
    )  # fmt: skip
    return store.job_of(row) if row else None


async def claimed(db: Database, job: Job, *, ttl: timedelta = MINUTE) -> Lease:
    """The job, claimed."""
    taken = await claim(db, job.id, ttl=ttl)
    assert taken is not None
    return Lease(taken.id, taken.lease)


async def state_of(pool: Pool, job_id: int) -> str:
    """The state in the row."""
    state: str = await pool.fetchval("SELECT state FROM jobs WHERE id = $1", job_id)
    return state


class ScriptedWork:
    """Raises the errors it was given, one an attempt, then finishes; or waits until it is let go."""

    def __init__(self, pool: Pool, *errors: Exception) -> None:
        self._pool = pool
        self._errors = list(errors)
        self.started = asyncio.Event()
        self.released = asyncio.Event()
        self.released.set()
        self.runs = 0
        self.ended = asyncio.Event()

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """One attempt."""
        self.runs += 1
        self.started.set()
        await self.released.wait()
        if self._errors:
            raise self._errors.pop(0)
        progress.entries = 7
        await store.finish(self._pool, lease, progress=progress.report())
        self.ended.set()

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """The error as users are told it."""
        return f"job {job.id}: {error.shown}"
