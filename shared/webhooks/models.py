"""Webhooks and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.events.models import Event


class DeliveryState(StrEnum):
    """``PENDING`` is still to be sent, or to be sent again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedUrl:
    """A URL as it may be shown, and as ``sealed_webhooks.py`` opens it."""

    shown: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook; ``project_id`` is None where it receives the events of all projects.

    The secrets sign each request, the newest first. ``failing_since`` is the time of the first failure since
    the last success.
    """

    id: int
    project_id: int | None
    url: SealedUrl
    events: Sequence[str]
    description: str
    sealed_secrets: Sequence[bytes] = field(repr=False)
    disabled_reason: str | None
    created_at: datetime
    failing_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request: its ``status``, None where there was no answer, and its error.

    ``timed_out``: there was no answer before the deadline.
    """

    at: datetime
    status: int | None
    seconds: float
    error: str | None
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One event for one webhook.

    ``attempts`` are the latest ones; ``tries`` counts those since the delivery was last started, up to the
    limit; ``due_at`` is when it is sent next.
    """

    id: int
    webhook_id: int
    event: Event
    state: DeliveryState
    attempts: Sequence[Attempt]
    tries: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
