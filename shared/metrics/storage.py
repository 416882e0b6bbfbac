"""Metrics of object storage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.errors import ObjectMissing
from shared.metrics.registry import BUCKETS
from shared.storage.observed import CountBytes


class StorageMetrics:
    """Watch that counts operations and bytes, and measures durations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "crossdock_storage_open", "Operations at work now.", ["operation"], registry=registry
        )
        self._ended = Counter(
            "crossdock_storage_operations",
            "Operations that have ended.",
            ["operation", "result"],
            registry=registry,
        )
        self._duration = Histogram(
            "crossdock_storage_operation_duration_seconds",
            "Operations, a read or a write from its first byte to its last.",
            ["operation"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._bytes = Counter(
            "crossdock_storage_bytes", "Bytes read and written.", ["operation"], registry=registry
        )

    @contextmanager
    def __call__(self, operation: str) -> Iterator[CountBytes]:
        """See Watch."""
        began, result = time.monotonic(), "ok"
        opened = self._open.labels(operation)
        opened.inc()
        try:
            yield self._bytes.labels(operation).inc
        except BaseException as error:
            result = _result(error)
            raise
        finally:
            opened.dec()
            self._ended.labels(operation, result).inc()
            self._duration.labels(operation).observe(time.monotonic() - began)


def _result(error: BaseException) -> str:
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        return "abandoned"
    return "missing" if isinstance(error, ObjectMissing) else "failed"
