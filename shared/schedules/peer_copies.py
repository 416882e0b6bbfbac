"""What schedules have fetched from peers, and sent to them, in Postgres, to skip what has not changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from shared.database.pool import Database
from shared.gitlab.relation_selection import RelationSelection

_THROTTLED = timedelta(hours=1, minutes=5)
"""A GitLab notes an activity at most once an hour: what changes within that time shows no new one."""

_DONE = """WITH ended AS (
    UPDATE run_projects p SET state = 'done', finished_at = now(),
        project_id = coalesce(p.project_id, j.project_id),
        size = coalesce((j.outcome #>> '{upload,bytes}')::bigint, (j.outcome #>> '{archive,size}')::bigint),
        sha256 = decode(j.outcome #>> '{archive,sha256}', 'hex')
    FROM jobs j WHERE p.run_id = $1 AND p.state = 'queued' AND j.id = p.job_id AND j.state = 'finished'
      AND j.kind IN ('peer_import', 'peer_export')
    RETURNING p.run_id, p.project_id, p.path, p.remote_id, p.last_activity_at, p.job_id, j.payload)
INSERT INTO peer_copies (schedule_id, source_id, path, remote_id, last_activity_at, asked_at, relations)
SELECT r.schedule_id, coalesce(e.remote_id, e.project_id),
       CASE WHEN s.into_group IS NULL THEN concat_ws('/', e.payload ->> 'namespace', e.payload ->> 'path')
            ELSE s.into_group || '/' || e.path END,
       t.remote_id, e.last_activity_at, coalesce(t.asked_at, now()),
       nullif(e.payload -> 'selection', 'null'::jsonb)
FROM ended e JOIN schedule_runs r ON r.id = e.run_id JOIN schedules s ON s.id = r.schedule_id
    LEFT JOIN peer_transfers t ON t.job_id = e.job_id
ON CONFLICT (schedule_id, source_id) DO UPDATE SET path = excluded.path, remote_id = excluded.remote_id,
    last_activity_at = excluded.last_activity_at, asked_at = excluded.asked_at,
    relations = excluded.relations"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCopy:
    """A project that was fetched to, or sent to, ``path``. ``remote_id`` is what the peer made of it.

    It had ``last_activity_at`` before its export was asked for, at ``asked_at``. ``relations`` is what of it
    was taken, None for all.
    """

    path: str
    remote_id: int | None
    last_activity_at: datetime | None
    asked_at: datetime
    relations: RelationSelection | None

    def has_all_until(self, last_activity_at: datetime | None, *, is_exact: bool) -> bool:
        """Tell whether the copy has what the project has. ``is_exact``: each change is noted at once."""
        if last_activity_at is None or self.last_activity_at is None:
            return False
        is_noted = is_exact or self.asked_at - self.last_activity_at > _THROTTLED
        return last_activity_at <= self.last_activity_at and is_noted


async def find(db: Database, schedule_id: int, source_id: int) -> PeerCopy | None:
    """Find the copy of a project that a schedule has made last."""
    row = await db.fetchrow(
        """SELECT path, remote_id, last_activity_at, asked_at, relations FROM peer_copies
           WHERE schedule_id = $1 AND source_id = $2""",
        schedule_id, source_id,
    )  # fmt: skip
    if row is None:
        return None
    relations = msgspec.convert(row["relations"], RelationSelection | None)
    return PeerCopy(**{**row, "relations": relations})


async def settle(db: Database, run_id: int) -> None:
    """Take over which jobs of a run have finished that fetch from peers or send to them."""
    await db.execute(_DONE, run_id)


async def note_activity(db: Database, run_project_id: int, last_activity_at: datetime) -> None:
    """Note what the project has before its job is queued."""
    await db.execute(
        "UPDATE run_projects SET last_activity_at = $2 WHERE id = $1", run_project_id, last_activity_at
    )
