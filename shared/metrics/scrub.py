"""Metrics of the scrub."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter


class ScrubMetrics:
    """Counts what the scrub has read and found; without a registry nothing reads it.

    ``kinds`` are those of findings: each has its series from the beginning, so that a first one is an
    increase.
    """

    def __init__(self, registry: CollectorRegistry | None = None, kinds: Iterable[str] = ()) -> None:
        registry = registry or CollectorRegistry()
        self._read = Counter(
            "crossdock_scrub_bytes", "Bytes of objects that the scrub has read.", registry=registry
        )
        self._findings = Counter(
            "crossdock_scrub_findings",
            "What the scrub found that is not as the index says.",
            ["kind"],
            registry=registry,
        )
        for kind in kinds:
            self._findings.labels(kind)

    def count_read(self, size: int) -> None:
        """Count bytes that were read."""
        self._read.inc(size)

    def count_finding(self, kind: str) -> None:
        """Count a finding."""
        self._findings.labels(kind).inc()
