from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from shared.broker.base import Message
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool
from shared.errors import ArchiveError, StorageError
from shared.jobs import outbox, store
from shared.jobs.metrics import AttemptEnd, JobMetrics
from shared.jobs.models import JobKind
from shared.jobs.progress import Phase, Progress, RelationProgress
from shared.jobs.queue_depth import QueueDepth
from shared.jobs.requeue import Requeue
from shared.jobs.worker import Worker, WorkerLimits
from tests.support.jobs import MINUTE, ScriptedWork, claimed, migrated, queued, state_of
from tests.support.waiting import until

QUICK = timedelta(milliseconds=10)
SCALING = Path(__file__).parents[3] / "deploy" / "observability" / "scaling.sql"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> JobMetrics:
    return JobMetrics(registry, fresh_for=MINUTE)


def _worker(
    pool: Pool, broker: MemoryBroker, work: ScriptedWork, *, metrics: JobMetrics, drain: timedelta = MINUTE
) -> Worker:
    limits = WorkerLimits(concurrency=1, ttl=MINUTE, drain=drain, first_delay=QUICK)
    return Worker(
        pool, broker, kind=JobKind.EXPORT, work=work, name="w", limits=limits, metrics=metrics
    )  # fmt: skip


async def _until(pool: Pool, job_id: int, state: str, broker: MemoryBroker) -> None:
    async with asyncio.timeout(20):
        while await state_of(pool, job_id) != state:
            await Requeue(pool, broker).publish()


def _attempts(registry: CollectorRegistry, result: str, kind: str = "export") -> float | None:
    labels = {"kind": kind, "result": result}
    durations = registry.get_sample_value("crossdock_job_attempt_duration_seconds_count", labels)
    assert durations == registry.get_sample_value("crossdock_job_attempts_total", labels)
    return durations


