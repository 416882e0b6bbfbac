"""Events of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the table of events.

    ``name`` is the kind of the job and what happened (``import.finished``).

    ``id`` grows with every event of one job. ``subject`` is the full path that the project had then. A live
    one is no row: it is the progress of a running job, with the id of the job's last event.
    """

    id: int
    name: str
    job_id: int
    project_id: int
    subject: str
    correlation_id: str
    traceparent: str | None
    data: Mapping[str, object]
    created_at: datetime
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class LastWord:
    """The last event of a job, and the times when the job was queued and when it started.

    The event has the time of the job's end, and no id.
    """

    event: Event
    first_at: datetime
    started_at: datetime | None
