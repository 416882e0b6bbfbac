"""Metrics of runs."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from shared.schedules.models import RunState
from shared.schedules.runs import ENDS


class RunMetrics:
    """Counts runs of schedules; without a registry nothing reads them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._runs = Counter(
            "crossdock_runs", "Runs of schedules that have ended.", ["result"], registry=registry
        )
        for state in ENDS:
            self._runs.labels(state.value)

    def count_end(self, state: RunState) -> None:
        """Count a run that has ended."""
        self._runs.labels(state.value).inc()
