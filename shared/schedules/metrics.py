"""Metrics of runs and of the backups that they leave."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.schedules.models import RunState
from shared.schedules.runs import ENDS


@dataclass(frozen=True, slots=True)
class ScheduleAge:
    """Of a schedule's last run: how old the oldest last backup of a project is, and how many have none."""

    schedule_id: int
    oldest: timedelta
    missing: int


@dataclass(frozen=True, slots=True)
class ProjectAge:
    """Of a project in a schedule's last run: how old its newest good backup by that schedule is."""

    schedule_id: int
    path: str
    age: timedelta


class RunMetrics:
    """Counts runs of schedules; without a registry nothing reads them.

    Ages are exported for ``fresh_for`` after they were set: the leader alone sets them.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, *, fresh_for: timedelta = timedelta(minutes=3)
    ) -> None:
        registry = registry or CollectorRegistry()
        self._runs = Counter(
            "crossdock_runs", "Runs of schedules that have ended.", ["result"], registry=registry
        )
        for state in ENDS:
            self._runs.labels(state.value)
        self._ages = _Ages(registry, fresh_for=fresh_for)

    def count_end(self, state: RunState) -> None:
        """Count a run that has ended."""
        self._runs.labels(state.value).inc()

    def set_ages(self, ages: Sequence[ScheduleAge], projects: Sequence[ProjectAge] = ()) -> None:
        """Set the ages of schedules and of projects."""
        self._ages.set(ages, projects)


class _Ages(Collector):
    """The ages that were set last; no series once that is too long ago."""

    def __init__(self, registry: CollectorRegistry, *, fresh_for: timedelta) -> None:
        self._fresh_for = fresh_for.total_seconds()
        self._ages: Sequence[ScheduleAge] = ()
        self._projects: Sequence[ProjectAge] = ()
        self._read_at = float("-inf")
        registry.register(self)

    def set(self, ages: Sequence[ScheduleAge], projects: Sequence[ProjectAge]) -> None:
        """Set the ages."""
        self._ages, self._projects, self._read_at = ages, projects, time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """Give the gauges."""
        oldest = GaugeMetricFamily(
            "crossdock_schedule_oldest_backup_seconds",
            "How long ago that project of a schedule was backed up, or unchanged, for which it is longest.",
            labels=["schedule"],
        )
        missing = GaugeMetricFamily(
            "crossdock_schedule_projects_without_backup",
            "Projects of the last run of a schedule that have never been backed up by it.",
            labels=["schedule"],
        )
        of_projects = GaugeMetricFamily(
            "crossdock_project_backup_age_seconds",
            "How old the newest good backup of a project by a schedule is: the 1,000 oldest ones.",
            labels=["schedule", "project"],
        )
        if time.monotonic() - self._read_at < self._fresh_for:
            for project in self._projects:
                labels = [str(project.schedule_id), project.path]
                of_projects.add_metric(labels, project.age.total_seconds())
            for each in self._ages:
                oldest.add_metric([str(each.schedule_id)], each.oldest.total_seconds())
                missing.add_metric([str(each.schedule_id)], each.missing)
        yield from (oldest, missing, of_projects)
