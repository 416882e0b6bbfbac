"""What maintenance did last, as administrators are told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.database.pool import Database, Pool

_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """When a task ran last, for how long, how much it did, and its error if it failed."""

    task: str
    run_at: datetime
    seconds: float
    amount: int
    error: str | None


class MaintenanceRecord:
    """Writes the last runs of all tasks by one statement, once in a while: nobody waits for it."""

    def __init__(self, pool: Pool, runs: Mapping[str, TaskRun]) -> None:
        self._pool = pool
        self._runs = runs

    async def write_runs(self) -> int:
        """Write the last run of each task, and return how many there are. May be repeated."""
        runs = list(self._runs.values())
        await self._pool.execute(
            """INSERT INTO maintenance_runs (task, run_at, seconds, amount, error)
               SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::real[], $4::bigint[], $5::text[])
               ON CONFLICT (task) DO UPDATE SET run_at = excluded.run_at, seconds = excluded.seconds,
                   amount = excluded.amount, error = excluded.error""",
            [each.task for each in runs], [each.run_at for each in runs], [each.seconds for each in runs],
            [each.amount for each in runs], [each.error and each.error[:_LONGEST_ERROR] for each in runs],
        )  # fmt: skip
        return len(runs)


async def list_runs(db: Database) -> list[TaskRun]:
    """List the last run of each task."""
    rows = await db.fetch("SELECT task, run_at, seconds, amount, error FROM maintenance_runs ORDER BY task")
    return [TaskRun(**dict(row)) for row in rows]
