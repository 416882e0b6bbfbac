"""Metrics of webhooks."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


class DeliveryEnd(StrEnum):
    """How one request to a webhook ended; ``FAILED`` is the last request of a delivery."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    FAILED = "failed"


class WebhookMetrics:
    """Counts requests to webhooks; without a registry nothing reads them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._attempts = Counter(
            "crossdock_webhook_attempts", "Requests to webhooks.", ["result"], registry=registry
        )
        for end in DeliveryEnd:
            self._attempts.labels(end.value)

    def count_attempt(self, end: DeliveryEnd) -> None:
        """Count a request that has ended and is recorded."""
        self._attempts.labels(end.value).inc()
