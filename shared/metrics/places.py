"""Metrics of places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from shared.admission import Places, RefusalReason

_GAUGES: Sequence[tuple[str, str, Callable[[Places], int]]] = (
    ("crossdock_places", "Places of a process.", lambda places: places.limits.total),
    ("crossdock_places_used", "Places that are held.", lambda places: places.used),
    ("crossdock_places_waiting", "Requests that wait for a place.", lambda places: places.waiting),
    ("crossdock_places_most_held", "Places of the holder with the most.", lambda places: places.most_held),
)


class PlaceMetrics(Collector):
    """Reads places whenever metrics are collected; without a registry nothing reads them.

    No metric names a holder: there are as many as users.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._watched: list[Places] = []
        if registry is not None:
            registry.register(self)

    def watch(self, places: Iterable[Places]) -> None:
        """Read these places as well. Each kind has a name of its own."""
        self._watched.extend(places)

    def collect(self) -> Iterable[Metric]:
        """Give the state of each kind, the refusals by reason, and how long was waited."""
        yield from (self._gauge(*each) for each in _GAUGES)
        refused = CounterMetricFamily(
            "crossdock_places_refused", "Requests that got no place.", labels=["kind", "reason"]
        )
        waits = SummaryMetricFamily(
            "crossdock_places_wait_seconds", "Waits for a place that are over.", labels=["kind"]
        )
        for places in self._watched:
            name, use = places.limits.name, places.use
            for reason in RefusalReason:
                refused.add_metric([name, reason.value], use.refused[reason])
            waits.add_metric([name], count_value=use.waits, sum_value=use.seconds_waited)
        yield from (refused, waits)

    def _gauge(self, name: str, description: str, read: Callable[[Places], int]) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(name, description, labels=["kind"])
        for places in self._watched:
            gauge.add_metric([places.limits.name], read(places))
        return gauge
