"""The presence of workers: how many jobs of a kind each does at once, as the rule of fairness has to know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Database, Pool
from shared.database.prolonging import attempted, repeated
from shared.jobs.models import JobKind

_SILENT = timedelta(days=1)
_VERSION = version("crossdock")
_NOT_REPORTED = "presence_not_reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A worker with ``slots``, the jobs of a kind that it does at once."""

    kind: JobKind
    name: str
    slots: int


async def report(db: Database, presence: Presence) -> None:
    """Record that the worker is there now. May be repeated."""
    await db.execute(
        """INSERT INTO job_workers (kind, name, slots, version) VALUES ($1, $2, $3, $4)
           ON CONFLICT (kind, name) DO UPDATE
           SET slots = excluded.slots, version = excluded.version, seen_at = now()""",
        presence.kind.value, presence.name, presence.slots, _VERSION,
    )  # fmt: skip


async def leave(db: Database, presence: Presence) -> None:
    """Record that the worker has gone. May be repeated."""
    await db.execute(
        "DELETE FROM job_workers WHERE kind = $1 AND name = $2", presence.kind.value, presence.name
    )


@asynccontextmanager
async def keep_present(pool: Pool, presence: Presence, *, every: timedelta) -> AsyncIterator[None]:
    """Report the worker at once, and then each ``every`` while the block runs. Raises nothing of its own.

    A worker that cannot report counts as gone after its ``ttl``; it cannot claim either.
    """
    write = partial(report, pool, presence)
    await attempted(write, failure=_NOT_REPORTED, worker=presence.name)
    try:
        async with repeated(write, every=every, failure=_NOT_REPORTED, worker=presence.name):
            yield
    finally:
        with suppress(*DATABASE_ERRORS):
            await leave(pool, presence)


class PresenceExpiry:
    """Removes workers that ended without a word."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remove_workers(self) -> int:
        """Remove workers that have been silent for a day, and return how many. May be repeated."""
        gone = await self._pool.fetch(
            "DELETE FROM job_workers WHERE seen_at < now() - $1::interval RETURNING name", _SILENT
        )
        return len(gone)
