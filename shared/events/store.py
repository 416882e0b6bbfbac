"""Events in Postgres. A trigger of the table of jobs writes them (``functions.sql``)."""

from __future__ import annotations

from collections.abc import Sequence

from shared.database.pool import Database, Row
from shared.events.models import Event

CHANNEL = "crossdock_events"
"""The channel on which a commit of an event notifies."""

_COLUMNS = (
    "id", "name", "job_id", "project_id", "subject", "correlation_id", "traceparent", "data", "created_at"
)  # fmt: skip


def event_of(row: Row) -> Event:
    """Make an event of its row."""
    return Event(**{column: row[column] for column in _COLUMNS})


async def list_unpublished(db: Database, *, but: Sequence[Event] = (), limit: int) -> list[Event]:
    """List events that are not yet published, those of one job in their order.

    First it records that those of ``but`` are published; one that was deleted meanwhile is no error.
    """
    rows = await db.fetch(
        """WITH marked AS (UPDATE events SET published_at = now() WHERE id = ANY($1))
           SELECT * FROM events WHERE published_at IS NULL AND id <> ALL($1) ORDER BY id LIMIT $2""",
        [each.id for each in but], limit,
    )  # fmt: skip
    return [event_of(row) for row in rows]
