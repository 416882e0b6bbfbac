"""Metrics of the pool of connections to Postgres."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.database.pool import Pool


class PoolCollector(Collector):
    """Reads the pool whenever metrics are collected."""

    def __init__(self, registry: CollectorRegistry, pool: Pool) -> None:
        self._pool = pool
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Give the connections by state, their maximum, and the tasks that wait for one."""
        idle = self._pool.get_idle_size()
        connections = GaugeMetricFamily(
            "crossdock_database_connections", "Connections of the pool.", labels=["state"]
        )
        connections.add_metric(["idle"], idle)
        connections.add_metric(["busy"], self._pool.get_size() - idle)
        yield connections
        yield GaugeMetricFamily(
            "crossdock_database_connections_max", "The most it opens.", self._pool.get_max_size()
        )
        yield GaugeMetricFamily(
            "crossdock_database_waiting", "Tasks that wait for one.", _waiting(self._pool)
        )


def _waiting(pool: Pool) -> int:
    queue = pool._queue  # type: ignore[attr-defined]  # noqa: SLF001  # asyncpg tells it in no other way
    return sum(not waiter.done() for waiter in queue._getters)  # noqa: SLF001  # nor does asyncio
