"""Metrics of requests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.api.http.observation import RequestSummary
from shared.metrics.registry import QUICK_BUCKETS


class RequestMetrics:
    """Counts requests. Without a registry it makes one of its own, for tests.

    The histogram has no label for the status, which would make it ten times as large. Methods neither raise
    nor block.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        route = ["route", "method"]
        self._at_work = Gauge("crossdock_http_requests_at_work", "Requests at work now.", registry=registry)
        self._requests = Counter(
            "crossdock_http_requests", "Requests that are over.", [*route, "status"], registry=registry
        )
        self._duration = Histogram(
            "crossdock_http_request_duration_seconds",
            "Requests, from their head to the end of the answer.",
            route,
            buckets=QUICK_BUCKETS,
            registry=registry,
        )
        self._received = Counter(
            "crossdock_http_received_bytes", "Bytes of the bodies of requests.", route, registry=registry
        )
        self._sent = Counter("crossdock_http_sent_bytes", "Bytes of answers.", route, registry=registry)
        self._limited = Counter(
            "crossdock_rate_limited", "Requests that a rate limit refused.", ["limit"], registry=registry
        )

        self._by_route: dict[tuple[str, str], tuple[Histogram, Counter, Counter]] = {}

    def count_begin(self) -> None:
        """Count the begin of a request. The caller calls ``count_end`` at its end in any case."""
        self._at_work.inc()

    def count_end(self, answered: RequestSummary) -> None:
        """Count the end of a request."""
        route = answered.route, answered.method
        self._at_work.dec()
        self._requests.labels(*route, str(answered.status)).inc()
        duration, received, sent = self._of(route)
        duration.observe(answered.lasted.total_seconds())
        received.inc(answered.received)
        sent.inc(answered.sent)

    def _of(self, route: tuple[str, str]) -> tuple[Histogram, Counter, Counter]:
        """Give the metrics of a route. To look them up by labels costs as much as to count."""
        if route not in self._by_route:
            received, sent = self._received.labels(*route), self._sent.labels(*route)
            self._by_route[route] = self._duration.labels(*route), received, sent
        return self._by_route[route]

    def count_refusal(self, limit: str) -> None:
        """Count a request that the rate limit with this name refused."""
        self._limited.labels(limit).inc()
