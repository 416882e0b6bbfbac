"""How old the last good backup of each project is, by schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.database.pool import Pool
from shared.schedules.metrics import ProjectAge, RunMetrics, ScheduleAge

MOST = 100
"""Of how many schedules metrics tell: those with the oldest backups."""

MOST_PROJECTS = 1000
"""Of how many projects they tell: those with the oldest backups, so that there are never more series."""

_GOOD = """WITH last AS (
    SELECT DISTINCT ON (r.schedule_id) r.id, r.schedule_id FROM schedule_runs r
        JOIN schedules s ON s.id = r.schedule_id AND s.next_run_at IS NOT NULL
    WHERE r.state IN ('finished', 'partial', 'failed') ORDER BY r.schedule_id, r.id DESC
), good AS (
    SELECT l.schedule_id, p.path, CASE WHEN p.state IN ('done', 'skipped') THEN p.finished_at ELSE (
        SELECT max(q.finished_at) FROM run_projects q JOIN schedule_runs r ON r.id = q.run_id
        WHERE q.project_id = p.project_id AND q.state IN ('done', 'skipped') AND r.schedule_id = l.schedule_id
        ) END AS at
    FROM last l JOIN run_projects p ON p.run_id = l.id AND p.project_id IS NOT NULL
)"""
_SCHEDULES = f"""{_GOOD}
SELECT schedule_id, now() - min(at) AS oldest, count(*) FILTER (WHERE at IS NULL) AS missing FROM good
GROUP BY schedule_id ORDER BY missing DESC, oldest DESC LIMIT $1"""  # noqa: S608  # fixed texts
_PROJECTS = f"""{_GOOD}
SELECT schedule_id, path, now() - at AS age FROM good WHERE at IS NOT NULL
ORDER BY at, schedule_id, path LIMIT $1"""  # noqa: S608  # as well


@dataclass(frozen=True, slots=True)
class BackupAges:
    """Reads the ages, and tells the metrics."""

    pool: Pool
    metrics: RunMetrics

    async def read(self) -> int:
        """Read them, and give of how many schedules. What was found unchanged is as good as just sent."""
        rows = await self.pool.fetch(_SCHEDULES, MOST)
        projects = await self.pool.fetch(_PROJECTS, MOST_PROJECTS) if rows else []
        self.metrics.set_ages(
            [ScheduleAge(row["schedule_id"], row["oldest"] or timedelta(0), row["missing"]) for row in rows],
            [ProjectAge(row["schedule_id"], row["path"], row["age"]) for row in projects],
        )
        return len(rows)
