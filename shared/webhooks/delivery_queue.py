"""The queue of deliveries: turns, due deliveries, and outcomes. The clock is the database's.

One process at a time sends to a webhook, one delivery after the other: a receiver is never flooded, and a
slow one does not hold up the others. A turn lasts for ``BELIEVED_FOR`` after each delivery, which is longer
than one delivery takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec

from shared.database.pool import Database, Pool
from shared.webhooks.models import Attempt, DeliveryState, Webhook, WebhookDelivery
from shared.webhooks.store import COLUMNS, IS_SEALED, READY, delivery_of, webhook_of

BELIEVED_FOR = timedelta(seconds=60)

_KEPT_ATTEMPTS = 20
_LONGEST_PAUSE = timedelta(minutes=5)
_MOST_DOUBLINGS = 16
# Deliveries of one job are sent in order: the next waits until the one before is delivered or has failed.
_DUE = """d.state = 'pending' AND d.due_at <= now() AND NOT EXISTS (
    SELECT FROM webhook_deliveries b
    WHERE b.webhook_id = d.webhook_id AND b.job_id = d.job_id AND b.id < d.id AND b.state = 'pending')"""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right of one sender to send to a webhook."""

    webhook_id: int
    sender: UUID


async def claim(db: Database) -> Turn | None:
    """Take a turn at the webhook that has waited longest with a due delivery; None where there is none.

    A webhook of a version before waits until it is sealed.
    """
    sender = uuid4()
    webhook_id = await db.fetchval(
        f"""UPDATE webhooks SET sender = $1, sending_until = now() + $2::interval WHERE id = (
                SELECT w.id FROM webhooks w
                WHERE {IS_SEALED} AND w.disabled_reason IS NULL
                  AND w.resume_at <= now() AND w.sending_until <= now()
                  AND EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND {_DUE})
                ORDER BY w.sending_until LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING id""",  # noqa: S608  # fixed texts
        sender, BELIEVED_FOR,
    )  # fmt: skip
    return None if webhook_id is None else Turn(webhook_id, sender)


async def hold(db: Database, turn: Turn) -> Webhook | None:
    """Prolong a turn, and give the webhook as it is now; None where the turn is over."""
    row = await db.fetchrow(
        f"""UPDATE webhooks SET sending_until = now() + $3::interval
            WHERE id = $1 AND sender = $2 AND disabled_reason IS NULL RETURNING {COLUMNS}""",  # noqa: S608  # fixed texts
        turn.webhook_id, turn.sender, BELIEVED_FOR,
    )  # fmt: skip
    return None if row is None else webhook_of(row)


async def find_due(db: Database, webhook_id: int) -> WebhookDelivery | None:
    """Find the delivery that has been due for the longest time."""
    row = await db.fetchrow(
        f"""SELECT d.* FROM webhook_deliveries d WHERE d.webhook_id = $1 AND {_DUE}
            ORDER BY d.due_at, d.id LIMIT 1""",  # noqa: S608  # fixed texts
        webhook_id,
    )  # fmt: skip
    return None if row is None else delivery_of(row)


async def release(db: Database, turn: Turn) -> None:
    """End a turn, so that any sender may take the next one."""
    await db.execute(
        "UPDATE webhooks SET sender = NULL, sending_until = now() WHERE id = $1 AND sender = $2",
        turn.webhook_id, turn.sender,
    )  # fmt: skip


async def record_delivered(pool: Pool, delivery: WebhookDelivery, attempt: Attempt) -> None:
    """Record a delivery that was accepted, which ends every pause of its webhook."""
    async with pool.acquire() as db, db.transaction():
        await _note(db, delivery, attempt, DeliveryState.DELIVERED)
        await db.execute(f"UPDATE webhooks SET {READY} WHERE id = $1", delivery.webhook_id)  # noqa: S608  # fixed texts


async def record_refused(
    pool: Pool, delivery: WebhookDelivery, attempt: Attempt, *, again_in: timedelta | None
) -> None:
    """Record a failed attempt; the delivery is due after ``again_in``, or has failed where that is None.

    Later deliveries of the same job wait for it. The webhook gets a pause of one second to five minutes.
    """
    async with pool.acquire() as db, db.transaction():
        if again_in is None:
            await _note(db, delivery, attempt, DeliveryState.FAILED)
        else:
            await _note(db, delivery, attempt, DeliveryState.PENDING)
            await db.execute(
                """UPDATE webhook_deliveries SET due_at = greatest(due_at, now() + $4::interval)
                   WHERE webhook_id = $1 AND job_id = $2 AND id >= $3 AND state = 'pending'""",
                delivery.webhook_id, delivery.event.job_id, delivery.id, again_in,
            )  # fmt: skip
        await db.execute(
            """UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
                   resume_at = now() + least(interval '1 second' * 2 ^ least(failures, $2), $3::interval)
               WHERE id = $1""",
            delivery.webhook_id, _MOST_DOUBLINGS, _LONGEST_PAUSE,
        )  # fmt: skip


async def _note(db: Database, delivery: WebhookDelivery, attempt: Attempt, state: DeliveryState) -> None:
    """Record an attempt and the state of the delivery, unless another process has recorded its end."""
    await db.execute(
        f"""UPDATE webhook_deliveries SET state = $3, tries = tries + 1,
                finished_at = CASE WHEN $3 <> 'pending' THEN now() END,
                attempts = (SELECT jsonb_agg(a ORDER BY n) FROM (
                    SELECT a, n FROM jsonb_array_elements(attempts || $2::jsonb) WITH ORDINALITY AS each(a, n)
                    ORDER BY n DESC LIMIT {_KEPT_ATTEMPTS}) AS kept)
            WHERE id = $1 AND state = 'pending'""",  # noqa: S608  # fixed texts
        delivery.id, [msgspec.to_builtins(attempt)], state.value,
    )  # fmt: skip
