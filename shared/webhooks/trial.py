"""A test event: a delivery that a user asks for, to see whether a webhook takes what it is sent."""

from __future__ import annotations

from collections.abc import Mapping

from shared.database.pool import Database
from shared.errors import Conflict
from shared.webhooks.models import Webhook, WebhookDelivery
from shared.webhooks.store import NOTIFY, READY, delivery_of

TEST_EVENT = "webhook.test"
"""The name of a test event, which no job's event has."""


class WebhookDisabled(Conflict):
    """The webhook is disabled, and nothing is sent to it. Enable it first."""

    code = "webhook_disabled"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the webhook is disabled: {reason}")


def is_test(delivery: WebhookDelivery) -> bool:
    """Tell whether a delivery is a test, which is sent once."""
    return delivery.event.name == TEST_EVENT


async def queue_test(
    db: Database, webhook: Webhook, *, data: Mapping[str, object], correlation_id: str
) -> WebhookDelivery:
    """Queue a test event, and end the pause of the webhook: a user wants the answer now.

    Its id is taken from the ids of events, so that a receiver sees no id twice. It is due before all others,
    whose failure would put it off. Raises WebhookDisabled.
    """
    row = await db.fetchrow(
        f"""WITH ready AS (UPDATE webhooks SET {READY} WHERE id = $1 AND disabled_reason IS NULL
                               RETURNING id, project_id),
                 test AS (INSERT INTO webhook_deliveries (webhook_id, job_id, due_at, event)
                     SELECT ready.id, 0, 'epoch', jsonb_build_object(
                         'id', nextval(pg_get_serial_sequence('events', 'id')), 'name', $2::text, 'job_id', 0,
                         'project_id', coalesce(p.id, 0),
                         'subject', coalesce(n.full_path || '/' || p.path, ''),
                         'correlation_id', $3::text, 'traceparent', NULL, 'data', $4::jsonb,
                         'created_at', clock_timestamp())
                     FROM ready LEFT JOIN projects p ON p.id = ready.project_id
                         LEFT JOIN namespaces n ON n.id = p.namespace_id
                     RETURNING *)
            SELECT test.*, {NOTIFY} FROM test""",  # noqa: S608  # fixed texts
        webhook.id, TEST_EVENT, correlation_id, data,
    )  # fmt: skip
    if row is None:
        raise WebhookDisabled(webhook.disabled_reason or "it is gone")
    return delivery_of(row)
