"""The main loop of a worker process: on SIGTERM it stops once its jobs are done or handed back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Protocol

from services.process.allocator import freeze_heap
from services.process.health import Readiness
from services.process.maintenance import run_maintenance
from services.process.monitoring import open_monitor
from services.process.ports import Ports, open_ports, require_keys, wait_for_broker
from services.process.tracing import open_tracer
from shared.jobs.claims import Shares
from shared.jobs.deadlines import Deadlines
from shared.jobs.models import JobKind
from shared.jobs.traced_work import TracedWork
from shared.jobs.worker import Work, Worker, WorkerLimits
from shared.settings.environment import Settings

_OF_EXPORTS = (JobKind.EXPORT, JobKind.UPLOAD, JobKind.PEER_EXPORT, JobKind.BACKUP)


class Background(Protocol):
    """What a service runs until it is stopped, such as a Worker."""

    async def run(self) -> None:
        """Work until ``stop``."""

    def stop(self) -> None:
        """Begin nothing more; ``run`` returns once what is under way is done or handed back."""


def _worker_name() -> str:
    """Return the name of this process in the rows of its jobs: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def worker_limits(settings: Settings, kind: JobKind) -> WorkerLimits:
    """Read the limits of the workers of a kind from the settings."""
    hours = settings.export_deadline if kind in _OF_EXPORTS else settings.import_deadline
    return WorkerLimits(
        concurrency=_slots(settings, kind),
        ttl=timedelta(seconds=settings.lease_seconds),
        drain=timedelta(seconds=settings.drain_seconds),
        outage_pause=timedelta(minutes=settings.outage_pause),
        deadlines=Deadlines(total=timedelta(hours=hours), idle=timedelta(minutes=settings.job_idle_deadline)),
        shares=Shares(percent=settings.job_share, weights=user_weights(settings.job_weights)),
    )


def _slots(settings: Settings, kind: JobKind) -> int:
    """Return how many jobs of a kind a process does at once."""
    match kind:
        case JobKind.UPLOAD | JobKind.PEER_EXPORT:
            return settings.upload_concurrency
        case JobKind.REMOTE_IMPORT | JobKind.GIT_IMPORT | JobKind.GITHUB_IMPORT | JobKind.PEER_IMPORT:
            return settings.remote_import_concurrency
        case JobKind.BACKUP:  # it mostly waits for a server elsewhere, too
            return settings.remote_import_concurrency
        case JobKind.SMALL_IMPORT | JobKind.EXPORT:  # an export moves no bytes
            return settings.small_job_concurrency
        case _:
            return settings.worker_concurrency


def make_worker(ports: Ports, settings: Settings, kind: JobKind, work: Work) -> Worker:
    """Make the worker of this process for the jobs of a kind."""
    return Worker(
        ports.pool,
        ports.broker,
        kind=kind,
        work=TracedWork(work, ports.tracer),
        name=_worker_name(),
        limits=worker_limits(settings, kind),
        metrics=ports.job_metrics,
        storage=ports.storage_gate,
    )


def user_weights(text: str) -> dict[str, float]:
    """Read the weights of users, such as ``ann=3, bob=0.5``."""
    pairs = (pair.split("=", 1) for pair in text.split(",") if pair.strip())
    return {name.strip(): float(weight) for name, weight in pairs}


def _stop_on_signal(workers: Sequence[Background], readiness: Readiness) -> None:
    """Make SIGTERM and SIGINT stop the workers gracefully; the readiness probe answers 503 at once."""

    def stop() -> None:
        readiness.drain()
        for worker in workers:
            worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def run_workers(workers: Sequence[Background], maintenance: Coroutine[None, None, None]) -> None:
    """Run the workers and the maintenance until every worker has stopped."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(maintenance)
        await asyncio.gather(*(worker.run() for worker in workers))
        task.cancel()


async def serve_workers(
    settings: Settings, make_workers: Callable[[Ports, Settings], Sequence[Background]], *, service: str
) -> None:
    """Run a service that consists of workers, with its maintenance, until SIGTERM."""
    async with (
        open_tracer(settings, service=service) as tracer,
        open_ports(settings, tracer=tracer) as opened,
    ):
        await wait_for_broker(opened.broker)  # before the probes are served
        await require_keys(opened)
        async with open_monitor(opened, settings, service=service) as monitor:
            workers = make_workers(monitor.ports, settings)
            _stop_on_signal(workers, monitor.readiness)
            freeze_heap()
            await run_workers(workers, run_maintenance(monitor.ports, settings))
