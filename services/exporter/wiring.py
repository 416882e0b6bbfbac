"""The exporter's wiring."""

from __future__ import annotations

from functools import partial

from services.exporter.exporter import Exporter
from services.exporter.upload import Uploader
from services.process.monitoring import monitored
from services.process.ports import Ports, answering, distributed
from services.process.tracing import tracing
from services.process.worker import work_until_signal, worker_limits, worker_name
from shared.jobs.models import JobKind
from shared.jobs.traced_work import TracedWork
from shared.jobs.worker import Worker
from shared.outbound.policy import outbound_clients
from shared.settings.defaults import default_settings
from shared.settings.environment import Settings
from shared.settings.store import application_settings


def exporter(ports: Ports, settings: Settings) -> Worker:
    """Make a worker that exports."""
    now = partial(application_settings, ports.pool, default_settings(settings))
    task = Exporter(
        ports.pool,
        ports.store,
        settings=now,
        uploader=Uploader(ports.store, outbound_clients(ports.pool, settings)),
        metrics=ports.job_metrics,
    )
    return Worker(
        ports.pool,
        ports.broker,
        kind=JobKind.EXPORT,
        work=TracedWork(task, ports.tracer),
        name=worker_name(),
        limits=worker_limits(settings),
        metrics=ports.job_metrics,
    )


async def serve(settings: Settings) -> None:
    """Export until SIGTERM."""
    async with (
        tracing(settings, service="exporter") as tracer,
        distributed(settings, tracer=tracer) as opened,
    ):
        await answering(opened.broker)  # who probes us finds nothing before
        async with monitored(opened, settings, service="exporter") as monitor:
            await work_until_signal([exporter(monitor.ports, settings)], monitor, settings)
