"""Events in Postgres. They are written by a trigger of the table of jobs (``functions.sql``)."""

from __future__ import annotations

from collections.abc import Sequence

from shared.database.pool import Database, Row
from shared.events.models import Event

CHANNEL = "crossdock_events"
"""What is notified when an event is committed."""

_COLUMNS = (
    "id", "name", "job_id", "project_id", "subject", "correlation_id", "traceparent", "data", "created_at"
)  # fmt: skip


def event_of(row: Row) -> Event:
    """Make an event of its row."""
    return Event(**{column: row[column] for column in _COLUMNS})


async def unpublished(db: Database, *, limit: int) -> list[Event]:
    """Give events that are still to be published, those of one job in their order."""
    rows = await db.fetch("SELECT * FROM events WHERE published_at IS NULL ORDER BY id LIMIT $1", limit)
    return [event_of(row) for row in rows]


async def mark_published(db: Database, events: Sequence[Event]) -> None:
    """Note that the broker has taken them; one that was replaced meanwhile is no loss."""
    await db.execute(
        "UPDATE events SET published_at = now() WHERE id = ANY($1)", [each.id for each in events]
    )
