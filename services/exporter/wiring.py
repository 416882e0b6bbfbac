"""The exporter's wiring."""

from __future__ import annotations

from datetime import timedelta

from services.exporter.exporter import Exporter
from services.housekeeping import sweeper
from services.ports import Ports, answering, distributed
from services.working import stop_on_signal, work, worker_limits, worker_name
from shared.jobs.models import JobKind
from shared.jobs.worker import Worker
from shared.settings import Settings


def exporter(ports: Ports, settings: Settings) -> Worker:
    """Make a worker that exports."""
    return Worker(
        ports.pool,
        ports.broker,
        kind=JobKind.EXPORT,
        work=Exporter(ports.pool, ports.store, retention=timedelta(hours=settings.export_retention)),
        name=worker_name(),
        limits=worker_limits(settings),
    )


async def serve(settings: Settings) -> None:
    """Export until SIGTERM."""
    async with distributed(settings) as ports:
        await answering(ports.broker)
        worker = exporter(ports, settings)
        stop_on_signal([worker])
        await work([worker], sweeper(ports, settings))
