"""The queue of deliveries: turns, due deliveries, and outcomes. The clock is the database's.

One process at a time sends to a webhook, one delivery after the other: a receiver is never flooded, and a
slow one does not hold up the others. A turn lasts for ``BELIEVED_FOR`` after each delivery, which is longer
than one delivery takes. Webhooks whose last request timed out come after those whose last one did not.

A webhook is locked before its deliveries, as it is by who deletes it: the other way round is a deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec

from shared.database.pool import Database, Pool
from shared.webhooks.models import Attempt, DeliveryState, Webhook, WebhookDelivery
from shared.webhooks.store import COLUMNS, IS_SEALED, READY, delivery_of, webhook_of

BELIEVED_FOR = timedelta(seconds=60)

_SLOW_AFTER = 3
"""The requests in a row that timed out, after which a webhook is slow."""

_KEPT_ATTEMPTS = 20
_LONGEST_PAUSE = timedelta(minutes=5)
_MOST_DOUBLINGS = 16
# Deliveries of one job are sent in order: the next waits until the one before is delivered or has failed.
_DUE = """d.state = 'pending' AND d.due_at <= now() AND NOT EXISTS (
    SELECT FROM webhook_deliveries b
    WHERE b.webhook_id = d.webhook_id AND b.job_id = d.job_id AND b.id < d.id AND b.state = 'pending')"""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right of one sender to send to a webhook.

    ``owner`` is the user or the group at the root of the project's path; it is empty for a webhook of all
    projects. ``is_slow``: the last three requests timed out, or more.
    """

    webhook_id: int
    sender: UUID
    owner: str
    is_slow: bool


async def claim(db: Database, *, but_of: Sequence[str] = (), slow: bool = True) -> Turn | None:
    """Take a turn at the webhook that has waited longest with a due delivery; None where there is none.

    The owners ``but_of`` are passed over and, unless ``slow``, the webhooks that are. A webhook of a version
    before waits until it is sealed.
    """
    sender = uuid4()
    row = await db.fetchrow(
        f"""WITH next AS (
                SELECT w.id, owner, w.timeouts >= $3 AS is_slow
                FROM webhooks w LEFT JOIN projects p ON p.id = w.project_id
                    LEFT JOIN namespaces n ON n.id = p.namespace_id
                    CROSS JOIN LATERAL coalesce(split_part(n.full_path, '/', 1), '') AS owner
                WHERE {IS_SEALED} AND w.disabled_reason IS NULL
                  AND w.resume_at <= now() AND w.sending_until <= now()
                  AND (w.timeouts < $3 OR $4)
                  AND owner <> ALL ($5)
                  AND EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id AND {_DUE})
                ORDER BY w.timeouts > 0, w.sending_until LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED)
            UPDATE webhooks w SET sender = $1, sending_until = now() + $2::interval
            FROM next WHERE w.id = next.id RETURNING w.id, next.owner, next.is_slow""",  # noqa: S608  # fixed texts
        sender, BELIEVED_FOR, _SLOW_AFTER, slow, list(but_of),
    )  # fmt: skip
    return None if row is None else Turn(row["id"], sender, row["owner"], row["is_slow"])


async def has_pending(db: Database) -> bool:
    """Tell whether any delivery is due, or will be without a notification."""
    pending: bool = await db.fetchval(
        """SELECT EXISTS (SELECT FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
                          WHERE w.disabled_reason IS NULL AND d.state = 'pending')"""
    )
    return pending


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


async def release_all(db: Database) -> None:
    """End every turn: the caller knows that no sender of before is alive."""
    await db.execute("UPDATE webhooks SET sender = NULL, sending_until = now() WHERE sending_until > now()")


async def record_delivered(pool: Pool, delivery: WebhookDelivery, attempt: Attempt) -> None:
    """Record a delivery that was accepted, which ends every pause of its webhook."""
    async with pool.acquire() as db, db.transaction():
        await db.execute(f"UPDATE webhooks SET {READY} WHERE id = $1", delivery.webhook_id)  # noqa: S608  # fixed texts
        await _note(db, delivery, attempt, DeliveryState.DELIVERED)


async def record_refused(
    pool: Pool, delivery: WebhookDelivery, attempt: Attempt, *, again_in: timedelta | None
) -> None:
    """Record a failed attempt; the delivery is due after ``again_in``, or has failed where that is None.

    Later deliveries of the same job wait for it. The webhook gets a pause of one second to five minutes.
    """
    async with pool.acquire() as db, db.transaction():
        await db.execute(
            """UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
                   timeouts = CASE WHEN $4 THEN timeouts + 1 ELSE 0 END,
                   resume_at = now() + least(interval '1 second' * 2 ^ least(failures, $2), $3::interval)
               WHERE id = $1""",
            delivery.webhook_id, _MOST_DOUBLINGS, _LONGEST_PAUSE, attempt.timed_out,
        )  # fmt: skip
        if again_in is None:
            await _note(db, delivery, attempt, DeliveryState.FAILED)
        else:
            await _note(db, delivery, attempt, DeliveryState.PENDING)
            await db.execute(
                """UPDATE webhook_deliveries SET due_at = greatest(due_at, now() + $4::interval)
                   WHERE webhook_id = $1 AND job_id = $2 AND id >= $3 AND state = 'pending'""",
                delivery.webhook_id, delivery.event.job_id, delivery.id, again_in,
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
