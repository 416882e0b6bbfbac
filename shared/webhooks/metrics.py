"""Deliveries to webhooks in numbers."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


class DeliveryEnd(StrEnum):
    """How one request to a webhook ended; ``FAILED`` was the last one."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    FAILED = "failed"


class WebhookMetrics:
    """Counts requests to webhooks; without a registry, where nobody reads it."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._attempts = Counter(
            "crossdock_webhook_attempts", "Requests to webhooks.", ["result"], registry=registry
        )
        for end in DeliveryEnd:
            self._attempts.labels(end.value)

    def attempted(self, end: DeliveryEnd) -> None:
        """Count a request that is over, and noted."""
        self._attempts.labels(end.value).inc()
