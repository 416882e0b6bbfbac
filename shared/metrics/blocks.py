"""Metrics of the checks of stored bytes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class BlockMetrics:
    """Counts blocks of objects that were not what was stored; without a registry nothing reads it."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._corrupt = Counter(
            "crossdock_storage_corrupt_blocks",
            "Blocks of objects whose checksum was wrong when they were read.",
            registry=registry or CollectorRegistry(),
        )

    def count_corrupt(self) -> None:
        """Count a block whose checksum is wrong."""
        self._corrupt.inc()
