"""Metrics of connections."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.listener.connection import Ending
from services.listener.connections import Connections
from services.listener.phase import Phase


class ConnectionMetrics:
    """Counts connections. Without a registry it makes one of its own, for tests."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._open = Gauge("crossdock_http_connections", "Open connections.", ["phase"], registry=registry)
        self._most = Gauge("crossdock_http_connections_max", "The most that may be open.", registry=registry)
        self._closed = Counter(
            "crossdock_http_connections_closed",
            "Connections that have ended or were refused.",
            ["reason"],
            registry=registry,
        )

    def watch(self, connections: Connections) -> None:
        """Read the number of open connections whenever metrics are collected."""
        self._most.set(connections.limits.most)
        for phase in Phase:
            self._open.labels(phase.value).set_function(partial(connections.count, phase))

    def count_end(self, ending: Ending) -> None:
        """Count a connection that has ended or was refused."""
        self._closed.labels(ending.value).inc()