async def test_each_attempt_and_the_end_of_a_job_are_counted(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    broker = MemoryBroker()
    job = await queued(pool)
    worker = _worker(pool, broker, ScriptedWork(pool, StorageError("down")), metrics=metrics)
    running = asyncio.create_task(worker.run())
    await _until(pool, job.id, "finished", broker)
    worker.stop()
    await running

    assert (_attempts(registry, "retried"), _attempts(registry, "finished")) == (1, 1)
    finished = {"kind": "export", "result": "finished"}
    assert registry.get_sample_value("crossdock_jobs_total", finished) == 1
    assert registry.get_sample_value("crossdock_job_duration_seconds_count", finished) == 1
    assert registry.get_sample_value("crossdock_job_entries_total", {"kind": "export"}) == 7


async def test_the_wait_for_the_first_attempt_is_measured_by_the_database_and_later_ones_are_not(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    broker = MemoryBroker()
    job = await queued(pool)
    await pool.execute("UPDATE jobs SET created_at = created_at - interval '90 s'")
    worker = _worker(pool, broker, ScriptedWork(pool, StorageError("down")), metrics=metrics)
    running = asyncio.create_task(worker.run())
    await _until(pool, job.id, "finished", broker)
    worker.stop()
    await running

    waits = "crossdock_job_queue_wait_seconds"
    assert registry.get_sample_value(f"{waits}_count", {"kind": "export"}) == 1
    waited = registry.get_sample_value(f"{waits}_sum", {"kind": "export"})
    assert waited is not None
    assert 90 <= waited < 110


async def test_a_job_that_fails_is_counted_as_failed(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    broker = MemoryBroker()
    job = await queued(pool)
    worker = _worker(pool, broker, ScriptedWork(pool, ArchiveError("cut short")), metrics=metrics)
    running = asyncio.create_task(worker.run())
    await _until(pool, job.id, "failed", broker)
    worker.stop()
    await running

    assert _attempts(registry, "failed") == 1
    assert registry.get_sample_value("crossdock_jobs_total", {"kind": "export", "result": "failed"}) == 1


async def test_a_job_that_is_handed_back_has_not_ended(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    broker, work = MemoryBroker(), ScriptedWork(pool)
    work.released.clear()
    await outbox.announce(broker, await queued(pool))
    worker = _worker(pool, broker, work, metrics=metrics, drain=QUICK)
    running = asyncio.create_task(worker.run())
    await work.started.wait()
    worker.stop()
    await running

    assert _attempts(registry, "handed_back") == 1
    assert registry.get_sample_value("crossdock_jobs_total", {"kind": "export", "result": "finished"}) == 0


async def test_a_lost_lease_is_counted_by_its_worker(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    broker, work = MemoryBroker(), ScriptedWork(pool)
    work.released.clear()
    job = await queued(pool)
    await outbox.announce(broker, job)
    worker = _worker(pool, broker, work, metrics=metrics)
    running = asyncio.create_task(worker.run())
    await work.started.wait()
    await store.cancel(pool, job.id)
    work.released.set()
    worker.stop()
    await running

    assert _attempts(registry, "lease_lost") == 1


async def test_an_expired_lease_is_counted_by_the_sweeper_and_a_job_that_fails_by_it_too(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    for attempts in (1, 2):
        await claimed(pool, await queued(pool, max_attempts=attempts), ttl=timedelta(0))

    assert await Requeue(pool, MemoryBroker(), metrics=metrics).requeue_lost() == 2

    assert registry.get_sample_value("crossdock_job_leases_expired_total", {"kind": "export"}) == 2
    assert registry.get_sample_value("crossdock_jobs_total", {"kind": "export", "result": "failed"}) == 1


async def test_a_message_that_names_no_job_is_counted_as_a_dead_letter(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    broker = MemoryBroker()
    await broker.publish("export", Message(b"nonsense", message_id="m"))
    worker = _worker(pool, broker, ScriptedWork(pool), metrics=metrics)
    running = asyncio.create_task(worker.run())
    await until(lambda: registry.get_sample_value("crossdock_dead_letters_total", {"kind": "export"}) == 1)
    worker.stop()
    await running


def test_counters_that_alerts_watch_begin_at_zero(registry: CollectorRegistry, metrics: JobMetrics) -> None:
    assert registry.get_sample_value("crossdock_dead_letters_total", {"kind": "import"}) == 0
    for result in ("retried", "left", "lease_lost"):
        assert _counted(registry, "crossdock_job_attempts_total", result) == 0
    assert _counted(registry, "crossdock_jobs_total", "failed") == 0


def _counted(registry: CollectorRegistry, name: str, result: str) -> float | None:
    return registry.get_sample_value(name, {"kind": "import", "result": result})


async def test_rows_are_counted_by_relations_that_gitlab_knows_and_others_together(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    progress = Progress(bytes_done=3000, planned_bytes=2000, entries=3)
    for name in ("issues", "made_up", "made_up_too"):
        progress.relations[name] = RelationProgress(lines=5, failed=1)
    progress.begin(Phase.READING)
    metrics.count_attempt(await queued(pool), AttemptEnd.FINISHED, lasted=MINUTE, progress=progress)

    rows = "crossdock_relation_rows_total"
    assert registry.get_sample_value(rows, {"relation": "issues", "result": "kept"}) == 5
    assert registry.get_sample_value(rows, {"relation": "issues", "result": "failed"}) == 1
    assert registry.get_sample_value(rows, {"relation": "other", "result": "kept"}) == 10
    assert registry.get_sample_value("crossdock_job_bytes_total", {"kind": "export"}) == 1000
    phase = {"kind": "export", "phase": "reading"}
    assert registry.get_sample_value("crossdock_job_phase_duration_seconds_count", phase) == 1


def _on_their_way(registry: CollectorRegistry, kind: str, state: str) -> float | None:
    labels = {"kind": kind, "state": state}
    return registry.get_sample_value("crossdock_jobs_on_their_way", labels)


async def test_the_jobs_on_their_way_are_told_by_kind_and_state_with_zeros(
    pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    assert _on_their_way(registry, "export", "queued") is None  # nobody has looked yet
    for _ in range(3):
        job = await queued(pool)
    await claimed(pool, job)

    assert await QueueDepth(pool, metrics).read() == 3

    assert _on_their_way(registry, "export", "queued") == 2
    assert _on_their_way(registry, "export", "running") == 1
    assert _on_their_way(registry, "import", "queued") == 0


async def test_what_was_read_too_long_ago_is_not_told(pool: Pool, registry: CollectorRegistry) -> None:
    await QueueDepth(pool, JobMetrics(registry, fresh_for=timedelta(0))).read()

    assert _on_their_way(registry, "export", "queued") is None


async def test_the_query_for_autoscalers_gives_what_the_gauges_tell(
    database_url: str, pool: Pool, registry: CollectorRegistry, metrics: JobMetrics
) -> None:
    for _ in range(3):
        job = await queued(pool)
    await claimed(pool, job)
    await QueueDepth(pool, metrics).read()
    connection = await asyncpg.connect(database_url)
    try:
        query = SCALING.read_text()
        exports, imports = [await connection.fetchval(query, [kind]) for kind in ("export", "import")]
    finally:
        await connection.close()

    queued_, running = (_on_their_way(registry, "export", state) for state in ("queued", "running"))
    assert queued_ is not None
    assert running is not None
    assert (exports, imports) == (queued_ + running, 0)
