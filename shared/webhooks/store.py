"""Webhooks in Postgres, and the lists of their deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from asyncpg import ForeignKeyViolationError

from shared.database.pool import Database, Row
from shared.errors import Conflict, Missing
from shared.events.models import Event
from shared.remote.masking import mask_url
from shared.webhooks.models import Attempt, DeliveryState, SealedUrl, Webhook, WebhookDelivery

OVERLAP = timedelta(hours=24)
"""How long an old secret goes on to sign, so that receivers can replace theirs."""

_OWN = "project_id IS NOT DISTINCT FROM $1"
_CHANGEABLE = ("events", "description")
READY = "failures = 0, timeouts = 0, failing_since = NULL, resume_at = now()"
"""SQL that ends every pause of a webhook."""

CHANNEL = "crossdock_webhooks"
"""The channel on which a commit notifies that makes deliveries due."""

NOTIFY = f"pg_notify('{CHANNEL}', '')"

IS_SEALED = "(url = '' AND secret = '' AND coalesce(old_secret, '') = '')"
"""SQL: nothing of the webhook is in clear any more, as services of versions before write it."""


class TooManyWebhooks(Conflict):
    """The project has as many webhooks as one project may have: delete some first."""

    code = "too_many_webhooks"

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} webhooks of one project, or of all projects together")


class WebhookProjectGone(Missing):
    """The project was deleted in the same moment."""

    code = "webhook_project_gone"


def webhook_of(row: Row) -> Webhook:
    """Make a webhook of its row, whose ``signs_twice`` says whether the old secret still signs.

    Of a row that is not sealed yet, what would be secret is empty.
    """
    secrets = (row["sealed_secret"], row["sealed_old_secret"] if row["signs_twice"] else None)
    return Webhook(
        id=row["id"],
        project_id=row["project_id"],
        url=SealedUrl(
            shown=mask_url(row["url"]) if row["url"] else row["shown_url"], sealed=row["sealed_url"] or b""
        ),
        events=row["events"],
        description=row["description"],
        sealed_secrets=[each for each in secrets if each is not None],
        disabled_reason=row["disabled_reason"],
        created_at=row["created_at"],
        failing_since=row["failing_since"],
    )


COLUMNS = "*, coalesce(old_secret_until > now(), false) AS signs_twice"
"""The columns that ``webhook_of`` reads."""


async def create(  # what a webhook is made of
    db: Database,
    *,
    project_id: int | None,
    url: SealedUrl,
    events: Sequence[str],
    description: str,
    sealed_secret: bytes,
    limit: int,
) -> Webhook:
    """Insert a webhook. Raises TooManyWebhooks if ``project_id`` has ``limit``, and WebhookProjectGone.

    In a transaction, it locks the project's row: two creations at once must not both be the last.
    """
    try:
        await db.execute("SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE", project_id)
        row = await db.fetchrow(
            f"""INSERT INTO webhooks (project_id, shown_url, sealed_url, events, description, sealed_secret)
                SELECT $1, $2, $3, $4, $5, $6
                WHERE (SELECT count(*) FROM webhooks WHERE {_OWN}) < $7 RETURNING {COLUMNS}""",  # noqa: S608  # fixed texts
            project_id, url.shown, url.sealed, events, description, sealed_secret, limit,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise WebhookProjectGone from None
    if row is None:
        raise TooManyWebhooks(limit)
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
    """Change ``events`` or ``description``."""
    names = [name for name in _CHANGEABLE if name in changes]
    if names:
        sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(names, 2))
        await db.execute(
            f"UPDATE webhooks SET {sets} WHERE id = $1",  # noqa: S608  # fixed texts
            webhook_id, *(changes[name] for name in names),
        )  # fmt: skip


async def change_url(db: Database, webhook_id: int, url: SealedUrl) -> None:
    """Send to another URL."""
    await db.execute(
        "UPDATE webhooks SET url = '', shown_url = $2, sealed_url = $3 WHERE id = $1",
        webhook_id, url.shown, url.sealed,
    )  # fmt: skip


async def enable(db: Database, webhook_id: int) -> None:
    """Send to the webhook again, at once; also the deliveries that wait since it was disabled."""
    await db.execute(
        f"""WITH ready AS (UPDATE webhooks SET disabled_reason = NULL, {READY} WHERE id = $1)
            SELECT {NOTIFY}""",  # noqa: S608  # fixed texts
        webhook_id,
    )


async def disable(db: Database, webhook_id: int, reason: str) -> None:
    """Send nothing more, and record no new deliveries.

    Those that wait are kept for the retention of events.
    """
    await db.execute("UPDATE webhooks SET disabled_reason = $2 WHERE id = $1", webhook_id, reason)


async def rotate(db: Database, webhook_id: int, sealed_secret: bytes) -> None:
    """Replace the secret; the old one signs as well for ``OVERLAP``. One that is in clear is sealed later."""
    await db.execute(
        """UPDATE webhooks SET old_secret = nullif(secret, ''), secret = '', sealed_secret = $2,
               sealed_old_secret = CASE secret WHEN '' THEN sealed_secret END,
               old_secret_until = now() + $3::interval
           WHERE id = $1""",
        webhook_id, sealed_secret, OVERLAP,
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
        f"""WITH due AS (UPDATE webhook_deliveries SET state = 'pending', tries = 0, due_at = now(),
                             finished_at = NULL WHERE id = $1)
            SELECT {NOTIFY}""",  # noqa: S608  # fixed texts
        delivery_id,
    )
