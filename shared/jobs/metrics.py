"""Metrics of jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.gitlab.relations import RELATIONS
from shared.jobs.models import WORKER_LOST, Job, JobKind, JobState
from shared.jobs.progress import Progress
from shared.metrics.registry import BUCKETS, OTHER


class AttemptEnd(Enum):
    """How an attempt at a job ended."""

    FINISHED = "finished"
    FAILED = "failed"
    RETRIED = "retried"
    HANDED_BACK = "handed_back"
    POSTPONED = "postponed"  # a server of ours is away
    LEASE_LOST = "lease_lost"
    LEFT = "left"  # its end could not be written: the sweeper sees to it


@dataclass(frozen=True, slots=True)
class WaitingJobs:
    """How many jobs of a kind are in a state, and how long the oldest of them has been in it."""

    kind: JobKind
    state: JobState
    count: int
    oldest: timedelta


_RELATIONS = frozenset(RELATIONS)
_ENDS = {AttemptEnd.FINISHED: JobState.FINISHED, AttemptEnd.FAILED: JobState.FAILED}
_ON_THEIR_WAY = (JobState.QUEUED, JobState.RUNNING)


class JobMetrics:
    """Counts jobs and attempts; without a registry nothing reads them. No method raises or waits.

    The depth is exported for ``fresh_for`` after it was set: other processes set theirs too.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, *, fresh_for: timedelta = timedelta(minutes=1)
    ) -> None:
        registry = registry or CollectorRegistry()
        counter = partial(Counter, registry=registry)
        self._jobs = counter("crossdock_jobs", "Jobs that have ended.", ["kind", "result"])
        self._failures = counter(
            "crossdock_job_failures", "Jobs that have failed, by the code of their error.", ["kind", "code"]
        )
        self._attempts = counter("crossdock_job_attempts", "Attempts that have ended.", ["kind", "result"])
        self._expired = counter(
            "crossdock_job_leases_expired",
            "Leases of workers that fell silent, as the sweeper found them.",
            ["kind"],
        )
        self._rejected = counter("crossdock_dead_letters", "Messages that named no job.", ["kind"])
        self._bytes = counter("crossdock_job_bytes", "Bytes of archives read or sent.", ["kind"])
        self._entries = counter("crossdock_job_entries", "Entries of archives read or made.", ["kind"])
        self._rows = counter(
            "crossdock_relation_rows", "Records of relations that were imported.", ["relation", "result"]
        )
        self._measure_time(registry)
        self._depth = _Depth(registry, fresh_for=fresh_for)
        self._begin_at_zero()

    def _measure_time(self, registry: CollectorRegistry) -> None:
        histogram = partial(Histogram, buckets=BUCKETS, registry=registry)
        self._wait = histogram(
            "crossdock_job_queue_wait_seconds", "From asking for a job to its first attempt.", ["kind"]
        )
        self._attempt = histogram(
            "crossdock_job_attempt_duration_seconds", "One attempt.", ["kind", "result"]
        )
        self._whole = histogram(
            "crossdock_job_duration_seconds",
            "From asking for a job to its end, with the wait and every attempt.",
            ["kind", "result"],
        )
        self._phase = histogram(
            "crossdock_job_phase_duration_seconds", "One phase of an attempt.", ["kind", "phase"]
        )

    def _begin_at_zero(self) -> None:
        """Create every series at zero: to an alert, a counter that begins at one has not increased."""
        for kind in JobKind:
            self._expired.labels(kind.value)
            self._rejected.labels(kind.value)
            for end in AttemptEnd:
                self._attempts.labels(kind.value, end.value)
            for state in _ENDS.values():
                self._jobs.labels(kind.value, state.value)

    def count_claim(self, job: Job) -> None:
        """Measure how long a claimed job waited, at its first attempt: later attempts wait on purpose."""
        if job.lease == 1 and job.started_at is not None:
            self._wait.labels(job.kind.value).observe((job.started_at - job.created_at).total_seconds())

    def count_attempt(self, job: Job, end: AttemptEnd, *, lasted: timedelta, progress: Progress) -> None:
        """Count an attempt whose end is written, and what it has done."""
        kind = job.kind.value
        self._attempts.labels(kind, end.value).inc()
        self._attempt.labels(kind, end.value).observe(lasted.total_seconds())
        for each in progress.phases:
            self._phase.labels(kind, each.phase.value).observe(each.seconds)
        self._bytes.labels(kind).inc(progress.bytes_done - progress.planned_bytes)
        self._entries.labels(kind).inc(progress.entries)
        self._count_rows(progress)
        if end in _ENDS:
            self._end(job, _ENDS[end])

    def _end(self, job: Job, state: JobState) -> None:
        self._jobs.labels(job.kind.value, state.value).inc()
        whole = datetime.now(UTC) - job.created_at  # two clocks
        self._whole.labels(job.kind.value, state.value).observe(max(whole.total_seconds(), 0))

    def _count_rows(self, progress: Progress) -> None:
        for name, count in progress.relations.items():
            relation = name if name in _RELATIONS else OTHER
            self._rows.labels(relation, "kept").inc(count.lines)
            self._rows.labels(relation, "failed").inc(count.failed)

    def count_failure(self, kind: JobKind, code: str) -> None:
        """Count a job that has finally failed, by the code of its error."""
        self._failures.labels(kind.value, code).inc()

    def count_rejected_message(self, kind: JobKind) -> None:
        """Count a message that named no job, and became a dead letter."""
        self._rejected.labels(kind.value).inc()

    def count_expired_lease(self, kind: JobKind, state: JobState) -> None:
        """Count an expired lease; the sweeper moved its job to ``state``."""
        self._expired.labels(kind.value).inc()
        if state is JobState.FAILED:
            self._jobs.labels(kind.value, state.value).inc()
            self.count_failure(kind, WORKER_LOST)

    def set_depth(self, waiting: Sequence[WaitingJobs]) -> None:
        """Set the number of unfinished jobs; kinds and states that are not named have none."""
        self._depth.set(waiting)


class _Depth(Collector):
    """The depth that was set last; no series once that is too long ago."""

    def __init__(self, registry: CollectorRegistry, *, fresh_for: timedelta) -> None:
        self._fresh_for = fresh_for.total_seconds()
        self._waiting: dict[tuple[JobKind, JobState], WaitingJobs] = {}
        self._read_at = float("-inf")
        registry.register(self)

    def set(self, waiting: Sequence[WaitingJobs]) -> None:
        """Set the depth."""
        self._waiting = {(each.kind, each.state): each for each in waiting}
        self._read_at = time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """Give both gauges, zeros included: an autoscaler must see that there is nothing to do."""
        jobs = GaugeMetricFamily(
            "crossdock_jobs_on_their_way", "Jobs queued and running.", labels=["kind", "state"]
        )
        oldest = GaugeMetricFamily(
            "crossdock_jobs_oldest_seconds",
            "How long the oldest of those has been due, or has been worked on.",
            labels=["kind", "state"],
        )
        if time.monotonic() - self._read_at < self._fresh_for:
            for kind in JobKind:
                for state in _ON_THEIR_WAY:
                    found = self._waiting.get((kind, state))
                    jobs.add_metric([kind.value, state.value], found.count if found else 0)
                    oldest.add_metric([kind.value, state.value], found.oldest.total_seconds() if found else 0)
        return jobs, oldest
