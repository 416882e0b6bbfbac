"""The progress of running jobs as their rows have it now, for streams: nothing is written for that.

Events of progress are rows, which are published and delivered, so that a job has one in five seconds at most.
Readers of streams want one each second. All streams of a process share one statement a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.database.pool import Database, Pool
from shared.events.models import Event
from shared.events.store import event_of

EVERY = timedelta(seconds=1)
MOST = 1000
"""The number of running jobs whose progress is read, the oldest ones."""

_RUNNING = """SELECT coalesce((SELECT max(e.id) FROM events e WHERE e.job_id = j.id), 0) AS id,
       shown_kind(j.kind) || '.progress' AS name, j.id AS job_id, j.project_id,
       path.of_project AS subject, j.correlation_id, j.traceparent,
       data_of_job_event(j, path.of_project, NULL, NULL) AS data, clock_timestamp() AS created_at
FROM jobs j JOIN projects p ON p.id = j.project_id JOIN namespaces n ON n.id = p.namespace_id
    CROSS JOIN LATERAL (SELECT n.full_path || '/' || p.path AS of_project) path
WHERE j.state = 'running' AND j.progress <> '{}' ORDER BY j.id LIMIT $1"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the running jobs told; ``began`` is when they were asked, by the clock of the event loop.

    The id of each event is that of the job's last stored event at that time.
    """

    began: float
    events: Sequence[Event]


class LiveProgress:
    """Reads the progress of all running jobs, once in ``every`` at most, for however many ask."""

    def __init__(self, pool: Pool, *, every: timedelta = EVERY) -> None:
        self._pool = pool
        self._every = every.total_seconds()
        self._reading: Reading | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> Reading:
        """Return a reading that is not older than ``every``."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self._reading is None or clock() >= self._reading.began + self._every:
                self._reading = Reading(clock(), await list_progress(self._pool))
            return self._reading


class ProgressTeller:
    """Tells one stream what is new in the progress of the jobs that it shows."""

    def __init__(self, live: LiveProgress, *, shows: Callable[[Event], bool]) -> None:
        self._live = live
        self._shows = shows
        self._told: dict[int, object] = {}

    async def tell(self, *, since: float, up_to: int) -> list[Event]:
        """Return progress that was not told yet, of jobs with no event after ``up_to``.

        There is none where the reading is from before ``since``, when the stream last read its events: a job
        in it may have ended by then.
        """
        reading = await self._live.read()
        if reading.began < since:
            return []
        shown = [each for each in reading.events if self._shows(each)]
        new = [
            each
            for each in shown
            if each.id <= up_to and self._told.get(each.job_id) != each.data["progress"]
        ]
        running = {each.job_id for each in shown}
        self._told = {job: told for job, told in self._told.items() if job in running}
        self._told |= {each.job_id: each.data["progress"] for each in new}
        return new


async def list_progress(db: Database) -> list[Event]:
    """List the progress of jobs that run, as events that are not stored."""
    return [replace(event_of(row), is_live=True) for row in await db.fetch(_RUNNING, MOST)]


def without_relations(event: Event) -> Event:
    """Leave the counts of relations out, of which there may be 200: a list of jobs does not show them."""
    progress = event.data["progress"]
    assert isinstance(progress, dict)  # noqa: S101  # as heartbeats write it
    own = {name: value for name, value in progress.items() if name != "relations"}
    return replace(event, data={**event.data, "progress": own})
