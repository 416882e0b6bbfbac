"""How a worker process runs: until it is told to stop, and then until its jobs are done or handed back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine, Sequence
from datetime import timedelta

from services.process.health import Readiness
from services.process.maintenance import keep_house
from services.process.monitoring import Monitor
from shared.jobs.worker import Worker, WorkerLimits
from shared.settings.environment import Settings


def worker_name() -> str:
    """Name this process in the rows of its jobs."""
    return f"{socket.gethostname()}:{os.getpid()}"


def worker_limits(settings: Settings) -> WorkerLimits:
    """Read the limits of workers from the settings."""
    return WorkerLimits(
        concurrency=settings.worker_concurrency,
        ttl=timedelta(seconds=settings.lease_seconds),
        drain=timedelta(seconds=settings.drain_seconds),
    )


def _stop_on_signal(workers: Sequence[Worker], readiness: Readiness) -> None:
    """Have SIGTERM and SIGINT stop the workers gracefully; probes learn of it at once."""

    def stop() -> None:
        readiness.drain()
        for worker in workers:
            worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def work(workers: Sequence[Worker], housekeeping: Coroutine[None, None, None]) -> None:
    """Run workers and the housekeeping until every worker has stopped."""
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(housekeeping)
        await asyncio.gather(*(worker.run() for worker in workers))
        keeping.cancel()


async def work_until_signal(workers: Sequence[Worker], monitor: Monitor, settings: Settings) -> None:
    """Work, and keep house, until SIGTERM."""
    _stop_on_signal(workers, monitor.readiness)
    await work(workers, keep_house(monitor.ports, settings))
