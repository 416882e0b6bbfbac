"""Webhooks in Postgres, and the lists of their deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from asyncpg import ForeignKeyViolationError

from shared.database.pool import Database, Row
from shared.errors import Conflict, Missing
from shared.events.models import Event
from shared.webhooks.models import Attempt, DeliveryState, Webhook, WebhookDelivery

MOST = 100
"""The most webhooks of one project, and of those that receive the events of all projects."""

OVERLAP = timedelta(hours=24)
"""How long an old secret goes on to sign, so that receivers can replace theirs."""

_OWN = "project_id IS NOT DISTINCT FROM $1"
_CHANGEABLE = ("url", "events", "description")
READY = "failures = 0, failing_since = NULL, resume_at = now()"
"""SQL that ends every pause of a webhook."""


class TooManyWebhooks(Conflict):
    """The limit of webhooks is reached."""

    code = "too_many_webhooks"

    def __init__(self) -> None:
        super().__init__(f"over the limit of {MOST} webhooks")


class WebhookProjectGone(Missing):
    """The project was deleted in the same moment."""

    code = "webhook_project_gone"


def webhook_of(row: Row) -> Webhook:
    """Make a webhook of its row, whose ``signs_twice`` says whether the old secret still signs."""
    return Webhook(
        id=row["id"],
        project_id=row["project_id"],
        url=row["url"],
        events=row["events"],
        description=row["description"],
        secrets=[row["secret"], row["old_secret"]] if row["signs_twice"] else [row["secret"]],
        disabled_reason=row["disabled_reason"],
        created_at=row["created_at"],
        failing_since=row["failing_since"],
    )


COLUMNS = "*, coalesce(old_secret_until > now(), false) AS signs_twice"
"""The columns that ``webhook_of`` reads."""


async def create(
    db: Database, *, project_id: int | None, url: str, events: Sequence[str], description: str, secret: bytes
) -> Webhook:
    """Insert a webhook. Raises TooManyWebhooks and WebhookProjectGone."""
    try:
        row = await db.fetchrow(
            f"""INSERT INTO webhooks (project_id, url, events, description, secret) SELECT $1, $2, $3, $4, $5
                WHERE (SELECT count(*) FROM webhooks WHERE {_OWN}) < {MOST} RETURNING {COLUMNS}""",  # noqa: S608  # fixed texts
            project_id, url, events, description, secret,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise WebhookProjectGone from None
    if row is None:
        raise TooManyWebhooks
    return webhook_of(row)


async def list_all(db: Database, project_id: int | None) -> list[Webhook]:
    """List the webhooks of a project, or for None those of all projects together; the oldest first."""
    rows = await db.fetch(f"SELECT {COLUMNS} FROM webhooks WHERE {_OWN} ORDER BY id", project_id)  # noqa: S608  # fixed texts
    return [webhook_of(row) for row in rows]


async def find(db: Database, project_id: int | None, webhook_id: int) -> Webhook | None:
    """Find a webhook of a project, or for None one of all projects together."""
    row = await db.fetchrow(
        f"SELECT {COLUMNS} FROM webhooks WHERE {_OWN} AND id = $2",  # noqa: S608  # fixed texts
        project_id, webhook_id,
    )  # fmt: skip
    return None if row is None else webhook_of(row)


async def change(db: Database, webhook_id: int, changes: Mapping[str, object]) -> None:
    """Change ``url``, ``events`` or ``description``."""
    names = [name for name in _CHANGEABLE if name in changes]
    if names:
        sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, 2))
        await db.execute(
            f"UPDATE webhooks SET {sets} WHERE id = $1",  # noqa: S608  # fixed texts
            webhook_id, *(changes[name] for name in names),
        )  # fmt: skip


async def enable(db: Database, webhook_id: int) -> None:
    """Send to the webhook again, at once; also the deliveries that wait since it was disabled."""
    await db.execute(f"UPDATE webhooks SET disabled_reason = NULL, {READY} WHERE id = $1", webhook_id)  # noqa: S608  # fixed texts


async def disable(db: Database, webhook_id: int, reason: str) -> None:
    """Send nothing more, and record no new deliveries.

    Those that wait are kept for the retention of events.
    """
    await db.execute("UPDATE webhooks SET disabled_reason = $2 WHERE id = $1", webhook_id, reason)


async def rotate(db: Database, webhook_id: int, secret: bytes) -> None:
    """Replace the secret; the old one signs as well for ``OVERLAP``."""
    await db.execute(
        """UPDATE webhooks SET old_secret = secret, old_secret_until = now() + $3::interval, secret = $2
           WHERE id = $1""",
        webhook_id, secret, OVERLAP,
    )  # fmt: skip


async def delete(db: Database, webhook_id: int) -> None:
    """Delete a webhook and its deliveries."""
    await db.execute("DELETE FROM webhooks WHERE id = $1", webhook_id)


def delivery_of(row: Row) -> WebhookDelivery:
    """Make a delivery of its row."""
    return WebhookDelivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event=msgspec.convert(row["event"], Event),
        state=DeliveryState(row["state"]),
        attempts=msgspec.convert(row["attempts"], list[Attempt]),
        tries=row["tries"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


async def list_deliveries(
    db: Database, webhook_id: int, *, state: DeliveryState | None, below: int | None, limit: int
) -> list[WebhookDelivery]:
    """List deliveries, the newest first; with ``below`` only those with a lower id."""
    rows = await db.fetch(
        """SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2)
           AND ($3::bigint IS NULL OR id < $3) ORDER BY id DESC LIMIT $4""",
        webhook_id, state, below, limit,
    )  # fmt: skip
    return [delivery_of(row) for row in rows]


async def find_delivery(db: Database, webhook_id: int, delivery_id: int) -> WebhookDelivery | None:
    """Find a delivery of a webhook."""
    row = await db.fetchrow(
        "SELECT * FROM webhook_deliveries WHERE webhook_id = $1 AND id = $2", webhook_id, delivery_id
    )
    return None if row is None else delivery_of(row)


async def send_again(db: Database, delivery_id: int) -> None:
    """Make a delivery due now, however it ended, with as many attempts as a new one."""
    await db.execute(
        """UPDATE webhook_deliveries SET state = 'pending', tries = 0, due_at = now(), finished_at = NULL
           WHERE id = $1""",
        delivery_id,
    )
