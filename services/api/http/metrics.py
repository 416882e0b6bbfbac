"""Requests and commands in numbers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.api.http.observation import Answered
from services.api.queue.observation import CommandEnd
from shared.metrics.registry import QUICK_BUCKETS


class RequestMetrics:
    """RequestObserver that counts. The histogram is not by status, which would make it ten times as large."""

    def __init__(self, registry: CollectorRegistry) -> None:
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

    def began(self) -> None:
        """See RequestObserver."""
        self._at_work.inc()

    def answered(self, answered: Answered) -> None:
        """See RequestObserver."""
        route = answered.route, answered.method
        self._at_work.dec()
        self._requests.labels(*route, str(answered.status)).inc()
        self._duration.labels(*route).observe(answered.lasted.total_seconds())
        self._received.labels(*route).inc(answered.received)
        self._sent.labels(*route).inc(answered.sent)

    def limited(self, limit: str) -> None:
        """See RequestObserver."""
        self._limited.labels(limit).inc()


class CommandMetrics:
    """CommandObserver that counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._commands = Counter(
            "crossdock_commands", "Commands of other systems, by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        for end in CommandEnd:  # a counter that begins at one has not increased, to an alert
            self._commands.labels(end.value)

    def ended(self, end: CommandEnd) -> None:
        """See CommandObserver."""
        self._commands.labels(end.value).inc()
