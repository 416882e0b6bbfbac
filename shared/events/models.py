"""What an event is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the table of events: ``name`` says of which kind of job and what (``import.finished``).

    ``id`` grows with every event of one job. ``subject`` is the project's full path at that time.
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
