"""Deliveries to webhooks in numbers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from shared.webhooks.observer import DeliveryEnd


class WebhookMetrics:
    """DeliveryObserver that counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "crossdock_webhook_attempts", "Requests to webhooks.", ["result"], registry=registry
        )
        for end in DeliveryEnd:
            self._attempts.labels(end.value)

    def attempted(self, end: DeliveryEnd) -> None:
        """See DeliveryObserver."""
        self._attempts.labels(end.value).inc()
