"""JSON of webhooks and their deliveries."""

from __future__ import annotations

from services.api.http.responses import timestamp
from shared.events.cloud_events import cloud_event, to_json_object
from shared.webhooks import signing
from shared.webhooks.models import Attempt, DeliveryState, Webhook, WebhookDelivery


def webhook_entity(webhook: Webhook, *, secret: bytes | None = None) -> dict[str, object]:
    """Make a webhook, with its masked URL. Only responses that set its secret show it."""
    entity: dict[str, object] = {
        "id": webhook.id,
        "project_id": webhook.project_id,
        "url": webhook.url.shown,
        "events": webhook.events,
        "description": webhook.description,
        "enabled": webhook.disabled_reason is None,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": timestamp(webhook.failing_since) if webhook.failing_since else None,
        "created_at": timestamp(webhook.created_at),
    }
    return entity if secret is None else entity | {"secret": signing.write_secret(secret)}


def delivery_entity(delivery: WebhookDelivery, *, source: str) -> dict[str, object]:
    """Make a delivery, with its event and its last attempts."""
    is_pending = delivery.state is DeliveryState.PENDING
    due_at = max(delivery.due_at, delivery.created_at)  # a test is due before all others
    return {
        "id": delivery.id,
        "state": delivery.state.value,
        "event": to_json_object(cloud_event(delivery.event, source=source)),
        "created_at": timestamp(delivery.created_at),
        "due_at": timestamp(due_at) if is_pending else None,
        "finished_at": timestamp(delivery.finished_at) if delivery.finished_at else None,
        "attempts": [_attempt(each) for each in delivery.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "at": timestamp(attempt.at),
        "status": attempt.status,
        "seconds": attempt.seconds,
        "error": attempt.error,
    }
